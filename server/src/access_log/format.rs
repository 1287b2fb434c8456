//! What a line says: Common, Combined, JSON, or a text with `$names`, compiled once.

use std::io::Write;
use std::time::Duration;

use super::Entry;
use crate::http::characters::{all_plain, is_plain};
use crate::http::date;
use crate::http::head::Version;

/// Of the worker that writes the line.
pub struct Worker {
    pub generation: u64,
    pub number: usize,
    pub process: u32,
}

const COMMON: &str = "$remote_addr - - [$time] \"$request\" $status $bytes";
const COMBINED: &str = "$remote_addr - - [$time] \"$request\" $status $bytes \"$http_referer\" \
                        \"$http_user_agent\"";
const JSON: &str = "{\"time\":\"$time_iso\",\"remote_addr\":\"$remote_addr\",\
    \"remote_port\":$remote_port,\"method\":\"$method\",\"target\":\"$target\",\
    \"protocol\":\"$protocol\",\"host\":\"$host\",\"status\":$status,\"bytes\":$bytes,\
    \"referer\":\"$http_referer\",\"user_agent\":\"$http_user_agent\",\
    \"request_id\":\"$request_id\",\"plugin\":\"$plugin\",\"generation\":$generation,\
    \"worker\":$worker,\"time_queue\":$time_queue,\"time_plugin\":$time_plugin,\
    \"time_total\":$time_total}";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
    /// A header field, by its name.
    Field(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    RemoteAddr,
    RemotePort,
    Time,
    TimeIso,
    Request,
    Method,
    Target,
    Protocol,
    Host,
    Status,
    Bytes,
    RequestId,
    Plugin,
    Generation,
    Worker,
    Process,
    TimeQueue,
    TimePlugin,
    TimeTotal,
}

/// Every name, for messages too.
const NAMES: [(&str, Variable); 19] = [
    ("remote_addr", Variable::RemoteAddr),
    ("remote_port", Variable::RemotePort),
    ("time", Variable::Time),
    ("time_iso", Variable::TimeIso),
    ("request", Variable::Request),
    ("method", Variable::Method),
    ("target", Variable::Target),
    ("protocol", Variable::Protocol),
    ("host", Variable::Host),
    ("status", Variable::Status),
    ("bytes", Variable::Bytes),
    ("request_id", Variable::RequestId),
    ("plugin", Variable::Plugin),
    ("generation", Variable::Generation),
    ("worker", Variable::Worker),
    ("pid", Variable::Process),
    ("time_queue", Variable::TimeQueue),
    ("time_plugin", Variable::TimePlugin),
    ("time_total", Variable::TimeTotal),
];

/// A compiled format.
#[derive(Debug)]
pub struct Format {
    pieces: Vec<Piece>,
    is_json: bool,
    /// Asked for every request.
    shows_times: bool,
}

