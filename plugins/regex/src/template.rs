//! The replacement text of `re.sub`: `\1`, `\g<name>`, `\n`.

use crate::re::{Match, Pattern};
use crate::syntax::SyntaxError;

/// A replacement, read.
pub struct Template(Vec<Part>);

enum Part {
    Text(char),
    Group(usize),
}

/// Why a replacement is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    Syntax(SyntaxError),
    /// Python raises IndexError for it.
    UnknownName(String),
}

impl Template {
    /// # Errors
    /// What Python says about it.
    pub fn new(text: &str, pattern: &Pattern) -> Result<Self, Error> {
        let text: Vec<char> = text.chars().collect();
        let mut reader = Reader { text: &text, position: 0, pattern };
        let mut parts = Vec::new();
        while let Some(c) = reader.next() {
            match c {
                '\\' => reader.escape(&mut parts)?,
                c => parts.push(Part::Text(c)),
            }
        }
        Ok(Self(parts))
    }

    /// For one match. A group that took no part in it is an empty text.
    pub fn expand(&self, found: &Match) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(c) => out.push(*c),
                Part::Group(number) => out.push_str(found.group(*number).unwrap_or_default()),
            }
        }
        out
    }
}

struct Reader<'t> {
    text: &'t [char],
    position: usize,
    pattern: &'t Pattern,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.text.get(self.position).copied();
        self.position += usize::from(next.is_some());
        next
    }

    fn take(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let next = self.text.get(self.position).copied().filter(|c| fits(*c));
        self.position += usize::from(next.is_some());
        next
    }

    fn error(&self, message: impl Into<String>, back: usize) -> Error {
        Error::Syntax(SyntaxError::at(message, self.text, self.position - back))
    }

    fn escape(&mut self, parts: &mut Vec<Part>) -> Result<(), Error> {
        let Some(letter) = self.next() else {
            return Err(self.error("bad escape (end of pattern)", 1));
        };
        let c = match letter {
            'g' => {
                parts.push(Part::Group(self.named()?));
                return Ok(());
            }
            '0' => self.octal(),
            '1'..='9' => {
                parts.push(self.number(letter)?);
                return Ok(());
            }
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            c if c.is_ascii_alphabetic() => {
                return Err(self.error(format!("bad escape \\{c}"), 2));
            }
            c => {
                parts.push(Part::Text('\\'));
                c
            }
        };
        parts.push(Part::Text(c));
        Ok(())
    }

    /// `\0`, `\012`
    fn octal(&mut self) -> char {
        let mut value = 0;
        for _ in 0..2 {
            let Some(digit) = self.take(|c| matches!(c, '0'..='7')) else { break };
            value = value * 8 + digit.to_digit(8).unwrap_or_default();
        }
        char::from(value as u8)
    }

    /// `\1`, `\12`, and `\123`, which is a character.
    fn number(&mut self, first: char) -> Result<Part, Error> {
        let is_octal = |c: char| matches!(c, '0'..='7');
        let mut digits = first.to_string();
        if let Some(second) = self.take(|c| c.is_ascii_digit()) {
            digits.push(second);
            if digits.chars().all(is_octal)
                && let Some(third) = self.take(is_octal)
            {
                digits.push(third);
                let value = u32::from_str_radix(&digits, 8).unwrap_or(u32::MAX);
                let value = u8::try_from(value).map_err(|_| {
                    let message = format!("octal escape value \\{digits} outside of range 0-0o377");
                    self.error(message, 4)
                })?;
                return Ok(Part::Text(char::from(value)));
            }
        }
        let back = digits.len();
        self.group(digits.parse().unwrap_or(usize::MAX), back).map(Part::Group)
    }

    fn group(&self, number: usize, back: usize) -> Result<usize, Error> {
        if number <= self.pattern.groups() {
            return Ok(number);
        }
        Err(self.error(format!("invalid group reference {number}"), back))
    }

    /// `\g<name>`, `\g<1>`
    fn named(&mut self) -> Result<usize, Error> {
        if self.take(|c| c == '<').is_none() {
            return Err(self.error("missing <", 0));
        }
        let rest = &self.text[self.position..];
        let Some(length) = rest.iter().position(|c| *c == '>') else {
            let length = rest.len();
            self.position += length;
            if length == 0 {
                return Err(self.error("missing group name", 0));
            }
            return Err(self.error("missing >, unterminated name", length));
        };
        let name: String = rest[..length].iter().collect();
        self.position += length + 1;
        if name.is_empty() {
            return Err(self.error("missing group name", 1));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.group(name.parse().unwrap_or(usize::MAX), length + 1);
        }
        if let Some((_, number)) = self.pattern.names().iter().find(|(known, _)| *known == name) {
            return Ok(*number);
        }
        let quoted = crate::repr::text(&name);
        if crate::syntax::is_identifier(&name) {
            return Err(Error::UnknownName(format!("unknown group name {quoted}")));
        }
        Err(self.error(format!("bad character in group name {quoted}"), length + 1))
    }
}
