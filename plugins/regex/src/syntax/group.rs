//! What begins with `(`.

use super::flags::{self, Switch};
use super::parse::Parser;
use super::source::Token;
use super::{Flags, Node, SyntaxError};

/// Reads behind the `(`, to its `)`. `None`: a comment, or flags of the whole pattern, which only
/// `may_switch` allows here.
pub(super) fn read(parser: &mut Parser, may_switch: bool) -> Result<Option<Node>, SyntaxError> {
    let start = parser.source.position() - 1;
    if !parser.source.take('?')? {
        return capture(parser, start, None).map(Some);
    }
    match parser.letter()? {
        'P' => python(parser, start).map(Some),
        ':' => contents(parser, start).map(Some),
        '>' => Ok(Some(Node::Atomic(Box::new(contents(parser, start)?)))),
        '#' => comment(parser, start),
        '=' => look(parser, start, true, false).map(Some),
        '!' => look(parser, start, true, true).map(Some),
        '<' => match parser.letter()? {
            '=' => look(parser, start, false, false).map(Some),
            '!' => look(parser, start, false, true).map(Some),
            other => Err(parser.source.error(format!("unknown extension ?<{other}"), 3)),
        },
        '(' => conditional(parser, start).map(Some),
        letter if letter == '-' || letter == 'L' || Flags::of(letter).is_some() => {
            switch(parser, start, letter, may_switch)
        }
        other => Err(parser.source.error(format!("unknown extension ?{other}"), 2)),
    }
}

/// The parts up to the `)`, which is taken.
fn contents(parser: &mut Parser, start: usize) -> Result<Node, SyntaxError> {
    let node = parser.alternatives()?;
    close(parser, start)?;
    Ok(node)
}

fn close(parser: &mut Parser, start: usize) -> Result<(), SyntaxError> {
    if parser.source.take(')')? {
        return Ok(());
    }
    Err(parser.source.error_at("missing ), unterminated subpattern", start))
}

fn capture(parser: &mut Parser, start: usize, name: Option<String>) -> Result<Node, SyntaxError> {
    let number = parser.open(name)?;
    let node = contents(parser, start)?;
    parser.closed(number, &node);
    Ok(Node::Group(number, Box::new(node)))
}

/// `(?P<name>...)` and `(?P=name)`.
fn python(parser: &mut Parser, start: usize) -> Result<Node, SyntaxError> {
    if parser.source.take('<')? {
        let name = parser.name('>')?;
        return capture(parser, start, Some(name));
    }
    if parser.source.take('=')? {
        let name = parser.name(')')?;
        let back = name.chars().count() + 1;
        let group = parser.group_named(&name)?;
        parser.refer(group, back)?;
        return Ok(Node::Backreference(group));
    }
    let other = parser.letter()?;
    Err(parser.source.error(format!("unknown extension ?P{other}"), 3))
}

fn comment(parser: &mut Parser, start: usize) -> Result<Option<Node>, SyntaxError> {
    loop {
        match parser.source.next()? {
            None => {
                return Err(parser.source.error_at("missing ), unterminated comment", start));
            }
            Some(Token::Char(')')) => return Ok(None),
            Some(_) => {}
        }
    }
}

fn look(
    parser: &mut Parser,
    start: usize,
    is_ahead: bool,
    is_negated: bool,
) -> Result<Node, SyntaxError> {
    let before = if is_ahead { None } else { Some(parser.enter_lookbehind()) };
    let node = parser.alternatives()?;
    if let Some(before) = before {
        parser.leave_lookbehind(before);
    }
    close(parser, start)?;
    if !is_ahead {
        parser.check_width(&node)?;
    }
    Ok(Node::Look { is_ahead, is_negated, node: Box::new(node) })
}

/// `(?(1)yes|no)` and `(?(name)yes|no)`.
fn conditional(parser: &mut Parser, start: usize) -> Result<Node, SyntaxError> {
    let group = parser.condition()?;
    let yes = parser.sequence(false)?;
    let mut no = Node::Concat(Vec::new());
    if parser.source.take('|')? {
        no = parser.sequence(false)?;
        if parser.source.peek()? == Some(Token::Char('|')) {
            let message = "conditional backref with more than two branches";
            return Err(parser.source.error(message, 0));
        }
    }
    close(parser, start)?;
    Ok(Node::Conditional { group, yes: Box::new(yes), no: Box::new(no) })
}

fn switch(
    parser: &mut Parser,
    start: usize,
    letter: char,
    may_switch: bool,
) -> Result<Option<Node>, SyntaxError> {
    match flags::read(&mut parser.source, letter)? {
        Switch::Whole(flags) => {
            if !may_switch {
                let message = "global flags not at the start of the expression";
                return Err(parser.source.error_at(message, start));
            }
            parser.switch_whole(flags);
            Ok(None)
        }
        Switch::Group { on, off } => {
            let is_verbose = parser.is_verbose;
            parser.is_verbose = (is_verbose || on.has(Flags::VERBOSE)) && !off.has(Flags::VERBOSE);
            let node = parser.alternatives()?;
            parser.is_verbose = is_verbose;
            close(parser, start)?;
            Ok(Some(Node::Scope { on, off, node: Box::new(node) }))
        }
    }
}
