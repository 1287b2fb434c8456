//! What values have: methods of matches, patterns and texts, flags of `re`, and `value[index]`.

use std::rc::Rc;

use super::call::{self, Arguments};
use super::eval::Session;
use super::value::{Exception, Value};
use crate::re::Match;

const FUNCTIONS: [&str; 9] = [
    "re.match",
    "re.search",
    "re.fullmatch",
    "re.findall",
    "re.finditer",
    "re.split",
    "re.sub",
    "re.subn",
    "re.compile",
];
const MATCH: [&str; 6] = ["group", "groups", "groupdict", "span", "start", "end"];
const TEXT: [&str; 9] =
    ["startswith", "endswith", "upper", "lower", "strip", "replace", "title", "zfill", "isdigit"];

/// `object.name`
pub(super) fn attribute(object: Value, name: &str) -> Result<Value, Exception> {
    let is_method = |names: &[&str]| names.contains(&name);
    let found = match &object {
        Value::Builtin("re") => {
            let function = FUNCTIONS.into_iter().find(|known| known[3..] == *name);
            function.map(Value::Builtin).or_else(|| flag(name).map(Value::Int))
        }
        Value::Match(_) if is_method(&MATCH) => None,
        Value::Str(_) if is_method(&TEXT) => None,
        Value::Pattern(_) if FUNCTIONS.iter().any(|known| known[3..] == *name) => None,
        other => {
            let message = match other {
                Value::Builtin("re") => format!("module 're' has no attribute '{name}'"),
                _ => format!("'{}' object has no attribute '{name}'", other.type_name()),
            };
            return Err(Exception::new("AttributeError", message));
        }
    };
    match (found, &object) {
        (Some(value), _) => Ok(value),
        (None, Value::Builtin(_)) => {
            let message = format!("module 're' has no attribute '{name}'");
            Err(Exception::new("AttributeError", message))
        }
        (None, _) => Ok(Value::Method(Box::new(object), name.into())),
    }
}

fn flag(name: &str) -> Option<i128> {
    Some(match name {
        "I" | "IGNORECASE" => 2,
        "M" | "MULTILINE" => 8,
        "S" | "DOTALL" => 16,
        "U" | "UNICODE" => 32,
        "X" | "VERBOSE" => 64,
        "A" | "ASCII" => 256,
        _ => return None,
    })
}

/// `object.name(…)`
pub(super) fn call(
    session: &mut Session,
    object: &Value,
    name: &str,
    mut arguments: Arguments,
) -> Result<Value, Exception> {
    match object {
        Value::Match(found) => of_match(found, name, &mut arguments),
        Value::Pattern(pattern) => call::on_pattern(session, pattern, name, arguments),
        Value::Str(text) => of_text(text, name, &mut arguments),
        _ => Err(Exception::new("TypeError", "it cannot be called")),
    }
}

fn of_match(found: &Match, name: &str, arguments: &mut Arguments) -> Result<Value, Exception> {
    let names = found.names();
    let value = match name {
        "group" => {
            let mut groups = Vec::new();
            for group in arguments.rest() {
                groups.push(Value::optional(found.group(number(found, &group)?)));
            }
            match groups.len() {
                0 => Value::optional(found.group(0)),
                1 => groups.remove(0),
                _ => Value::tuple(groups),
            }
        }
        "groups" => Value::tuple(found.groups().map(Value::optional)),
        "groupdict" => {
            let pairs = names.iter();
            let pairs = pairs.map(|(n, at)| (Value::str(n), Value::optional(found.group(*at))));
            Value::Dict(pairs.collect())
        }
        _ => {
            let group = arguments.next("group").unwrap_or(Value::Int(0));
            let span = found.span(number(found, &group)?);
            let (start, end) = span.map_or((-1, -1), |(start, end)| (start as i128, end as i128));
            match name {
                "start" => Value::Int(start),
                "end" => Value::Int(end),
                _ => Value::tuple([Value::Int(start), Value::Int(end)]),
            }
        }
    };
    arguments.end(name)?;
    Ok(value)
}

/// A group by its number or its name.
fn number(found: &Match, group: &Value) -> Result<usize, Exception> {
    let number = match group {
        Value::Int(number) => usize::try_from(*number).ok(),
        Value::Str(name) => {
            let known = found.names().iter().find(|(known, _)| **known == **name);
            known.map(|(_, number)| *number)
        }
        _ => None,
    };
    let number = number.filter(|number| *number <= found.count());
    number.ok_or_else(|| Exception::new("IndexError", "no such group"))
}

fn of_text(text: &str, name: &str, arguments: &mut Arguments) -> Result<Value, Exception> {
    let value = match name {
        "upper" => Value::str(text.to_uppercase()),
        "lower" => Value::str(text.to_lowercase()),
        "strip" => Value::str(text.trim()),
        "isdigit" => Value::Bool(!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())),
        "startswith" => Value::Bool(text.starts_with(&*arguments.text(name, "prefix")?)),
        "endswith" => Value::Bool(text.ends_with(&*arguments.text(name, "suffix")?)),
        "replace" => {
            let old = arguments.text(name, "old")?;
            let new = arguments.text(name, "new")?;
            Value::str(text.replace(&*old, &new))
        }
        "zfill" => {
            let width = usize::try_from(arguments.count("width")?.clamp(0, 1000)).unwrap_or(0);
            Value::str(format!("{text:0>width$}"))
        }
        _ => Value::str(title(text)),
    };
    arguments.end(name)?;
    Ok(value)
}

fn title(text: &str) -> String {
    let mut is_inside = false;
    let mut out = String::new();
    for c in text.chars() {
        if is_inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        is_inside = c.is_alphabetic();
    }
    out
}

/// `object[index]`
pub(super) fn index(object: &Value, index: &Value) -> Result<Value, Exception> {
    let place = |length: usize| {
        let Value::Int(number) = index else { return None };
        let number = if *number < 0 { number + length as i128 } else { *number };
        usize::try_from(number).ok().filter(|number| *number < length)
    };
    let out_of_range = || Exception::new("IndexError", "index out of range");
    match object {
        Value::Match(found) => Ok(Value::optional(found.group(number(found, index)?))),
        Value::List(values) | Value::Tuple(values) => {
            place(values.len()).map(|at| values[at].clone()).ok_or_else(out_of_range)
        }
        Value::Str(text) => {
            let characters: Vec<char> = text.chars().collect();
            let at = place(characters.len()).ok_or_else(out_of_range)?;
            Ok(Value::Str(Rc::from(characters[at].to_string())))
        }
        other => {
            let message = format!("'{}' object is not subscriptable", other.type_name());
            Err(Exception::new("TypeError", message))
        }
    }
}
