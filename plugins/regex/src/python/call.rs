//! The functions of the module `re`, with their parameters.

use std::rc::Rc;

use super::eval::Session;
use super::value::{Exception, Value};
use crate::engine::Reach;
use crate::re::{Match, Pattern};
use crate::syntax::Flags;
use crate::template::Template;

/// The numbers of Python's flags.
const FLAGS: [(i128, Flags); 6] = [
    (2, Flags::IGNORE_CASE),
    (8, Flags::MULTI_LINE),
    (16, Flags::DOT_ALL),
    (32, Flags::UNICODE),
    (64, Flags::VERBOSE),
    (256, Flags::ASCII),
];

/// What a call was given.
pub struct Arguments {
    positional: std::collections::VecDeque<Value>,
    named: Vec<(String, Value)>,
}

impl Arguments {
    pub(super) fn new(positional: Vec<Value>, named: Vec<(String, Value)>) -> Self {
        Self { positional: positional.into(), named }
    }

    /// The next one, by its place or by its name.
    pub(super) fn next(&mut self, name: &str) -> Option<Value> {
        if let Some(value) = self.positional.pop_front() {
            return Some(value);
        }
        let position = self.named.iter().position(|(known, _)| known == name)?;
        Some(self.named.remove(position).1)
    }

    pub(super) fn required(&mut self, function: &str, name: &str) -> Result<Value, Exception> {
        self.next(name).ok_or_else(|| {
            let message = format!("{function}() missing required argument: '{name}'");
            Exception::new("TypeError", message)
        })
    }

    pub(super) fn text(&mut self, function: &str, name: &str) -> Result<Rc<str>, Exception> {
        match self.required(function, name)? {
            Value::Str(text) => Ok(text),
            other => Err(not_a_text(&other)),
        }
    }

    /// A count, 0 if it is not given.
    pub(super) fn count(&mut self, name: &str) -> Result<i128, Exception> {
        match self.next(name) {
            None => Ok(0),
            Some(Value::Int(number)) => Ok(number),
            Some(other) => {
                let kind = other.type_name();
                let message = format!("'{kind}' object cannot be interpreted as an integer");
                Err(Exception::new("TypeError", message))
            }
        }
    }

    /// All arguments by place.
    pub(super) fn rest(&mut self) -> Vec<Value> {
        self.positional.drain(..).collect()
    }

    /// The only one.
    pub(super) fn only(mut self, function: &str) -> Result<Value, Exception> {
        let value = self.required(function, "argument")?;
        self.end(function)?;
        Ok(value)
    }

    pub(super) fn end(&self, function: &str) -> Result<(), Exception> {
        if self.positional.is_empty() && self.named.is_empty() {
            return Ok(());
        }
        Err(Exception::new(
            "TypeError",
            format!("{function}() got arguments that it does not take"),
        ))
    }
}

fn not_a_text(value: &Value) -> Exception {
    let message = format!("expected string or bytes-like object, got '{}'", value.type_name());
    Exception::new("TypeError", message)
}

/// The flags behind their numbers.
pub fn flags_of(number: i128) -> Flags {
    let given = FLAGS.iter().filter(|(bit, _)| number & bit != 0);
    given.fold(Flags::default(), |all, (_, flag)| all.with(*flag))
}

/// `re.NAME(pattern, …)`
pub(super) fn module(
    session: &mut Session,
    name: &str,
    mut arguments: Arguments,
) -> Result<Value, Exception> {
    let pattern = match arguments.required(name, "pattern")? {
        Value::Str(text) => text,
        Value::Pattern(pattern) => return on_pattern(session, &pattern, name, arguments),
        other => return Err(not_a_text(&other)),
    };
    // Flags may be the last of the arguments, whose number depends on the function.
    let place = match name {
        "compile" => 0,
        "split" => 2,
        "sub" | "subn" => 3,
        _ => 1,
    };
    let by_place = (arguments.positional.len() > place).then(|| arguments.positional.remove(place));
    let by_name = arguments.named.iter().position(|(known, _)| known == "flags");
    let given = by_place.flatten().or_else(|| by_name.map(|at| arguments.named.remove(at).1));
    let flags = match given {
        None => Flags::default(),
        Some(Value::Int(number)) => flags_of(number),
        Some(other) => return Err(not_a_text(&other)),
    };
    let pattern = Rc::new(Pattern::new(&pattern, flags)?);
    on_pattern(session, &pattern, name, arguments)
}

