//! The parser: sequences, alternatives, repeats, and what is known of the groups.

use super::source::{Source, Token};
use super::width::{self, Width};
use super::{At, Flags, Mode, Node, Syntax, SyntaxError, class, escape, group};

/// Groups in groups, so many deep. Every level is a call of the parser inside itself.
const DEEPEST: usize = 100;

pub(super) struct Parser {
    pub(super) source: Source,
    pub(super) is_verbose: bool,
    flags: Flags,
    depth: usize,
    /// By number, from 0; `None` as long as the group is open.
    widths: Vec<Option<Width>>,
    names: Vec<(String, usize)>,
    /// In a lookbehind: how many groups there were before it.
    lookbehind: Option<usize>,
    /// Numbers that conditions name before their group comes, and where.
    conditions: Vec<(usize, usize)>,
}

/// Reads a pattern.
///
/// # Errors
/// What Python's `re.compile` says about it.
pub fn parse(pattern: &str, flags: Flags) -> Result<Syntax, SyntaxError> {
    let mut parser = Parser {
        source: Source::new(pattern),
        is_verbose: flags.has(Flags::VERBOSE),
        flags,
        depth: 0,
        widths: vec![None],
        names: Vec::new(),
        lookbehind: None,
        conditions: Vec::new(),
    };
    let node = parser.branches(true)?;
    if parser.source.peek()?.is_some() {
        return Err(parser.source.error("unbalanced parenthesis", 0));
    }
    for (number, position) in &parser.conditions {
        if *number > parser.groups() {
            let message = format!("invalid group reference {number}");
            return Err(parser.source.error_at(message, *position));
        }
    }
    if parser.flags.has(Flags::ASCII) && parser.flags.has(Flags::UNICODE) {
        return Err(SyntaxError::new("ASCII and UNICODE flags are incompatible"));
    }
    let groups = parser.groups();
    Ok(Syntax { node, flags: parser.flags, groups, names: parser.names })
}

impl Parser {
    /// Alternatives inside a group.
    pub(super) fn alternatives(&mut self) -> Result<Node, SyntaxError> {
        self.branches(false)
    }

    fn branches(&mut self, is_top: bool) -> Result<Node, SyntaxError> {
        if self.depth == DEEPEST {
            return Err(self.source.error(format!("more than {DEEPEST} groups in each other"), 0));
        }
        self.depth += 1;
        let mut branches = vec![self.sequence(is_top)?];
        while self.source.take('|')? {
            branches.push(self.sequence(false)?);
        }
        self.depth -= 1;
        let only = if branches.len() == 1 { branches.pop() } else { None };
        Ok(only.unwrap_or(Node::Alternate(branches)))
    }

    /// Parts up to a `|`, a `)` or the end. `may_switch`: the pattern begins here.
    pub(super) fn sequence(&mut self, may_switch: bool) -> Result<Node, SyntaxError> {
        let mut parts: Vec<Node> = Vec::new();
        while let Some(token) = self.source.peek()? {
            if matches!(token, Token::Char('|' | ')')) {
                break;
            }
            self.source.next()?;
            if self.is_verbose && self.skip(token)? {
                continue;
            }
            let part = match token {
                Token::Escape(letter) => escape::outside(self, letter)?,
                Token::Char('[') => class::read(&mut self.source)?,
                Token::Char('.') => Node::Any,
                Token::Char('^') => Node::At(At::Start),
                Token::Char('$') => Node::At(At::End),
                Token::Char('(') => match group::read(self, may_switch && parts.is_empty())? {
                    Some(part) => part,
                    None => continue,
                },
                Token::Char(sign @ ('*' | '+' | '?' | '{')) => match self.counts(sign)? {
                    Some(counts) => {
                        let start = counts.2;
                        self.repeat(&mut parts, counts.0, counts.1, start)?;
                        continue;
                    }
                    None => Node::Literal('{'),
                },
                Token::Char(c) => Node::Literal(c),
            };
            parts.push(part);
        }
        Ok(Node::Concat(parts))
    }

