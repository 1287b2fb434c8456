//! A pattern's text, read token by token: a character, or a backslash with the one behind it.

use super::SyntaxError;

/// One token. An escape holds the character behind its backslash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Char(char),
    Escape(char),
}

impl Token {
    pub(super) fn text(self) -> String {
        match self {
            Self::Char(c) => c.to_string(),
            Self::Escape(c) => format!("\\{c}"),
        }
    }
}

pub(super) struct Source {
    text: Vec<char>,
    /// Of the next token.
    position: usize,
}

impl Source {
    pub(super) fn new(pattern: &str) -> Self {
        Self { text: pattern.chars().collect(), position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn go_to(&mut self, position: usize) {
        self.position = position;
    }

    /// A pattern that ends in a backslash is wrong wherever the reader is.
    pub(super) fn peek(&self) -> Result<Option<Token>, SyntaxError> {
        match self.text.get(self.position..).unwrap_or_default() {
            [] => Ok(None),
            ['\\'] => {
                Err(SyntaxError::at("bad escape (end of pattern)", &self.text, self.text.len() - 1))
            }
            ['\\', escaped, ..] => Ok(Some(Token::Escape(*escaped))),
            [c, ..] => Ok(Some(Token::Char(*c))),
        }
    }

    pub(super) fn next(&mut self) -> Result<Option<Token>, SyntaxError> {
        let token = self.peek()?;
        self.position += match token {
            None => 0,
            Some(Token::Char(_)) => 1,
            Some(Token::Escape(_)) => 2,
        };
        Ok(token)
    }

    /// Takes the character if it comes next.
    pub(super) fn take(&mut self, wanted: char) -> Result<bool, SyntaxError> {
        let is_next = self.peek()? == Some(Token::Char(wanted));
        self.position += usize::from(is_next);
        Ok(is_next)
    }

    /// Takes up to `most` characters that fit.
    pub(super) fn take_while(&mut self, most: usize, fits: impl Fn(char) -> bool) -> String {
        let rest = self.text[self.position..].iter().take(most);
        let taken: String = rest.take_while(|c| fits(**c)).collect();
        self.position += taken.chars().count();
        taken
    }

    /// A name up to its terminator, which is taken too.
    pub(super) fn until(&mut self, terminator: char, what: &str) -> Result<String, SyntaxError> {
        let mut name = String::new();
        loop {
            match self.next()? {
                None if name.is_empty() => return Err(self.error(format!("missing {what}"), 0)),
                None => {
                    let back = name.chars().count();
                    let message = format!("missing {terminator}, unterminated name");
                    return Err(self.error(message, back));
                }
                Some(Token::Char(c)) if c == terminator => break,
                Some(token) => name.push_str(&token.text()),
            }
        }
        if name.is_empty() {
            return Err(self.error(format!("missing {what}"), 1));
        }
        Ok(name)
    }

    /// An error so many characters before the next token.
    pub(super) fn error(&self, message: impl Into<String>, back: usize) -> SyntaxError {
        self.error_at(message, self.position.saturating_sub(back))
    }

    pub(super) fn error_at(&self, message: impl Into<String>, position: usize) -> SyntaxError {
        SyntaxError::at(message, &self.text, position)
    }
}
