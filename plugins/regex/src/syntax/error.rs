//! What is wrong with a pattern, in the words of Python's `re.error`.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub message: String,
    /// Counted in characters from the pattern's start.
    pub position: Option<usize>,
    /// Line and column, from 1, if the pattern has several lines.
    line_column: Option<(usize, usize)>,
}

impl SyntaxError {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), position: None, line_column: None }
    }

    pub fn at(message: impl Into<String>, pattern: &[char], position: usize) -> Self {
        let before = &pattern[..position.min(pattern.len())];
        let line_column = pattern.contains(&'\n').then(|| {
            let line = before.iter().filter(|c| **c == '\n').count() + 1;
            let start = before.iter().rposition(|c| *c == '\n').map_or(0, |newline| newline + 1);
            (line, position - start + 1)
        });
        Self { message: message.into(), position: Some(position), line_column }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(formatter, " at position {position}")?;
        }
        if let Some((line, column)) = self.line_column {
            write!(formatter, " (line {line}, column {column})")?;
        }
        Ok(())
    }
}
