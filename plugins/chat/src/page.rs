//! The page of a chat: a form to join, the conversation, and a line to say something.

use std::fmt::Write;

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

/// The content of a chat page; `base` is where its requests go to: `/udp.py/room`.
pub fn page(introduction: &str, base: &str, seats: &[Seat], lang: Lang) -> String {
    let word = |zh: &'static str, en: &'static str| text(zh, en).get(lang);
    let base = escape(base);
    let mut fields = String::new();
    for Seat { name, label, value, options } in seats {
        let (label, value) = (escape(label.get(lang)), escape(value));
        let control = if options.is_empty() {
            format!(
                "<input id=\"{name}\" name=\"{name}\" value=\"{value}\" maxlength=\"64\" autocomplete=\"off\">"
            )
        } else {
            let options = options.iter().map(|option| format!("<option>{option}</option>"));
            format!(
                "<select id=\"{name}\" name=\"{name}\">{}</select>",
                options.collect::<String>()
            )
        };
        // A String takes everything.
        let _ = writeln!(
            fields,
            "<div class=\"field\"><label for=\"{name}\">{label}</label>{control}\
             <p class=\"field-error\" hidden></p></div>"
        );
    }
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
         <input id=\"text\" name=\"text\" maxlength=\"1000\" autocomplete=\"off\" disabled>\
         <p class=\"field-error\" hidden></p></div>\
         <p class=\"buttons\"><button class=\"run\" disabled>{send}</button></p></form>\n\
         <p class=\"command\">curl: <code>curl -N '<span class=\"origin\"></span>{base}/events?name=curl'</code><br>\
         <code>curl -d session=… -d text=hello '<span class=\"origin\"></span>{base}/say'</code></p>\n\
         </section>\n",
        code = lang.code(),
        join = word("加入", "Join"),
        leave = word("离开", "Leave"),
        talk = word("对话", "Conversation"),
        message = word("消息", "Message"),
        send = word("发送", "Send"),
    )
}
