//! One line of Python in tokens.

use super::literal::unquote;
use super::value::Exception;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Int(i128),
    Str(String),
    Sign(char),
}

/// # Errors
/// Python's SyntaxError.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, Exception> {
    let mut tokens = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\u{c}']);
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        if first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, next)| next);
            continue;
        }
        if let Some((literal, behind)) = string(rest)? {
            tokens.push(Token::Str(literal));
            rest = behind;
            continue;
        }
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(word(&rest[..end])?);
            rest = &rest[end..];
            continue;
        }
        if !"()[],.+-*|=:".contains(first) {
            let message = if first.is_ascii() {
                "invalid syntax".to_owned()
            } else {
                format!("invalid character '{first}' (U+{:04X})", u32::from(first))
            };
            return Err(Exception::new("SyntaxError", message));
        }
        tokens.push(Token::Sign(first));
        rest = &rest[first.len_utf8()..];
    }
}

fn word(word: &str) -> Result<Token, Exception> {
    if !word.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Token::Name(word.to_owned()));
    }
    let number = word.replace('_', "").parse();
    number.map(Token::Int).map_err(|_| Exception::new("SyntaxError", "invalid decimal literal"))
}

/// A string literal at the start, and what follows it. `None`: there is none.
fn string(text: &str) -> Result<Option<(String, &str)>, Exception> {
    let Some(start) = text.find(['"', '\'']) else { return Ok(None) };
    let prefix = text[..start].to_ascii_lowercase();
    let is_raw = match prefix.as_str() {
        "" | "u" => false,
        "r" => true,
        "b" | "br" | "rb" | "f" | "fr" | "rf" => {
            return Err(Exception::limit(
                "bytes and formatted strings are not part of this lesson",
            ));
        }
        _ => return Ok(None),
    };
    let quote = &text[start..=start];
    let triple = quote.repeat(3);
    let (quotes, is_triple) =
        if text[start..].starts_with(&triple) { (triple.as_str(), true) } else { (quote, false) };
    let inside = &text[start + quotes.len()..];
    let mut is_escaped = false;
    for (position, c) in inside.char_indices() {
        if c == '\n' && !is_triple && !is_escaped {
            break;
        }
        if !is_escaped && inside[position..].starts_with(quotes) {
            let literal = unquote(&inside[..position], is_raw)?;
            return Ok(Some((literal, &inside[position + quotes.len()..])));
        }
        is_escaped = !is_escaped && c == '\\';
    }
    let what = if is_triple { "triple-quoted string" } else { "string" };
    let message = format!("unterminated {what} literal (detected at line 1)");
    Err(Exception::new("SyntaxError", message))
}
