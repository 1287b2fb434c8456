//! The requests of a lab: its page, its experiments as JSON, and their runs.

use csgi::{Env, Response};
use serde_json::{Map, Value, json};

use crate::centre::{self, NotTaken};
use crate::event::{Refusal, Request};
use crate::experiment::{Experiment, Lab};
use crate::page;
use crate::parameter::{FieldError, Kind, Values};
use crate::stream::{Form, Stream};
use crate::text::{Lang, text};

/// What a request says about itself.
pub(crate) struct Asked {
    pub lang: Lang,
    /// The query without `lang`.
    pub given: Vec<(String, String)>,
}

impl Asked {
    pub fn of(env: &Env) -> Self {
        let pairs = form_urlencoded::parse(env.query()).into_owned();
        let (lang, given): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| name == "lang");
        let named = lang.first().map(|(_, value)| value.as_str());
        Self { lang: Lang::choose(named, env.header("accept-language")), given }
    }
}

/// The language of a page that a lab makes itself.
pub fn asked_lang(env: &Env) -> Lang {
    Asked::of(env).lang
}

/// Answers a request to a lab.
///
/// | path | answer |
/// |---|---|
/// | nothing or `/` | the page |
/// | `/experiments` | what there is, as JSON |
/// | `/run/NAME?parameter=value` | a run: server-sent events if `Accept` names them, else JSON |
pub fn serve(lab: &'static Lab, env: &Env) -> Response {
    let asked = Asked::of(env);
    let response = match env.path() {
        b"" | b"/" if is_read(env) => {
            Response::html(page::page(lab, &String::from_utf8_lossy(env.mount()), asked.lang))
                .header("content-security-policy", page::POLICY)
        }
        b"/experiments" if is_read(env) => Response::json(describe(lab, asked.lang).to_string()),
        b"" | b"/" | b"/experiments" => method_not_allowed(),
        path => {
            let name = path.strip_prefix(b"/run/").and_then(|name| str::from_utf8(name).ok());
            match name.and_then(|name| lab.experiment(name)) {
                // HEAD would run it and show nothing.
                Some(_) if env.method() != b"GET" => method_not_allowed(),
                Some(experiment) => run(lab, experiment, env, asked),
                None => not_found(lab, asked.lang),
            }
        }
    };
    response.header("vary", "accept-language, accept").header("cache-control", "no-store")
}

fn is_read(env: &Env) -> bool {
    matches!(env.method(), b"GET" | b"HEAD")
}

fn run(lab: &Lab, experiment: &'static Experiment, env: &Env, asked: Asked) -> Response {
    // Another site must not start work on this machine by a link or a picture in its page.
    if env.header("sec-fetch-site") == Some(b"cross-site") {
        let words = text("另一个网站不能启动实验", "another site may not start an experiment");
        return refuse(403, "cross-site", words.get(asked.lang), Vec::new());
    }
    let values = match Values::check(experiment.parameters, &asked.given, asked.lang) {
        Ok(values) => values,
        Err(fields) => {
            let words = text("参数不正确，见各栏", "a parameter is not allowed: see the fields");
            return refuse(400, "parameters", words.get(asked.lang), fields);
        }
    };
    let request = Request {
        experiment: experiment.name.to_owned(),
        values: values.pairs(),
        lang: asked.lang,
        config: String::from_utf8_lossy(env.config()).into_owned(),
    };
    let request = serde_json::to_vec(&request).unwrap_or_default();
    let ticket = match centre::submit(request, env.waker()) {
        Ok(ticket) => ticket,
        Err(NotTaken::Full) => {
            let words = text(
                "等待的实验太多，请稍后再试",
                "too many experiments are waiting; try again in a while",
            );
            return refuse(503, "busy", words.get(asked.lang), Vec::new())
                .header("retry-after", "5");
        }
        Err(NotTaken::Broken(error)) => {
            return refuse(500, "error", &error.to_string(), Vec::new());
        }
    };
    if wants_events(env) {
        return Response::stream(Stream::new(ticket, Form::Events, asked.lang))
            .header("content-type", "text/event-stream");
    }
    let mut answer = Map::new();
    answer.insert("lab".to_owned(), json!(lab.name));
    answer.insert("experiment".to_owned(), json!(experiment.name));
    answer.insert("parameters".to_owned(), json!(values));
    for (name, empty) in [("output", json!([])), ("checks", json!([])), ("values", json!({}))] {
        answer.insert(name.to_owned(), empty);
    }
    Response::stream(Stream::new(ticket, Form::Json(answer), asked.lang))
        .header("content-type", "application/json")
}

fn wants_events(env: &Env) -> bool {
    let accept = String::from_utf8_lossy(env.header("accept").unwrap_or_default());
    accept.to_ascii_lowercase().contains("text/event-stream")
}

fn refuse(status: u16, error: &'static str, message: &str, fields: Vec<FieldError>) -> Response {
    let refusal = Refusal { error, message: message.to_owned(), fields };
    let json = serde_json::to_string_pretty(&refusal).unwrap_or_default();
    Response::json(json + "\n").status(status)
}

fn method_not_allowed() -> Response {
    refuse(405, "method", "only GET is answered here", Vec::new()).header("allow", "GET, HEAD")
}

fn not_found(lab: &Lab, lang: Lang) -> Response {
    let names: Vec<_> = lab.experiments.iter().map(|experiment| experiment.name).collect();
    let message = match lang {
        Lang::Zh => format!("这里没有这个页面。实验有：{}", names.join(", ")),
        Lang::En => format!("there is nothing here. The experiments: {}", names.join(", ")),
    };
    refuse(404, "not-found", &message, Vec::new())
}

/// What a script can know of a lab.
fn describe(lab: &Lab, lang: Lang) -> Value {
    let experiments: Vec<_> = lab
        .experiments
        .iter()
        .map(|experiment| {
            let parameters: Vec<_> = experiment
                .parameters
                .iter()
                .map(|parameter| {
                    let mut object = json!({
                        "name": parameter.name,
                        "label": parameter.label.get(lang),
                        "default": parameter.default_value(),
                    });
                    match parameter.kind {
                        Kind::Integer { least, most, .. } => {
                            object["least"] = json!(least);
                            object["most"] = json!(most);
                        }
                        Kind::Line { longest, .. } | Kind::Lines { longest, .. } => {
                            object["longest"] = json!(longest);
                        }
                        Kind::Choice { options } => {
                            let names: Vec<_> = options.iter().map(|option| option.0).collect();
                            object["options"] = json!(names);
                        }
                    }
                    object
                })
                .collect();
            json!({
                "name": experiment.name,
                "title": experiment.title.get(lang),
                "parameters": parameters,
                "seconds": experiment.limits.time.as_secs(),
            })
        })
        .collect();
    json!({"lab": lab.name, "title": lab.title.get(lang), "experiments": experiments})
}
