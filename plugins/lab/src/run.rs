//! A run, from the experiment's side: its parameters, and what it shows.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::net::SendFlags;

use crate::event;
use crate::parameter::Values;
use crate::svg::Svg;
use crate::text::{Lang, Text};

/// Bytes of a file in one message; a multiple of three, so that parts in base64 can be joined.
const FILE_PART: usize = 96 << 10;

/// Where the browser is. Set once, before anything is forked, so every process has it.
pub(crate) struct Context {
    pub socket: OwnedFd,
    pub lang: Lang,
    pub start: Instant,
}

static CONTEXT: OnceLock<Context> = OnceLock::new();

pub(crate) fn set_context(context: Context) {
    let is_first = CONTEXT.set(context).is_ok();
    debug_assert!(is_first, "a process has one run");
}

/// The visitor's language.
pub fn lang() -> Lang {
    CONTEXT.get().map_or(Lang::default(), |context| context.lang)
}

/// Milliseconds since the experiment began, the same clock in all its processes.
pub fn now_ms() -> u64 {
    CONTEXT.get().map_or(0, |context| context.start.elapsed().as_millis() as u64)
}

/// Sends one message, whole, from whatever process or thread.
pub(crate) fn emit(kind: &str, value: &impl serde::Serialize) {
    let Some(context) = CONTEXT.get() else { return };
    let message = event::encode(kind, value);
    // If nobody listens any more, the keeper is about to end this process.
    while rustix::net::send(&context.socket, &message, SendFlags::NOSIGNAL)
        == Err(rustix::io::Errno::INTR)
    {}
}

/// One line of output, with the time and the process; see [`say!`](crate::say).
pub fn line(text: &str) {
    if CONTEXT.get().is_none() {
        println!("{text}");
        return;
    }
    let pid = std::process::id();
    for text in text.split('\n') {
        for text in pieces(text) {
            emit("line", &event::Line { ms: now_ms(), pid, text });
        }
    }
}

/// A line that is too long for a message is shown as several.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest.take()?;
        let mut end = whole.len().min(event::LONGEST / 8);
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        if end < whole.len() {
            rest = Some(&whole[end..]);
        }
        Some(&whole[..end])
    })
}

/// Says a line in the visitor's language, as `format!` writes it: `say!("你好" | "hello")`, or
/// `say!("{n}")` for both languages.
#[macro_export]
macro_rules! say {
    ($zh:literal | $en:literal $(, $($argument:tt)*)?) => {
        $crate::run::line(&match $crate::run::lang() {
            $crate::Lang::Zh => format!($zh $(, $($argument)*)?),
            $crate::Lang::En => format!($en $(, $($argument)*)?),
        })
    };
    ($both:literal $(, $($argument:tt)*)?) => {
        $crate::run::line(&format!($both $(, $($argument)*)?))
    };
}

/// How far a long work is.
pub fn progress(done: u64, total: u64) {
    emit("progress", &event::Progress { done, total });
}

/// One run of an experiment, in the process that began it.
#[derive(Debug)]
pub struct Run {
    pub values: Values,
    /// The plugin's part of the server's configuration.
    pub config: serde_json::Value,
    pub(crate) folder: std::path::PathBuf,
    pub(crate) checks: usize,
    pub(crate) failures: usize,
}

impl Run {
    /// A folder of this run alone, and its working directory; it is removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Compares what came out with what the lesson says must.
    pub fn check(&mut self, what: Text, expected: impl Display, found: impl Display) -> bool {
        let (expected, found) = (expected.to_string(), found.to_string());
        let ok = expected == found;
        self.report(what.get(lang()), &expected, &found, ok);
        ok
    }

    /// Checks something that is not a plain comparison; `expected` and `found` are for the reader.
    pub fn check_that(
        &mut self,
        what: Text,
        ok: bool,
        expected: impl Display,
        found: impl Display,
    ) -> bool {
        self.report(what.get(lang()), &expected.to_string(), &found.to_string(), ok);
        ok
    }

    fn report(&mut self, what: &str, expected: &str, found: &str, ok: bool) {
        self.checks += 1;
        self.failures += usize::from(!ok);
        emit("check", &event::Check { what, expected, found, ok });
    }

    /// Shows something measured. `name` is its name in the JSON answer.
    pub fn value(&self, name: &str, label: Text, value: impl Display) {
        let (label, value) = (label.get(lang()), value.to_string());
        emit("value", &event::Value { name, label, value: &value });
    }

    /// Shows a picture. One with the title of an earlier one takes its place.
    pub fn picture(&self, title: Text, svg: &Svg) {
        let title = title.get(lang());
        emit("picture", &event::Picture { title, svg: &svg.finish(title) });
    }

    /// Offers bytes to be kept as a file.
    pub fn file(&self, name: &str, media: &str, bytes: &[u8]) {
        for part in bytes.chunks(FILE_PART) {
            let base64 = BASE64_STANDARD.encode(part);
            emit("file", &event::FilePart { name, media, base64: &base64 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_becomes_several_whole_ones() {
        let text = "汉".repeat(event::LONGEST);
        let joined: String = pieces(&text).collect();
        assert_eq!(joined, text);
        assert!(pieces(&text).all(|piece| piece.len() <= event::LONGEST / 8));
        assert_eq!(pieces("").collect::<Vec<_>>(), [""]);
    }
}