/// `pattern.NAME(…)`, and the rest of `re.NAME(pattern, …)`.
pub(super) fn on_pattern(
    session: &mut Session,
    pattern: &Rc<Pattern>,
    name: &str,
    mut arguments: Arguments,
) -> Result<Value, Exception> {
    let find = |text: &Rc<str>, reach| {
        let found = pattern.find(text, reach)?;
        Ok(found.map_or(Value::None, |found| Value::Match(Rc::new(found))))
    };
    let most = |count: i128| usize::try_from(count).ok().filter(|count| *count > 0);
    if name == "compile" {
        return Ok(Value::Pattern(pattern.clone()));
    }
    if matches!(name, "sub" | "subn") {
        let replace = arguments.required(name, "repl")?;
        let text = arguments.text(name, "string")?;
        let count = arguments.count("count")?;
        arguments.end(name)?;
        let mut by = replacement(session, pattern, &replace)?;
        let limit = if count < 0 { Some(0) } else { most(count) };
        let (out, number) = pattern.replace(&text, limit, &mut by)?;
        return Ok(match name {
            "sub" => Value::str(out),
            _ => Value::tuple([Value::str(out), Value::Int(number as i128)]),
        });
    }
    let text = arguments.text(name, "string")?;
    let count = if name == "split" { arguments.count("maxsplit")? } else { 0 };
    arguments.end(name)?;
    match name {
        "match" => find(&text, Reach::Match),
        "fullmatch" => find(&text, Reach::Full),
        "search" => find(&text, Reach::Search),
        "findall" => Ok(Value::list(pattern.all(&text, None)?.iter().map(found_text))),
        "finditer" => {
            let all = pattern.all(&text, None)?;
            Ok(Value::list(all.into_iter().map(|found| Value::Match(Rc::new(found)))))
        }
        "split" => {
            let limit = if count < 0 { Some(0) } else { most(count) };
            let parts = pattern.split(&text, limit)?;
            Ok(Value::list(parts.iter().map(|part| Value::optional(part.as_deref()))))
        }
        _ => {
            Err(Exception::new("AttributeError", format!("module 're' has no attribute '{name}'")))
        }
    }
}

/// What `findall` gives for a match: the match, its only group, or all its groups.
pub fn found_text(found: &Match) -> Value {
    let text = |number| Value::str(found.group(number).unwrap_or_default());
    match found.count() {
        0 => text(0),
        1 => text(1),
        count => Value::tuple((1..=count).map(text)),
    }
}

/// Gives the text that takes a match's place.
pub type Replacer<'s> = Box<dyn FnMut(&Match) -> Result<String, Exception> + 's>;

/// What replaces a match: a template, or what a function gives.
///
/// # Errors
/// The template is wrong, or the value is neither.
pub fn replacement<'s>(
    session: &'s mut Session,
    pattern: &Pattern,
    replace: &'s Value,
) -> Result<Replacer<'s>, Exception> {
    match replace {
        Value::Str(text) => {
            let template = Template::new(text, pattern)?;
            Ok(Box::new(move |found| Ok(template.expand(found))))
        }
        Value::Function(_) | Value::Builtin(_) | Value::Method(..) => Ok(Box::new(move |found| {
            let argument = Value::Match(Rc::new(found.clone()));
            let value = session.call(replace, Arguments::new(vec![argument], Vec::new()))?;
            match value {
                Value::Str(text) => Ok(text.to_string()),
                Value::None => Ok(String::new()),
                other => {
                    let kind = other.type_name();
                    let message = format!("expected str instance, {kind} found");
                    Err(Exception::new("TypeError", message))
                }
            }
        })),
        other => Err(not_a_text(other)),
    }
}