    /// In a verbose pattern: space and comments mean nothing.
    fn skip(&mut self, token: Token) -> Result<bool, SyntaxError> {
        match token {
            Token::Char(' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}') => Ok(true),
            Token::Char('#') => {
                while !matches!(self.source.next()?, None | Some(Token::Char('\n'))) {}
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// How often, and where it is said. `None`: this `{` is just a character.
    fn counts(&mut self, sign: char) -> Result<Option<(u32, Option<u32>, usize)>, SyntaxError> {
        let start = self.source.position() - 1;
        match sign {
            '*' => return Ok(Some((0, None, start))),
            '+' => return Ok(Some((1, None, start))),
            '?' => return Ok(Some((0, Some(1), start))),
            _ => {}
        }
        if self.source.peek()? == Some(Token::Char('}')) {
            return Ok(None);
        }
        let digits = |source: &mut Source| source.take_while(usize::MAX, |c| c.is_ascii_digit());
        let low = digits(&mut self.source);
        let high = if self.source.take(',')? { digits(&mut self.source) } else { low.clone() };
        if !self.source.take('}')? {
            self.source.go_to(start + 1);
            return Ok(None);
        }
        let number = |text: &str| match text.parse::<u32>() {
            Ok(number) if number < u32::MAX => Ok(number),
            _ => Err(SyntaxError::new("the repetition number is too large")),
        };
        let min = if low.is_empty() { 0 } else { number(&low)? };
        let max = if high.is_empty() { None } else { Some(number(&high)?) };
        if max.is_some_and(|max| max < min) {
            return Err(self.source.error_at("min repeat greater than max repeat", start + 1));
        }
        Ok(Some((min, max, start)))
    }

    fn repeat(
        &mut self,
        parts: &mut Vec<Node>,
        min: u32,
        max: Option<u32>,
        start: usize,
    ) -> Result<(), SyntaxError> {
        let node = match parts.pop() {
            None | Some(Node::At(_)) => {
                return Err(self.source.error_at("nothing to repeat", start));
            }
            Some(Node::Repeat { .. }) => {
                return Err(self.source.error_at("multiple repeat", start));
            }
            Some(node) => Box::new(node),
        };
        let mode = if self.source.take('?')? {
            Mode::Lazy
        } else if self.source.take('+')? {
            Mode::Possessive
        } else {
            Mode::Greedy
        };
        parts.push(Node::Repeat { node, min, max, mode });
        Ok(())
    }

    /// The next character of an extension.
    pub(super) fn letter(&mut self) -> Result<char, SyntaxError> {
        match self.source.next()? {
            Some(Token::Char(letter)) => Ok(letter),
            Some(Token::Escape(letter)) => {
                Err(self.source.error(format!("unknown extension ?\\{letter}"), 3))
            }
            None => Err(self.source.error("unexpected end of pattern", 0)),
        }
    }

    /// A group's name up to its terminator.
    pub(super) fn name(&mut self, terminator: char) -> Result<String, SyntaxError> {
        let name = self.source.until(terminator, "group name")?;
        if is_identifier(&name) {
            return Ok(name);
        }
        let back = name.chars().count() + 1;
        Err(self
            .source
            .error(format!("bad character in group name {}", crate::repr::text(&name)), back))
    }

    /// How many groups have begun.
    pub(super) fn groups(&self) -> usize {
        self.widths.len() - 1
    }

    /// Begins the next group.
    pub(super) fn open(&mut self, name: Option<String>) -> Result<usize, SyntaxError> {
        let number = self.widths.len();
        if let Some(name) = name {
            if let Some((_, old)) = self.names.iter().find(|(known, _)| *known == name) {
                let back = name.chars().count() + 1;
                let name = crate::repr::text(&name);
                let message =
                    format!("redefinition of group name {name} as group {number}; was group {old}");
                return Err(self.source.error(message, back));
            }
            self.names.push((name, number));
        }
        self.widths.push(None);
        Ok(number)
    }

    pub(super) fn closed(&mut self, number: usize, node: &Node) {
        self.widths[number] = Some(width::of(node, &self.widths));
    }

    pub(super) fn group_named(&self, name: &str) -> Result<usize, SyntaxError> {
        let found = self.names.iter().find(|(known, _)| known == name);
        found.map(|(_, number)| *number).ok_or_else(|| {
            let message = format!("unknown group name {}", crate::repr::text(name));
            self.source.error(message, name.chars().count() + 1)
        })
    }

    /// May a back-reference name this group here?
    pub(super) fn refer(&self, group: usize, back: usize) -> Result<(), SyntaxError> {
        if self.widths[group].is_none() {
            return Err(self.source.error("cannot refer to an open group", back));
        }
        self.check_lookbehind(group)
    }

    fn check_lookbehind(&self, group: usize) -> Result<(), SyntaxError> {
        let Some(before) = self.lookbehind else { return Ok(()) };
        if self.widths.get(group).copied().flatten().is_none() {
            return Err(self.source.error("cannot refer to an open group", 0));
        }
        if group > before {
            let message = "cannot refer to group defined in the same lookbehind subpattern";
            return Err(self.source.error(message, 0));
        }
        Ok(())
    }

    /// The group of `(?(group)`; its `)` is taken.
    pub(super) fn condition(&mut self) -> Result<usize, SyntaxError> {
        let name = self.source.until(')', "group name")?;
        let length = name.chars().count();
        let group = if is_identifier(&name) {
            self.group_named(&name)?
        } else {
            let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
            let number = name.parse().ok().filter(|_| is_number);
            let number: usize = number.ok_or_else(|| {
                let message = format!("bad character in group name {}", crate::repr::text(&name));
                self.source.error(message, length + 1)
            })?;
            if number == 0 {
                return Err(self.source.error("bad group number", length + 1));
            }
            self.conditions.push((number, self.source.position() - length - 1));
            number
        };
        self.check_lookbehind(group)?;
        Ok(group)
    }

    pub(super) fn enter_lookbehind(&mut self) -> Option<usize> {
        let before = self.lookbehind;
        self.lookbehind = before.or(Some(self.groups()));
        before
    }

    pub(super) fn leave_lookbehind(&mut self, before: Option<usize>) {
        self.lookbehind = before;
    }

    pub(super) fn check_width(&self, node: &Node) -> Result<(), SyntaxError> {
        let (low, high) = width::of(node, &self.widths);
        if high == Some(low) {
            return Ok(());
        }
        Err(SyntaxError::new("look-behind requires fixed-width pattern"))
    }

    pub(super) fn switch_whole(&mut self, flags: Flags) {
        self.flags = self.flags.with(flags);
        self.is_verbose = self.flags.has(Flags::VERBOSE);
    }
}

/// May this be a name in Python?
pub fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|c| c == '_' || c.is_alphabetic());
    starts && characters.all(|c| c == '_' || c.is_alphanumeric())
}
