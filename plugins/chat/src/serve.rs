//! The requests of a chat page: what they are given, and what is answered to a wrong one.

use std::io::{ErrorKind, Read};

use csgi::{Env, Response};
use lab::{FieldError, Lang, Parameter, Text, Values, same, text};
use serde_json::{Value, json};
use wire::{Charset, Interface};

use crate::mailbox::{LETTER_LIMIT, post};

/// Bytes of a posted form at most.
const FORM_LIMIT: u64 = 16 << 10;

/// The plugin's configuration.
pub fn config(env: &Env) -> Value {
    serde_json::from_slice(env.config()).unwrap_or_default()
}

/// A port that the configuration may name.
pub fn config_port(config: &Value, key: &str, default: u16) -> u16 {
    let named = config.get(key).and_then(Value::as_u64);
    named.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
}

/// The parameter `charset`.
pub const CHARSET: Parameter = Parameter::choice("charset", ENCODING, CHARSETS);
const ENCODING: Text = text("编码", "Encoding");
const CHARSETS: &[(&str, Text)] = &[("utf-8", same("UTF-8")), ("gbk", same("GBK"))];

/// Who wants to sit down.
#[derive(Clone, Debug)]
pub struct Guest {
    pub name: String,
    pub charset: Charset,
}

/// The values of a request for a seat, the visitor's language, and the network that it is on.
///
/// # Errors
/// The answer to a request that is not allowed.
pub fn checked(env: &Env, parameters: &[Parameter]) -> Result<(Values, Lang, Interface), Response> {
    let (lang, given) = given(env);
    if env.header("sec-fetch-site") == Some(b"cross-site") {
        let words = text("另一个网站不能加入", "another site may not join");
        return Err(refuse(403, "cross-site", words.get(lang), &[]));
    }
    let values = Values::check(parameters, &given, lang).map_err(|errors| {
        let fields = errors.iter().map(|FieldError { name, message }| (&**name, message.clone()));
        wrong_fields(lang, &fields.collect::<Vec<_>>())
    })?;
    let interface =
        Interface::configured(&config(env)).map_err(|error| refuse(500, "error", &error, &[]))?;
    Ok((values, lang, interface))
}

/// `name` and `charset` of somebody who wants to join a room.
///
/// # Errors
/// The answer to a request that is not allowed.
pub fn guest(env: &Env) -> Result<(Guest, Interface), Response> {
    let parameters = [Parameter::line("name", text("名字", "Name"), 24, "guest"), CHARSET];
    let (values, lang, interface) = checked(env, &parameters)?;
    let charset = Charset::named(values.get("charset")).unwrap_or_default();
    let name = values.get("name").trim().to_owned();
    if name.is_empty() || charset.encode(&name).is_err() {
        let words = text("请填一个所选编码能表示的名字", "give a name that the encoding can say");
        return Err(wrong_fields(lang, &[("name", words.get(lang).to_owned())]));
    }
    Ok((Guest { name, charset }, interface))
}

/// The visitor's language, and the query without it.
pub fn given(env: &Env) -> (Lang, Vec<(String, String)>) {
    let pairs = form_urlencoded::parse(env.query()).into_owned();
    let (lang, given): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == "lang");
    let named = lang.first().map(|(_, value)| value.as_str());
    (Lang::choose(named, env.header("accept-language")), given)
}

/// A refusal in the shape that all labs share.
pub fn refuse(status: u16, error: &str, message: &str, fields: &[(&str, String)]) -> Response {
    let fields: Vec<_> =
        fields.iter().map(|(name, message)| json!({"name": name, "message": message})).collect();
    let body = json!({"error": error, "message": message, "fields": fields});
    Response::json(format!("{body:#}\n")).status(status).header("cache-control", "no-store")
}

/// The answer to wrong fields.
pub fn wrong_fields(lang: Lang, fields: &[(&str, String)]) -> Response {
    let message = text("参数不正确，见各栏", "a parameter is not allowed: see the fields");
    refuse(400, "parameters", message.get(lang), fields)
}

/// `POST …/say` with `session`, `charset` and `text`: what the browser says goes to its session.
pub fn say(env: &Env) -> Response {
    let (lang, _) = given(env);
    if env.method() != b"POST" {
        return refuse(405, "method", "only POST is answered here", &[]).header("allow", "POST");
    }
    if env.header("sec-fetch-site") == Some(b"cross-site") {
        let words = text("另一个网站不能在这里说话", "another site may not speak here");
        return refuse(403, "cross-site", words.get(lang), &[]);
    }
    let mut body = Vec::new();
    if env.body().take(FORM_LIMIT).read_to_end(&mut body).is_err() {
        return refuse(400, "body", "the request body cannot be read", &[]);
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let field =
        |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    let said = field("text").unwrap_or_default();
    let charset = field("charset").and_then(Charset::named).unwrap_or_default();
    if let Some(objection) = objection(said, charset, lang) {
        return wrong_fields(lang, &[("text", objection)]);
    }
    match post(field("session").unwrap_or_default(), said) {
        Ok(()) => {
            Response::json("{\"ok\": true}\n").status(202).header("cache-control", "no-store")
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            let words = text("说得太快，请稍候", "too fast: wait a moment");
            refuse(429, "busy", words.get(lang), &[])
        }
        Err(_) => {
            let words = text("会话已结束，请重新加入", "the session is over; join again");
            refuse(410, "gone", words.get(lang), &[])
        }
    }
}

/// What is wrong with a message.
fn objection(said: &str, charset: Charset, lang: Lang) -> Option<String> {
    let count = said.chars().count();
    let is_chinese = lang == Lang::Zh;
    if said.trim().is_empty() {
        return Some(text("请输入内容", "say something").get(lang).to_owned());
    }
    if count > LETTER_LIMIT {
        return Some(match is_chinese {
            true => format!("有 {count} 个字符，最多 {LETTER_LIMIT} 个"),
            false => format!("it has {count} characters, {LETTER_LIMIT} are allowed"),
        });
    }
    let error = charset.encode(said).err()?;
    Some(match is_chinese {
        true => format!("{} 没有字符“{}”，请改用 UTF-8 或删去它", charset.name(), error.character),
        false => error.to_string(),
    })
}
