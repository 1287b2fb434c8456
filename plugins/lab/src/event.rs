//! What the processes of an experiment tell the browser, one message each.
//!
//! A message is `KIND\n` and a JSON object, sent whole over a socket that keeps messages apart: any
//! process of the experiment may send at any time, and nothing is torn or mixed.

use serde::{Deserialize, Serialize};

use crate::parameter::FieldError;
use crate::text::Lang;

/// The longest message: it must fit into the buffer of a socket (unix(7)).
pub const LONGEST: usize = 160 << 10;

/// What a keeper is told: the first and only message to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub experiment: String,
    pub values: Vec<(String, String)>,
    pub lang: Lang,
    /// The plugin's part of the server's configuration.
    pub config: String,
}

/// One line of output.
#[derive(Debug, Serialize)]
pub struct Line<'l> {
    /// Since the start.
    pub ms: u64,
    /// Who says it; 0 where that is not known.
    pub pid: u32,
    pub text: &'l str,
}

#[derive(Debug, Serialize)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// What must come out and what did.
#[derive(Debug, Serialize)]
pub struct Check<'c> {
    pub what: &'c str,
    pub expected: &'c str,
    pub found: &'c str,
    pub ok: bool,
}

/// Something measured.
#[derive(Debug, Serialize)]
pub struct Value<'v> {
    pub name: &'v str,
    pub label: &'v str,
    pub value: &'v str,
}

#[derive(Debug, Serialize)]
pub struct Picture<'p> {
    pub title: &'p str,
    pub svg: &'p str,
}

/// A part of a file to be kept; the parts of one name follow each other.
#[derive(Debug, Serialize)]
pub struct FilePart<'f> {
    pub name: &'f str,
    pub media: &'f str,
    pub base64: &'f str,
}

/// How it ended; the last message.
#[derive(Debug, Serialize, Deserialize)]
pub struct End {
    pub outcome: Ending,
    pub seconds: f64,
    /// In the visitor's words; empty if all is well.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Everything checked was as the lesson says.
    Passed,
    /// Something was not.
    Failed,
    /// It could not do its work, or crashed.
    Error,
    /// It exceeded a limit and was ended.
    Limit,
}

/// The answer to parameters that are not allowed.
#[derive(Debug, Serialize)]
pub struct Refusal {
    pub error: &'static str,
    pub message: String,
    pub fields: Vec<FieldError>,
}

/// A message as it is sent.
pub fn encode(kind: &str, value: &impl Serialize) -> Vec<u8> {
    let mut message = format!("{kind}\n").into_bytes();
    // Serialising our own structs of texts and numbers cannot fail.
    let _ = serde_json::to_writer(&mut message, value);
    message
}

/// The kind and the JSON of a message.
pub fn decode(message: &[u8]) -> Option<(&str, &str)> {
    str::from_utf8(message).ok()?.split_once('\n')
}