impl Format {
    /// `common`, `combined`, `json`, or a text with `$names`.
    ///
    /// # Errors
    /// There is no such name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (text, is_json) = match text {
            "common" => (COMMON, false),
            "combined" => (COMBINED, false),
            "json" => (JSON, true),
            text if text.contains('$') => (text, text.trim_start().starts_with('{')),
            _ => return Err("expected common, combined, json, or a text with $names".to_owned()),
        };
        if text.contains(['\n', '\r']) {
            return Err("a line of the access log has no line breaks in it".to_owned());
        }
        let mut format = Self { pieces: pieces(text)?, is_json, shows_times: false };
        use Variable::{TimePlugin, TimeQueue, TimeTotal};
        format.shows_times = format.shows(&[TimeQueue, TimePlugin, TimeTotal]);
        Ok(format)
    }

    pub fn shows_times(&self) -> bool {
        self.shows_times
    }

    pub fn shows_request_ids(&self) -> bool {
        self.shows(&[Variable::RequestId])
    }

    fn shows(&self, variables: &[Variable]) -> bool {
        let is_shown = |piece: &Piece| matches!(piece, Piece::Variable(v) if variables.contains(v));
        self.pieces.iter().any(is_shown)
    }

    /// Appends a line.
    pub fn append(&self, line: &mut Vec<u8>, entry: &Entry<'_>, worker: &Worker) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text.as_bytes()),
                Piece::Field(name) => match entry.head.field(entry.bytes, name) {
                    Some(value) => self.text(line, value),
                    None => line.push(b'-'),
                },
                Piece::Variable(variable) => self.variable(line, *variable, entry, worker),
            }
        }
        line.push(b'\n');
    }

    fn variable(&self, line: &mut Vec<u8>, variable: Variable, entry: &Entry<'_>, worker: &Worker) {
        let Entry { head, bytes, .. } = entry;
        match variable {
            Variable::RemoteAddr => line.extend_from_slice(split(entry.remote.as_bytes()).0),
            Variable::RemotePort => line.extend_from_slice(split(entry.remote.as_bytes()).1),
            Variable::Time => date::with_log_time(|time| line.extend_from_slice(time)),
            Variable::TimeIso => date::with_iso_time(|time| line.extend_from_slice(time)),
            Variable::Request if head.method.of(bytes).is_empty() => line.push(b'-'),
            Variable::Request => {
                self.text(line, head.method.to(head.target).of(bytes));
                if head.length != 0 {
                    line.push(b' ');
                    line.extend_from_slice(protocol(head.version));
                }
            }
            Variable::Method => self.text_or_dash(line, head.method.of(bytes)),
            Variable::Target => self.text_or_dash(line, head.target.of(bytes)),
            Variable::Protocol if head.length == 0 => line.push(b'-'),
            Variable::Protocol => line.extend_from_slice(protocol(head.version)),
            Variable::Host => self.text_or_dash(line, head.authority.of(bytes)),
            Variable::Status => number(line, entry.status.into()),
            Variable::Bytes => number(line, entry.sent),
            Variable::RequestId => self.text_or_dash(line, entry.request_id),
            Variable::Plugin => self.text_or_dash(line, entry.plugin.unwrap_or("").as_bytes()),
            Variable::Generation => number(line, worker.generation),
            Variable::Worker => number(line, worker.number as u64),
            Variable::Process => number(line, worker.process.into()),
            Variable::TimeQueue => seconds(line, entry.times.queue),
            Variable::TimePlugin => seconds(line, entry.times.plugin),
            Variable::TimeTotal => seconds(line, entry.times.total),
        }
    }

    fn text_or_dash(&self, line: &mut Vec<u8>, text: &[u8]) {
        self.text(line, if text.is_empty() { b"-" } else { text });
    }

    /// A client cannot end a quoted text or a line, nor send codes to a terminal.
    fn text(&self, line: &mut Vec<u8>, text: &[u8]) {
        if all_plain(text) {
            return line.extend_from_slice(text);
        }
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
        let mut rest = text;
        while let Some(plain) = rest.iter().position(|byte| !is_plain(*byte)) {
            let byte = rest[plain];
            line.extend_from_slice(&rest[..plain]);
            // JSON knows no \x; the byte becomes the character of that number (RFC 8259 §7).
            let escape: &[u8] = if self.is_json { b"\\u00" } else { b"\\x" };
            line.extend_from_slice(escape);
            line.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            rest = &rest[plain + 1..];
        }
        line.extend_from_slice(rest);
    }
}

/// An address, which has brackets around it if there are colons in it, and a port.
fn split(end: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = end.iter().rposition(|byte| *byte == b':') else { return (b"-", b"0") };
    match (&end[..colon], &end[colon + 1..]) {
        ([b'[', address @ .., b']'], port) | (address, port) => (address, port),
    }
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// In seconds, to the microsecond.
fn seconds(line: &mut Vec<u8>, time: Duration) {
    // Writing to memory does not fail.
    let _ = write!(line, "{}.{:06}", time.as_secs(), time.subsec_micros());
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (before, after) = rest.split_once('$').unwrap_or((rest, ""));
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        if before.len() == rest.len() {
            break;
        }
        if let Some(after) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$".to_owned()));
            rest = after;
            continue;
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        pieces.push(piece(name)?);
        rest = after;
    }
    Ok(pieces)
}

fn piece(name: &str) -> Result<Piece, String> {
    if let Some(field) = name.strip_prefix("http_").filter(|field| !field.is_empty()) {
        return Ok(Piece::Field(field.to_ascii_lowercase().replace('_', "-")));
    }
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, variable)) => Ok(Piece::Variable(*variable)),
        None => {
            let known: Vec<_> = NAMES.iter().map(|(name, _)| format!("${name}")).collect();
            let known = known.join(", ");
            Err(format!("${name} is not known; expected {known}, $http_FIELD, or $$ for a dollar"))
        }
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
