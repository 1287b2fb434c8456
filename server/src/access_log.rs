//! The access log: one line per answered request, in the Combined Log Format, never half a line.
//!
//! Lines are gathered and written in batches; a pause between requests, a full buffer and the end of
//! the worker write what is there. If the file or pipe takes no more (a full disk, a reader that
//! went away), lines are dropped and counted rather than requests held up, and the count is logged.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard};

use crate::config;
use crate::http::date;
use crate::http::head::{Head, Version};

/// Bytes of lines that are gathered at most.
const BATCH: usize = 16 * 1024;

/// Where a worker's lines go.
pub struct AccessLog {
    sink: Option<Mutex<Sink>>,
}

struct Sink {
    file: File,
    lines: Vec<u8>,
    dropped: u64,
}

/// One answered request. Texts are as they came from the client.
pub struct Entry<'a> {
    pub remote: &'a str,
    pub head: &'a Head,
    /// What `head` was parsed from.
    pub bytes: &'a [u8],
    pub status: u16,
    /// Bytes of body.
    pub sent: u64,
}

impl AccessLog {
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(target: &config::AccessLog) -> std::io::Result<Self> {
        let file = match target {
            config::AccessLog::Off => return Ok(Self { sink: None }),
            config::AccessLog::Stdout => {
                File::from(std::io::stdout().as_fd().try_clone_to_owned()?)
            }
            config::AccessLog::File(path) => {
                File::options().append(true).create(true).open(path).map_err(|error| {
                    let text = format!("cannot open the access log {}: {error}", path.display());
                    std::io::Error::new(error.kind(), text)
                })?
            }
        };
        let sink = Sink { file, lines: Vec::with_capacity(BATCH), dropped: 0 };
        Ok(Self { sink: Some(Mutex::new(sink)) })
    }

    pub fn is_on(&self) -> bool {
        self.sink.is_some()
    }

    pub fn note(&self, entry: &Entry<'_>) {
        let Some(mut sink) = self.sink() else { return };
        append_line(&mut sink.lines, entry);
        if sink.lines.len() >= BATCH {
            sink.write();
        }
    }

    /// Writes what is gathered.
    pub fn flush(&self) {
        if let Some(mut sink) = self.sink()
            && !sink.lines.is_empty()
        {
            sink.write();
        }
    }

    fn sink(&self) -> Option<MutexGuard<'_, Sink>> {
        self.sink.as_ref().map(|sink| sink.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}

impl Sink {
    fn write(&mut self) {
        match self.file.write_all(&self.lines) {
            Ok(()) if self.dropped > 0 => {
                tracing::warn!("the access log takes lines again; {} were dropped", self.dropped);
                self.dropped = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.dropped == 0 {
                    tracing::error!("cannot write the access log: {error}; lines are dropped");
                }
                self.dropped += memchr::memchr_iter(b'\n', &self.lines).count() as u64;
            }
        }
        self.lines.clear();
    }
}

fn append_line(line: &mut Vec<u8>, entry: &Entry<'_>) {
    let Entry { head, bytes, .. } = entry;
    line.extend_from_slice(without_port(entry.remote).as_bytes());
    line.extend_from_slice(b" - - [");
    date::with_log_time(|time| line.extend_from_slice(time));
    line.extend_from_slice(b"] \"");
    if head.length > 0 {
        append_escaped(line, head.method.of(bytes));
        line.push(b' ');
        append_escaped(line, head.target.of(bytes));
        let version = match head.version {
            Version::Http10 => " HTTP/1.0",
            Version::Http11 => " HTTP/1.1",
        };
        line.extend_from_slice(version.as_bytes());
    } else {
        line.push(b'-');
    }
    line.extend_from_slice(b"\" ");
    let mut digits = itoa::Buffer::new();
    line.extend_from_slice(digits.format(entry.status).as_bytes());
    line.push(b' ');
    line.extend_from_slice(digits.format(entry.sent).as_bytes());
    for name in ["referer", "user-agent"] {
        line.extend_from_slice(b" \"");
        append_escaped(line, head.field(bytes, name).unwrap_or(b"-"));
        line.push(b'"');
    }
    line.push(b'\n');
}

fn without_port(address: &str) -> &str {
    address.rsplit_once(':').map_or("-", |(host, _)| host)
}

/// A client cannot end a quoted text or a line, nor send codes to a terminal.
fn append_escaped(line: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' | b'\\' | ..b' ' | 0x7f.. => {
                let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
                line.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => line.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::http::head;

    #[test]
    fn a_line_is_combined_and_cannot_be_forged() {
        let mut bytes = b"GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: x\" [\\\r\n\r\n".to_vec();
        let mut head = Head::default();
        head::parse(&mut bytes, &Limits::default(), &mut head).unwrap();
        let mut line = Vec::new();
        let entry =
            Entry { remote: "127.0.0.1:99", head: &head, bytes: &bytes, status: 200, sent: 20 };
        append_line(&mut line, &entry);
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        assert!(
            line.ends_with("] \"GET /a?b HTTP/1.1\" 200 20 \"-\" \"x\\x22 [\\x5c\"\n"),
            "{line}"
        );
    }
}
