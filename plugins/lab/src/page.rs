//! The page of a lab, in either language.

use std::fmt::Write;

use crate::experiment::{Experiment, Lab};
use crate::parameter::{Kind, Parameter};
use crate::text::{Lang, Text, escape, text};

/// Everything comes from the server itself; pictures are inline.
pub const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// All labs, in the order of the course.
const LABS: [(&str, Text); 8] = [
    ("process", text("进程", "Processes")),
    ("ipc", text("进程间通信", "IPC")),
    ("threads", text("线程", "Threads")),
    ("udp", text("UDP", "UDP")),
    ("tftp", text("TFTP", "TFTP")),
    ("tcp", text("TCP", "TCP")),
    ("servers", text("服务器", "Servers")),
    ("regex", text("正则表达式", "Regex")),
];

/// The frame of every page: head, language switch, links to the other labs.
pub fn frame(name: &str, title: Text, lang: Lang, mount: &str, content: &str) -> String {
    let other = lang.other();
    let mut links = String::new();
    for (lab, label) in LABS {
        let current = if lab == name { " aria-current=\"page\"" } else { "" };
        let (label, code) = (label.get(lang), lang.code());
        let _ = write!(links, "<li><a href=\"/{lab}.py?lang={code}\"{current}>{label}</a>");
    }
    format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · Tenon</title>\n\
         <link rel=\"stylesheet\" href=\"/lab.css\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <script src=\"/lab.js\" defer></script>\n\
         <a class=\"skip\" href=\"#main\">{skip}</a>\n\
         <header class=\"top\"><nav aria-label=\"{course}\"><ul>\
         <li><a href=\"/?lang={code}\">{home}</a>{links}</ul></nav>\
         <a class=\"language\" href=\"{mount}?lang={other_code}\" hreflang=\"{other_tag}\" \
         lang=\"{other_tag}\">{other_name}</a></header>\n\
         <main id=\"main\">\n<h1>{title}</h1>\n{content}</main>\n</html>\n",
        tag = lang.tag(),
        title = escape(title.get(lang)),
        skip = text("跳到正文", "Skip to the content").get(lang),
        course = text("课程", "Course").get(lang),
        code = lang.code(),
        home = text("首页", "Home").get(lang),
        mount = escape(mount),
        other_code = other.code(),
        other_tag = other.tag(),
        other_name = text("中文", "English").get(other),
    )
}

/// The page of a lab.
pub fn page(lab: &Lab, mount: &str, lang: Lang) -> String {
    let mut content = format!("<div class=\"intro\">{}</div>\n", lab.introduction.get(lang));
    let contents = text("本章实验", "Experiments").get(lang);
    let _ = write!(content, "<nav class=\"contents\" aria-label=\"{contents}\"><ol>");
    for experiment in lab.experiments {
        let title = escape(experiment.title.get(lang));
        let _ = write!(content, "<li><a href=\"#{}\">{title}</a>", experiment.name);
    }
    content.push_str("</ol></nav>\n");
    for experiment in lab.experiments {
        content.push_str(&section(experiment, mount, lang));
    }
    frame(lab.name, lab.title, lang, mount, &content)
}

fn section(experiment: &Experiment, mount: &str, lang: Lang) -> String {
    let Experiment { name, title, lesson, parameters, source, python, .. } = experiment;
    let (mount, title) = (escape(mount), escape(title.get(lang)));
    let mut html = format!(
        "<section class=\"experiment\" id=\"{name}\" aria-labelledby=\"{name}-title\">\n\
         <h2 id=\"{name}-title\">{title}</h2>\n<div class=\"lesson\">{}</div>\n\
         <form action=\"{mount}/run/{name}\" data-experiment=\"{name}\">\n\
         <input type=\"hidden\" name=\"lang\" value=\"{}\">\n",
        lesson.get(lang),
        lang.code(),
    );
    for parameter in *parameters {
        html.push_str(&field(name, parameter, lang));
    }
    let _ = write!(
        html,
        "<p class=\"buttons\"><button class=\"run\">{run}</button> \
         <button class=\"stop\" type=\"button\" disabled>{stop}</button> \
         <span class=\"status\" role=\"status\"></span></p>\n\
         <p class=\"error\" role=\"alert\" hidden></p>\n</form>\n",
        run = text("运行", "Run").get(lang),
        stop = text("停止", "Stop").get(lang),
    );
    html.push_str(&results(name, lang));
    html.push_str(&code(
        text("运行的原生代码（Rust）", "The native code that runs (Rust)"),
        source,
        lang,
    ));
    if !python.is_empty() {
        html.push_str(&code(
            text("课程里的 Python 程序", "The lesson's program in Python"),
            python,
            lang,
        ));
    }
    let _ = write!(
        html,
        "<p class=\"command\">{as_json} <code>curl '<span class=\"origin\"></span>{mount}/run/{name}'</code></p>\n\
         </section>\n",
        as_json = text("结果的 JSON 形式：", "The result as JSON:").get(lang),
    );
    html
}

/// Where the script puts what arrives.
fn results(name: &str, lang: Lang) -> String {
    format!(
        "<div class=\"results\" hidden>\n\
         <progress aria-label=\"{progress}\" hidden></progress>\n\
         <ul class=\"checks\" aria-label=\"{checks}\"></ul>\n\
         <dl class=\"values\"></dl>\n<div class=\"pictures\"></div>\n\
         <ul class=\"files\"></ul>\n\
         <pre class=\"output\" id=\"{name}-output\" role=\"log\" tabindex=\"0\" aria-label=\"{output}\"></pre>\n\
         </div>\n",
        progress = text("进度", "Progress").get(lang),
        checks = text("与课程对照", "Checked against the lesson").get(lang),
        output = text("输出", "Output").get(lang),
    )
}

fn code(title: Text, source: &str, lang: Lang) -> String {
    format!(
        "<details><summary>{}</summary><pre class=\"code\" tabindex=\"0\"><code>{}</code></pre></details>\n",
        title.get(lang),
        escape(source.trim_end())
    )
}

fn field(experiment: &str, parameter: &Parameter, lang: Lang) -> String {
    let name = parameter.name;
    let id = format!("{experiment}-{name}");
    let default = escape(&parameter.default_value());
    let common = format!("id=\"{id}\" name=\"{name}\" aria-describedby=\"{id}-hint\"");
    let (control, hint) = match parameter.kind {
        Kind::Integer { least, most, .. } => (
            format!(
                "<input {common} type=\"number\" inputmode=\"numeric\" min=\"{least}\" \
                 max=\"{most}\" step=\"1\" value=\"{default}\">"
            ),
            format!("{least}–{most}"),
        ),
        Kind::Line { longest, .. } => (
            format!("<input {common} type=\"text\" maxlength=\"{longest}\" value=\"{default}\">"),
            String::new(),
        ),
        // The parser drops a line break that follows the tag.
        Kind::Lines { longest, .. } => (
            format!("<textarea {common} maxlength=\"{longest}\" rows=\"4\">\n{default}</textarea>"),
            String::new(),
        ),
        Kind::Choice { options } => {
            let mut select = format!("<select {common}>");
            for (value, label) in options {
                let (value, label) = (escape(value), escape(label.get(lang)));
                let _ = write!(select, "<option value=\"{value}\">{label}</option>");
            }
            (select + "</select>", String::new())
        }
    };
    format!(
        "<div class=\"field\"><label for=\"{id}\">{}</label>{control}\
         <small id=\"{id}-hint\">{hint}</small><p class=\"field-error\" hidden></p></div>\n",
        escape(parameter.label.get(lang))
    )
}
