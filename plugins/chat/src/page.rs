//! The page of a chat: a form to join, the conversation, and a line to say something.

use csgi::{Env, Response};
use lab::{Lang, Text, escape, text};

/// What a chat page asks for before one joins.
pub struct Seat {
    /// Of the parameter.
    pub name: &'static str,
    pub label: Text,
    pub value: String,
    /// Choices; empty: a field to write in.
    pub options: &'static [&'static str],
}

/// The choice of an encoding.
pub const CHARSET_SEAT: Seat = Seat {
    name: "charset",
    label: text("编码", "Encoding"),
    value: String::new(),
    options: &["utf-8", "gbk"],
};

/// A chat page.
pub struct Page {
    /// The lab that it belongs to.
    pub lab: &'static str,
    /// Below the lab's mount: `/room`.
    pub path: &'static str,
    pub title: Text,
    /// HTML.
    pub introduction: String,
    pub seats: Vec<Seat>,
}

impl Page {
    pub fn respond(&self, env: &Env, lang: Lang) -> Response {
        let mount = String::from_utf8_lossy(env.mount());
        let own = format!("{mount}{}", self.path);
        let content = self.content(&escape(&own), lang);
        Response::html(lab::frame(self.lab, self.title, lang, &own, &content))
            .header("content-security-policy", lab::POLICY)
            .header("vary", "accept-language")
            .header("cache-control", "no-store")
    }

    fn content(&self, base: &str, lang: Lang) -> String {
        let word = |zh: &'static str, en: &'static str| text(zh, en).get(lang);
        let fields: String = self.seats.iter().map(|seat| seat.field(lang)).collect();
        format!(
            "<script src=\"/chat.js\" defer></script>\n<div class=\"intro\">{introduction}</div>\n\
             <section class=\"experiment chat\" data-base=\"{base}\" data-lang=\"{code}\">\n\
             <form class=\"join\">{fields}\
             <p class=\"buttons\"><button class=\"run\">{join}</button> \
             <button class=\"stop\" type=\"button\" disabled>{leave}</button> \
             <span class=\"status\" role=\"status\"></span></p>\
             <p class=\"error\" role=\"alert\" hidden></p></form>\n\
             <ol class=\"talk\" role=\"log\" aria-label=\"{talk}\" tabindex=\"0\"></ol>\n\
             <form class=\"say\"><div class=\"field\"><label for=\"text\">{message}</label>\
             <input id=\"text\" name=\"text\" type=\"text\" maxlength=\"1000\" autocomplete=\"off\" disabled>\
             <p class=\"field-error\" hidden></p></div>\
             <p class=\"buttons\"><button class=\"run\" disabled>{send}</button></p></form>\n\
             <p class=\"command\">curl: <code>curl -N '<span class=\"origin\"></span>{base}/events'</code><br>\
             <code>curl -d session=… -d text=hello '<span class=\"origin\"></span>{base}/say'</code></p>\n\
             </section>\n",
            introduction = self.introduction,
            code = lang.code(),
            join = word("加入", "Join"),
            leave = word("离开", "Leave"),
            talk = word("对话", "Conversation"),
            message = word("消息", "Message"),
            send = word("发送", "Send"),
        )
    }
}

impl Seat {
    fn field(&self, lang: Lang) -> String {
        let Self { name, label, value, options } = self;
        let (label, value) = (escape(label.get(lang)), escape(value));
        let control = if options.is_empty() {
            format!(
                "<input id=\"{name}\" name=\"{name}\" type=\"text\" value=\"{value}\" maxlength=\"64\" \
                 autocomplete=\"off\">"
            )
        } else {
            let options: String =
                options.iter().map(|option| format!("<option>{option}</option>")).collect();
            format!("<select id=\"{name}\" name=\"{name}\">{options}</select>")
        };
        format!(
            "<div class=\"field\"><label for=\"{name}\">{label}</label>{control}\
             <p class=\"field-error\" hidden></p></div>\n"
        )
    }
}
