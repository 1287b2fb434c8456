//! Values, and how Python shows them.

use std::fmt;
use std::rc::Rc;

use super::parser::Statement;
use crate::re::{Error, Match, Pattern};
use crate::template;

#[derive(Clone)]
pub enum Value {
    None,
    Bool(bool),
    Int(i128),
    Str(Rc<str>),
    List(Rc<[Value]>),
    Tuple(Rc<[Value]>),
    Dict(Rc<[(Value, Value)]>),
    Match(Rc<Match>),
    Pattern(Rc<Pattern>),
    Function(Rc<Function>),
    /// `re`, `print`, `re.match`.
    Builtin(&'static str),
    /// A method of a value.
    Method(Box<Value>, Rc<str>),
}

/// Of one parameter, as `re.sub` calls it.
pub struct Function {
    pub name: String,
    pub parameter: String,
    pub body: Vec<Statement>,
}

/// What Python raises, or a limit of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    pub kind: &'static str,
    pub message: String,
}

impl Exception {
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub fn limit(message: impl Into<String>) -> Self {
        Self::new("limit", message)
    }

    pub fn is_limit(&self) -> bool {
        self.kind == "limit"
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind, self.message)
    }
}

impl From<Error> for Exception {
    fn from(error: Error) -> Self {
        match error {
            Error::Syntax(error) => Self::new("re.error", error.to_string()),
            Error::Limit(message) => Self::limit(message),
        }
    }
}

impl From<template::Error> for Exception {
    fn from(error: template::Error) -> Self {
        match error {
            template::Error::Syntax(error) => Self::new("re.error", error.to_string()),
            template::Error::UnknownName(message) => Self::new("IndexError", message),
        }
    }
}

impl Value {
    pub fn str(text: impl AsRef<str>) -> Self {
        Self::Str(text.as_ref().into())
    }

    /// A text, or None where a group took no part.
    pub fn optional(text: Option<&str>) -> Self {
        text.map_or(Self::None, Self::str)
    }

    pub fn list(values: impl IntoIterator<Item = Self>) -> Self {
        Self::List(values.into_iter().collect())
    }

    pub fn tuple(values: impl IntoIterator<Item = Self>) -> Self {
        Self::Tuple(values.into_iter().collect())
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Match(_) => "re.Match",
            Self::Pattern(_) => "re.Pattern",
            Self::Function(_) => "function",
            Self::Builtin(_) | Self::Method(..) => "builtin_function_or_method",
        }
    }

    /// `repr(value)`
    pub fn repr(&self) -> String {
        let joined = |values: &[Self]| {
            let shown: Vec<_> = values.iter().map(Self::repr).collect();
            shown.join(", ")
        };
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Str(text) => crate::repr::text(text),
            Self::List(values) => format!("[{}]", joined(values)),
            Self::Tuple(values) if values.len() == 1 => format!("({},)", joined(values)),
            Self::Tuple(values) => format!("({})", joined(values)),
            Self::Dict(pairs) => {
                let pairs = pairs.iter();
                let shown: Vec<_> =
                    pairs.map(|(key, value)| format!("{}: {}", key.repr(), value.repr())).collect();
                format!("{{{}}}", shown.join(", "))
            }
            Self::Match(found) => found.repr(),
            Self::Pattern(_) => "<re.Pattern object>".to_owned(),
            Self::Function(function) => format!("<function {}>", function.name),
            Self::Builtin(name) => format!("<built-in {name}>"),
            Self::Method(_, name) => format!("<built-in method {name}>"),
        }
    }

    /// `str(value)`
    pub fn text(&self) -> String {
        match self {
            Self::Str(text) => text.to_string(),
            other => other.repr(),
        }
    }
}
