//! The chapter as a table, at /regex.py/chapter: what is typed, what the lesson prints; `regex.js`
//! adds what comes out here and in Python.

use std::fmt::Write as _;

use csgi::{Env, Response};
use lab::{Lang, Text, escape, text};

use crate::chapter::{Example, SECTIONS};

/// Everything comes from the server itself.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// Heads of columns, which a phone shows in each row.
const TYPED: Text = text("输入", "typed");
const LESSON: Text = text("课程的输出", "the lesson prints");

pub fn page(env: &Env) -> Response {
    let query = String::from_utf8_lossy(env.query()).into_owned();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("lang="));
    let lang = Lang::choose(named, env.header("accept-language"));
    let title = text("第 7 章的每一个例子", "Every example of chapter 7");
    let mount = String::from_utf8_lossy(env.mount()).into_owned();
    let page =
        lab::frame("regex", title, lang, &format!("{mount}/chapter"), &content(&mount, lang));
    Response::html(page)
        .header("content-security-policy", POLICY)
        .header("vary", "accept-language")
        .header("cache-control", "no-store")
}

fn content(mount: &str, lang: Lang) -> String {
    let words = |zh, en| text(zh, en).get(lang);
    let mut html = format!(
        "<p>{introduction} <a href=\"{mount}?lang={code}\">{back}</a></p>\n\
         <p id=\"examples-status\" role=\"status\"></p>\n\
         <table id=\"examples\" data-run=\"{mount}/run/chapter?lang={code}\" data-running=\"{running}\" \
         data-same=\"{same}\" data-failed=\"{failed}\">\n\
         <thead><tr><th><th>{typed}<th>{lesson}<th>{here}<th>Python</thead>\n",
        introduction = words(
            "左边两列是课程的原文；右边两列是刚才运行的结果：原生代码的，和本机 Python 的。",
            "The lesson has the two columns on the left. The two on the right were run just now: \
             natively, and by this machine's Python.",
        ),
        mount = escape(mount),
        code = lang.code(),
        back = words("回到实验", "Back to the experiments"),
        running = words("正在运行……", "running …"),
        same = words("三者相同：", "the same in all three:"),
        failed = words("运行失败：", "the run has failed:"),
        typed = TYPED.get(lang),
        lesson = LESSON.get(lang),
        here = words("这里", "here"),
    );
    for section in SECTIONS.iter() {
        let title = escape(words(section.zh, section.en));
        let _ = writeln!(html, "<tbody><tr><th colspan=\"5\" scope=\"rowgroup\">{title}");
        section.examples.iter().for_each(|example| row(&mut html, example, lang));
    }
    html.push_str("</table>\n<script src=\"/regex.js\" defer></script>\n");
    html
}

fn row(html: &mut String, example: &Example, lang: Lang) {
    let (code, expected) = (escape(&example.code), escape(example.expected.trim_end_matches('\n')));
    let remark = example.remark.map(|(zh, en)| escape(text(zh, en).get(lang)));
    let remark = remark.map_or(String::new(), |remark| format!("<br><small>{remark}</small>"));
    let lesson = LESSON.get(lang);
    let typed = TYPED.get(lang);
    let _ = writeln!(
        html,
        "<tr class=\"example\"><td class=\"mark\"><td data-label=\"{typed}\"><code>{code}</code>\
         <td data-label=\"{lesson}\"><code>{expected}</code>{remark}"
    );
}
