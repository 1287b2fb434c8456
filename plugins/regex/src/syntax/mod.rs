//! The syntax of Python's `re`: a pattern's text becomes a tree, or an error in Python's words.
//!
//! The grammar is that of Python 3.11 and later: possessive repeats, atomic groups, flags of the whole
//! pattern only at its start.

mod class;
mod error;
mod escape;
mod flags;
mod group;
mod parse;
mod source;
mod width;

pub use error::SyntaxError;
pub use flags::Flags;
pub use parse::{is_identifier, parse};

/// A pattern, read.
#[derive(Clone, Debug)]
pub struct Syntax {
    pub node: Node,
    /// The flags given by the caller and those at the pattern's start.
    pub flags: Flags,
    /// How many groups it has, without group 0.
    pub groups: usize,
    /// Names and numbers of the groups that have a name, in the order of the numbers.
    pub names: Vec<(String, usize)>,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Literal(char),
    /// `.`
    Any,
    Category(Category),
    /// `[...]`
    Class {
        is_negated: bool,
        items: Vec<ClassItem>,
    },
    At(At),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        mode: Mode,
    },
    /// `(...)` with its number.
    Group(usize, Box<Node>),
    /// `(?i-m:...)`: flags switched on and off.
    Scope {
        on: Flags,
        off: Flags,
        node: Box<Node>,
    },
    /// `(?>...)`
    Atomic(Box<Node>),
    Look {
        is_ahead: bool,
        is_negated: bool,
        node: Box<Node>,
    },
    Backreference(usize),
    /// `(?(1)yes|no)`
    Conditional {
        group: usize,
        yes: Box<Node>,
        no: Box<Node>,
    },
}

/// How a repeat chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassItem {
    Char(char),
    Range(char, char),
    Category(Category),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Digit,
    Space,
    Word,
}

/// `\d`, `\D` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Category {
    pub kind: Kind,
    pub is_negated: bool,
}

impl Category {
    fn of(letter: char) -> Option<Self> {
        let kind = match letter.to_ascii_lowercase() {
            'd' => Kind::Digit,
            's' => Kind::Space,
            'w' => Kind::Word,
            _ => return None,
        };
        Some(Self { kind, is_negated: letter.is_ascii_uppercase() })
    }
}

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `^`
    Start,
    /// `$`
    End,
    /// `\A`
    TextStart,
    /// `\Z`
    TextEnd,
    /// `\b`
    Boundary,
    /// `\B`
    NoBoundary,
}
