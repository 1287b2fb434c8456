//! Escapes outside and inside of `[...]`.

use super::parse::Parser;
use super::source::{Source, Token};
use super::{At, Category, ClassItem, Node, SyntaxError};

/// An escape outside of a class; its letter has been read.
pub(super) fn outside(parser: &mut Parser, letter: char) -> Result<Node, SyntaxError> {
    if let Some(category) = Category::of(letter) {
        return Ok(Node::Category(category));
    }
    let at = match letter {
        'A' => At::TextStart,
        'Z' => At::TextEnd,
        'b' => At::Boundary,
        'B' => At::NoBoundary,
        '1'..='9' => return number(parser, letter),
        _ => return character(&mut parser.source, letter).map(Node::Literal),
    };
    Ok(Node::At(at))
}

/// An escape in a class.
pub(super) fn inside(source: &mut Source, letter: char) -> Result<ClassItem, SyntaxError> {
    if let Some(category) = Category::of(letter) {
        return Ok(ClassItem::Category(category));
    }
    let c = match letter {
        'b' => '\u{8}',
        '0'..='7' => octal(source, letter, 2)?,
        '8' | '9' => return Err(source.error(format!("bad escape \\{letter}"), 2)),
        _ => character(source, letter)?,
    };
    Ok(ClassItem::Char(c))
}

/// `\1`: a group, unless three octal digits make it a character.
fn number(parser: &mut Parser, first: char) -> Result<Node, SyntaxError> {
    let source = &mut parser.source;
    let is_octal = |c: char| matches!(c, '0'..='7');
    let mut digits = first.to_string();
    digits += &source.take_while(1, |c| c.is_ascii_digit());
    if digits.len() == 2 && digits.chars().all(is_octal) {
        let third = source.take_while(1, is_octal);
        if !third.is_empty() {
            digits += &third;
            return octal_value(source, &digits).map(Node::Literal);
        }
    }
    let group: usize = digits.parse().unwrap_or(usize::MAX);
    if group > parser.groups() {
        let message = format!("invalid group reference {group}");
        return Err(parser.source.error(message, digits.len()));
    }
    parser.refer(group, digits.len() + 1)?;
    Ok(Node::Backreference(group))
}

fn character(source: &mut Source, letter: char) -> Result<char, SyntaxError> {
    Ok(match letter {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => hexadecimal(source, letter, 2)?,
        'u' => hexadecimal(source, letter, 4)?,
        'U' => hexadecimal(source, letter, 8)?,
        'N' => named(source)?,
        '0' => octal(source, letter, 2)?,
        c if c.is_ascii_alphanumeric() => {
            return Err(source.error(format!("bad escape \\{c}"), 2));
        }
        c => c,
    })
}

/// `\x41`, `\u4e2d`, `\U0001f600`.
fn hexadecimal(source: &mut Source, letter: char, digits: usize) -> Result<char, SyntaxError> {
    let text = source.take_while(digits, |c| c.is_ascii_hexdigit());
    let back = text.len() + 2;
    if text.len() != digits {
        return Err(source.error(format!("incomplete escape \\{letter}{text}"), back));
    }
    let value = u32::from_str_radix(&text, 16).unwrap_or(u32::MAX);
    if (0xd800..0xe000).contains(&value) {
        let message = format!("\\{letter}{text} is half of a surrogate pair, which no text has");
        return Err(source.error(message, back));
    }
    char::from_u32(value).ok_or_else(|| source.error(format!("bad escape \\{letter}{text}"), back))
}

fn octal(source: &mut Source, first: char, more: usize) -> Result<char, SyntaxError> {
    let digits = first.to_string() + &source.take_while(more, |c| matches!(c, '0'..='7'));
    octal_value(source, &digits)
}

fn octal_value(source: &Source, digits: &str) -> Result<char, SyntaxError> {
    let value = u32::from_str_radix(digits, 8).unwrap_or(u32::MAX);
    u8::try_from(value).map(char::from).map_err(|_| {
        let message = format!("octal escape value \\{digits} outside of range 0-0o377");
        source.error(message, digits.len() + 1)
    })
}

/// `\N{EM DASH}`
fn named(source: &mut Source) -> Result<char, SyntaxError> {
    if source.peek()? != Some(Token::Char('{')) {
        return Err(source.error("missing {", 0));
    }
    source.take('{')?;
    let name = source.until('}', "character name")?;
    let back = name.chars().count() + 4;
    unicode_names2::character(&name)
        .ok_or_else(|| source.error(format!("undefined character name '{name}'"), back))
}
