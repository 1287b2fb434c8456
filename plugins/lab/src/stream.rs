//! The answer to a run: its messages as server-sent events, or all of them as one JSON object.

use std::sync::Arc;
use std::time::{Duration, Instant};

use csgi::{BodyStream, Env, Next};
use rustix::net::RecvFlags;
use serde_json::{Map, Value, json};

use crate::centre::{State, Ticket};
use crate::event::{self, End, Ending};
use crate::text::Lang;

/// Something is sent at least so often, so that no timeout on the way strikes.
const BEAT: Duration = Duration::from_secs(10);
/// What one run may show; more ends it.
const OUTPUT_LIMIT: usize = 8 << 20;
/// Gathered into one part.
const PART: usize = 64 << 10;

/// What the client gets.
pub(crate) enum Form {
    Events,
    /// What is known before it begins, and what is gathered.
    Json(Map<String, Value>),
}

pub(crate) struct Stream {
    ticket: Arc<Ticket>,
    form: Form,
    lang: Lang,
    buffer: Vec<u8>,
    /// Bytes received from the experiment.
    received: usize,
    has_ended: bool,
    has_head: bool,
    next_beat: Instant,
}

impl Stream {
    pub fn new(ticket: Arc<Ticket>, form: Form, lang: Lang) -> Self {
        Self {
            ticket,
            form,
            lang,
            buffer: vec![0; event::LONGEST],
            received: 0,
            has_ended: false,
            has_head: false,
            next_beat: Instant::now(),
        }
    }

    /// Takes the messages that are there into `part`.
    fn gather(&mut self, part: &mut String) {
        while part.len() < PART && !self.has_ended {
            let received = match &*self.ticket.state() {
                State::Waiting => return,
                State::Failed(reason) => Err(reason.clone()),
                State::Running(socket) => {
                    match rustix::net::recv(socket, &mut self.buffer[..], RecvFlags::DONTWAIT) {
                        Ok((0, _)) => Err(self.lost()),
                        Ok((length, _)) => Ok(length),
                        Err(rustix::io::Errno::INTR) => continue,
                        Err(rustix::io::Errno::AGAIN) => return,
                        Err(error) => Err(error.to_string()),
                    }
                }
            };
            let end =
                |outcome, message| event::encode("end", &End { outcome, seconds: 0.0, message });
            let message = match received {
                Ok(length) => {
                    self.received += length;
                    match self.received > OUTPUT_LIMIT {
                        true => end(Ending::Limit, self.too_much()),
                        false => self.buffer[..length].to_vec(),
                    }
                }
                Err(reason) => end(Ending::Error, reason),
            };
            self.take(&message, part);
        }
    }

    fn take(&mut self, message: &[u8], part: &mut String) {
        let Some((kind, json)) = event::decode(message) else { return };
        self.has_ended = kind == "end";
        match &mut self.form {
            Form::Events => part.push_str(&format!("event: {kind}\ndata: {json}\n\n")),
            Form::Json(answer) => {
                if let Ok(value) = serde_json::from_str(json) {
                    add(answer, kind, value);
                }
                if self.has_ended {
                    let answer = Value::Object(std::mem::take(answer));
                    part.push_str(&format!("{answer:#}\n"));
                }
            }
        }
    }

    fn lost(&self) -> String {
        match self.lang {
            Lang::Zh => "看管实验的进程意外结束".to_owned(),
            Lang::En => "the process that keeps the experiment has died".to_owned(),
        }
    }

    fn too_much(&self) -> String {
        match self.lang {
            Lang::Zh => "输出超过 8 MiB，实验已被终止".to_owned(),
            Lang::En => "it showed more than 8 MiB and was ended".to_owned(),
        }
    }

    /// Something that means nothing, if it is time for it.
    fn beat(&mut self, env: &Env, part: &mut String) {
        let now = Instant::now();
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + BEAT;
        if let Some(timer) = env.timer() {
            // A little later than the deadline, so that it has passed.
            timer.wake_after(BEAT + Duration::from_millis(50));
        }
        // Nothing is due at the start, but the client learns that it has begun.
        match &self.form {
            Form::Events => part.push_str(":\n\n"),
            Form::Json(_) if self.has_head => part.push('\n'),
            Form::Json(_) => {}
        }
        self.has_head = true;
    }
}

impl BodyStream for Stream {
    fn next(&mut self, env: &Env) -> Next {
        if self.has_ended {
            return Next::End;
        }
        let mut part = String::new();
        self.gather(&mut part);
        if !self.has_ended {
            self.beat(env, &mut part);
        }
        if part.is_empty() { Next::Pending } else { Next::part(part) }
    }
}

/// Adds a message to the JSON answer.
fn add(answer: &mut Map<String, Value>, kind: &str, mut value: Value) {
    let list = match kind {
        "line" => "output",
        "check" => "checks",
        "picture" => "pictures",
        "value" => {
            let values = answer.entry("values").or_insert_with(|| json!({}));
            let (name, value) = (value["name"].take(), value["value"].take());
            values[name.as_str().unwrap_or_default()] = value;
            return;
        }
        "file" => return add_file(answer, value),
        "end" => {
            answer.insert("ok".to_owned(), json!(value["outcome"] == "passed"));
            answer.extend(value.as_object_mut().map(std::mem::take).unwrap_or_default());
            return;
        }
        // Progress is for those who watch.
        _ => return,
    };
    if let Some(list) = answer.entry(list).or_insert_with(|| json!([])).as_array_mut() {
        // A picture takes the place of an earlier one of its title.
        if kind == "picture" {
            list.retain(|picture| picture["title"] != value["title"]);
        }
        list.push(value);
    }
}

fn add_file(answer: &mut Map<String, Value>, part: Value) {
    let files = answer.entry("files").or_insert_with(|| json!([]));
    let Some(files) = files.as_array_mut() else { return };
    match files.iter_mut().find(|file| file["name"] == part["name"]) {
        Some(file) => {
            let (first, next) = (file["base64"].as_str(), part["base64"].as_str());
            file["base64"] = json!(format!("{}{}", first.unwrap_or(""), next.unwrap_or("")));
        }
        None => files.push(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_one_answer() {
        let mut answer = Map::new();
        for (kind, value) in [
            ("line", json!({"ms": 1, "pid": 2, "text": "a"})),
            ("picture", json!({"title": "t", "svg": "old"})),
            ("picture", json!({"title": "t", "svg": "new"})),
            ("value", json!({"name": "n", "label": "N", "value": "3"})),
            ("file", json!({"name": "f", "media": "m", "base64": "QUJD"})),
            ("file", json!({"name": "f", "media": "m", "base64": "REU="})),
            ("progress", json!({"done": 1, "total": 2})),
            ("check", json!({"what": "w", "expected": "1", "found": "1", "ok": true})),
            ("end", json!({"outcome": "passed", "seconds": 0.5, "message": ""})),
        ] {
            add(&mut answer, kind, value);
        }
        let answer = Value::Object(answer);
        assert_eq!(answer["output"][0]["text"], "a");
        assert_eq!(answer["pictures"], json!([{"title": "t", "svg": "new"}]));
        assert_eq!(answer["values"], json!({"n": "3"}));
        assert_eq!(answer["files"][0]["base64"], "QUJDREU=");
        assert_eq!(answer["checks"][0]["ok"], true);
        assert_eq!((&answer["ok"], &answer["outcome"]), (&json!(true), &json!("passed")));
    }
}
