//! The engine: the only place that uses `fancy-regex`.
//!
//! It is given a limit of steps, so that a pattern that would need years ends with an error.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use fancy_regex::{Error, Regex, RegexBuilder, RuntimeError};

/// Steps back of one search.
pub const STEPS: usize = 1_000_000;
/// Bytes of a compiled pattern.
const COMPILED_BYTES: usize = 1 << 20;
/// Instructions of a compiled pattern.
const INSTRUCTIONS: usize = 1 << 16;

/// Where a match may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere from the position on.
    Search,
    /// Exactly at the text's start.
    Match,
    /// The whole text.
    Full,
    /// Anywhere from the position on, but not empty at the position itself.
    Further,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    Steps,
    TooLarge(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => write!(
                formatter,
                "limit: given up after {STEPS} steps back; this pattern tries too many ways to \
                 divide the text"
            ),
            Self::TooLarge(why) => {
                write!(formatter, "limit: the pattern cannot be compiled: {why}")
            }
        }
    }
}

/// Where the groups are, in bytes; group 0 is the match.
pub type Spans = Vec<Option<Range<usize>>>;

/// A pattern for the engine, compiled for each reach when it is needed.
pub struct Engine {
    pattern: String,
    compiled: [OnceCell<Regex>; 4],
}

impl Engine {
    pub fn new(pattern: String) -> Self {
        Self { pattern, compiled: Default::default() }
    }

    /// The first match at or behind `position`, which lies between two characters.
    ///
    /// # Errors
    /// A limit was reached.
    pub fn find(
        &self,
        text: &str,
        position: usize,
        reach: Reach,
    ) -> Result<Option<Spans>, Failure> {
        let captures = self.regex(reach)?.captures_from_pos(text, position).map_err(failure)?;
        let Some(captures) = captures else { return Ok(None) };
        Ok(Some(captures.iter().map(|group| group.map(|found| found.range())).collect()))
    }

    fn regex(&self, reach: Reach) -> Result<&Regex, Failure> {
        let cell = &self.compiled[reach as usize];
        if let Some(regex) = cell.get() {
            return Ok(regex);
        }
        let pattern = &self.pattern;
        let pattern = match reach {
            Reach::Search => pattern.clone(),
            Reach::Match => format!(r"\A(?:{pattern})"),
            Reach::Full => format!(r"\A(?:{pattern})\z"),
            Reach::Further => format!(r"(?:{pattern})(?!\G)"),
        };
        let regex = RegexBuilder::new(&pattern)
            .backtrack_limit(STEPS)
            .delegate_size_limit(COMPILED_BYTES)
            .max_prog_size(INSTRUCTIONS)
            // Both have changed what a pattern means before, and a lesson needs no speed.
            .optimize(false)
            .seek(false)
            .build()
            .map_err(failure)?;
        Ok(cell.get_or_init(|| regex))
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::RuntimeError(RuntimeError::BacktrackLimitExceeded) => Failure::Steps,
        other => Failure::TooLarge(other.to_string()),
    }
}
