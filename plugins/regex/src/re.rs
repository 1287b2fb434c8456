//! The functions of Python's `re`: what they find, in which order, and what they give back.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::emit;
use crate::engine::{Engine, Failure, Reach, Spans};
use crate::syntax::{self, Flags, Syntax, SyntaxError};

/// Characters of a pattern.
pub const PATTERN_LENGTH: usize = 1000;
/// Bytes of a text.
pub const TEXT_BYTES: usize = 64 * 1024;
/// Steps of a pattern whose repeats are written out.
const PATTERN_SIZE: u64 = 20_000;
/// Processor time for all searches of one call together. One search is limited by its steps.
const TIME: Duration = Duration::from_secs(2);

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Python's `re.error`.
    Syntax(SyntaxError),
    /// A limit of ours.
    Limit(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Limit(failure.to_string())
    }
}

/// A compiled pattern.
pub struct Pattern {
    syntax: Syntax,
    engine: Engine,
}

/// `re.Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    text: Rc<str>,
    /// In bytes; group 0 is the match.
    spans: Spans,
    names: Rc<[(String, usize)]>,
}

impl Match {
    pub fn group(&self, number: usize) -> Option<&str> {
        self.spans.get(number)?.clone().map(|range| &self.text[range])
    }

    /// Without group 0.
    pub fn groups(&self) -> impl Iterator<Item = Option<&str>> {
        (1..self.spans.len()).map(|number| self.group(number))
    }

    pub fn count(&self) -> usize {
        self.spans.len() - 1
    }

    pub fn names(&self) -> &[(String, usize)] {
        &self.names
    }

    /// Start and end of a group in characters, as Python counts.
    pub fn span(&self, number: usize) -> Option<(usize, usize)> {
        let range = self.spans.get(number)?.clone()?;
        let start = self.text[..range.start].chars().count();
        Some((start, start + self.text[range].chars().count()))
    }

    fn whole(&self) -> Range<usize> {
        self.spans[0].clone().unwrap_or_default()
    }

    /// As Python shows a match: at most 50 characters of it.
    pub fn repr(&self) -> String {
        let (start, end) = self.span(0).unwrap_or_default();
        let shown = crate::repr::text(self.group(0).unwrap_or_default());
        let shown: String = shown.chars().take(50).collect();
        format!("<re.Match object; span=({start}, {end}), match={shown}>")
    }
}

impl Pattern {
    /// # Errors
    /// The pattern is wrong, or too large.
    pub fn new(pattern: &str, flags: Flags) -> Result<Self, Error> {
        if pattern.chars().count() > PATTERN_LENGTH {
            let message = format!("limit: a pattern has at most {PATTERN_LENGTH} characters");
            return Err(Error::Limit(message));
        }
        let syntax = syntax::parse(pattern, flags).map_err(Error::Syntax)?;
        if emit::size(&syntax.node) > PATTERN_SIZE {
            let message = format!(
                "limit: the pattern has more than {PATTERN_SIZE} steps when its repeats are written out"
            );
            return Err(Error::Limit(message));
        }
        let engine = Engine::new(emit::emit(&syntax));
        Ok(Self { syntax, engine })
    }

    /// How many groups the pattern has.
    pub fn groups(&self) -> usize {
        self.syntax.groups
    }

    pub fn names(&self) -> &[(String, usize)] {
        &self.syntax.names
    }

    /// # Errors
    /// A limit was reached.
    pub fn find(&self, text: &Rc<str>, reach: Reach) -> Result<Option<Match>, Error> {
        check(text)?;
        self.find_at(text, 0, reach)
    }

    fn find_at(
        &self,
        text: &Rc<str>,
        position: usize,
        reach: Reach,
    ) -> Result<Option<Match>, Error> {
        let names = || self.syntax.names.iter().cloned().collect();
        let found = self.engine.find(text, position, reach)?;
        Ok(found.map(|spans| Match { text: text.clone(), spans, names: names() }))
    }

