//! `[...]`: a set of characters.

use super::source::{Source, Token};
use super::{ClassItem, Node, SyntaxError, escape};

/// Reads behind the `[`.
pub(super) fn read(source: &mut Source) -> Result<Node, SyntaxError> {
    let start = source.position() - 1;
    let is_negated = source.take('^')?;
    let mut items = Vec::new();
    loop {
        let token = next(source, start)?;
        if token == Token::Char(']') && !items.is_empty() {
            break;
        }
        let first = item(source, token)?;
        if !source.take('-')? {
            items.push(first);
            continue;
        }
        let second = next(source, start)?;
        if second == Token::Char(']') {
            items.extend([first, ClassItem::Char('-')]);
            break;
        }
        items.push(range(source, token, first, second)?);
    }
    Ok(Node::Class { is_negated, items })
}

fn next(source: &mut Source, start: usize) -> Result<Token, SyntaxError> {
    source.next()?.ok_or_else(|| source.error_at("unterminated character set", start))
}

fn item(source: &mut Source, token: Token) -> Result<ClassItem, SyntaxError> {
    match token {
        Token::Char(c) => Ok(ClassItem::Char(c)),
        Token::Escape(letter) => escape::inside(source, letter),
    }
}

fn range(
    source: &mut Source,
    from: Token,
    first: ClassItem,
    to: Token,
) -> Result<ClassItem, SyntaxError> {
    let last = item(source, to)?;
    match (first, last) {
        (ClassItem::Char(low), ClassItem::Char(high)) if low <= high => {
            Ok(ClassItem::Range(low, high))
        }
        _ => {
            let (from, to) = (from.text(), to.text());
            let back = from.chars().count() + 1 + to.chars().count();
            Err(source.error(format!("bad character range {from}-{to}"), back))
        }
    }
}