    /// All matches, at most `most`. An empty one may follow another directly, but none is found twice.
    ///
    /// # Errors
    /// A limit was reached.
    pub fn all(&self, text: &Rc<str>, most: Option<usize>) -> Result<Vec<Match>, Error> {
        check(text)?;
        let start = processor_time();
        let mut found = Vec::new();
        let mut position = 0;
        let mut reach = Reach::Search;
        while most.is_none_or(|most| found.len() < most) {
            if processor_time().saturating_sub(start) > TIME {
                let seconds = TIME.as_secs();
                return Err(Error::Limit(format!(
                    "limit: given up after {seconds} seconds of processor time"
                )));
            }
            let Some(next) = self.find_at(text, position, reach)? else { break };
            let range = next.whole();
            position = range.end;
            reach = if range.is_empty() { Reach::Further } else { Reach::Search };
            found.push(next);
        }
        Ok(found)
    }

    /// The parts between the matches, and the matches' groups.
    ///
    /// # Errors
    /// A limit was reached.
    pub fn split(&self, text: &Rc<str>, most: Option<usize>) -> Result<Vec<Option<String>>, Error> {
        let mut parts = Vec::new();
        let mut end = 0;
        for found in self.all(text, most)? {
            let range = found.whole();
            parts.push(Some(text[end..range.start].to_owned()));
            parts.extend(found.groups().map(|group| group.map(str::to_owned)));
            end = range.end;
        }
        parts.push(Some(text[end..].to_owned()));
        Ok(parts)
    }

    /// The text with every match replaced, and how many there were.
    ///
    /// # Errors
    /// A limit was reached, or `replace` has failed.
    pub fn replace<E: From<Error>>(
        &self,
        text: &Rc<str>,
        most: Option<usize>,
        mut replace: impl FnMut(&Match) -> Result<String, E>,
    ) -> Result<(String, usize), E> {
        let matches = self.all(text, most)?;
        let mut out = String::new();
        let mut end = 0;
        for found in &matches {
            let range = found.whole();
            out.push_str(&text[end..range.start]);
            out.push_str(&replace(found)?);
            if out.len() > 16 * TEXT_BYTES {
                return Err(Error::Limit("limit: the result is too long".to_owned()).into());
            }
            end = range.end;
        }
        out.push_str(&text[end..]);
        Ok((out, matches.len()))
    }
}

/// Of this thread: what other programs take from it does not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn check(text: &str) -> Result<(), Error> {
    if text.len() <= TEXT_BYTES {
        return Ok(());
    }
    Err(Error::Limit(format!("limit: a text has at most {TEXT_BYTES} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pattern: &str, text: &str) -> Vec<(usize, usize)> {
        let pattern = Pattern::new(pattern, Flags::default()).unwrap();
        let all = pattern.all(&text.into(), None).unwrap();
        all.iter().filter_map(|found| found.span(0)).collect()
    }

    /// The documentation of `re.findall`: "Empty matches are included in the result."
    #[test]
    fn empty_matches_are_found_once_each() {
        assert_eq!(spans("x*", "axb"), [(0, 0), (1, 2), (2, 2), (3, 3)]);
        assert_eq!(spans("a??", "aa"), [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]);
        assert_eq!(spans("", ""), [(0, 0)]);
    }

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(spans("b", "中é😀b"), [(3, 4)]);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let limit = |pattern: &str| match Pattern::new(pattern, Flags::default()) {
            Err(Error::Limit(message)) => message,
            _ => panic!("{pattern} has no limit"),
        };
        assert!(limit(&"a".repeat(PATTERN_LENGTH + 1)).contains("1000 characters"));
        assert!(limit("((a{100}){100}){100}").contains("written out"));
        let pattern = Pattern::new("a", Flags::default()).unwrap();
        let text = "a".repeat(TEXT_BYTES + 1).into();
        assert!(matches!(pattern.all(&text, None), Err(Error::Limit(_))));
        let deep = "(".repeat(200) + &")".repeat(200);
        assert!(matches!(Pattern::new(&deep, Flags::default()), Err(Error::Syntax(_))));
    }

    #[test]
    fn too_many_ways_end_with_a_limit() {
        let pattern = Pattern::new(r"(a+)+$", Flags::default()).unwrap();
        let text = ("a".repeat(40) + "!").into();
        assert!(matches!(pattern.find(&text, Reach::Search), Err(Error::Limit(_))));
    }
}
