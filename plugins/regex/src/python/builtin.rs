//! What needs no import: `print`, `int`, `str`, `len`, `list`, and the operators.

use super::call::Arguments;
use super::eval::Session;
use super::value::{Exception, Value};

/// Bytes of a text that an expression makes.
const LONGEST: usize = 1 << 20;

const NAMES: [&str; 7] = ["re", "print", "int", "str", "len", "list", "repr"];

pub(super) fn named(name: &str) -> Option<&'static str> {
    NAMES.into_iter().find(|known| *known == name)
}

pub(super) fn call(
    session: &mut Session,
    name: &str,
    mut arguments: Arguments,
) -> Result<Value, Exception> {
    if name == "print" {
        let shown: Vec<_> = arguments.rest().iter().map(Value::text).collect();
        arguments.end(name)?;
        session.printed += &(shown.join(" ") + "\n");
        return Ok(Value::None);
    }
    let value = arguments.only(name)?;
    match (name, &value) {
        ("str", value) => Ok(Value::str(value.text())),
        ("repr", value) => Ok(Value::str(value.repr())),
        ("int", Value::Int(_)) => Ok(value),
        ("int", Value::Bool(is_true)) => Ok(Value::Int((*is_true).into())),
        ("int", Value::Str(text)) => int(text),
        ("len", Value::Str(text)) => Ok(Value::Int(text.chars().count() as i128)),
        ("len", Value::List(values) | Value::Tuple(values)) => Ok(Value::Int(values.len() as i128)),
        ("list", Value::List(values) | Value::Tuple(values)) => Ok(Value::List(values.clone())),
        ("list", Value::Str(text)) => {
            Ok(Value::list(text.chars().map(|c| Value::str(c.to_string()))))
        }
        _ => {
            let message = format!("{name}() does not take '{}'", value.type_name());
            Err(Exception::new("TypeError", message))
        }
    }
}

fn int(text: &str) -> Result<Value, Exception> {
    let digits = text.trim();
    let is_number = digits.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
    match digits.parse() {
        Ok(number) => Ok(Value::Int(number)),
        Err(_) if is_number && digits.len() > 30 => {
            Err(Exception::limit("numbers have at most 38 digits here"))
        }
        Err(_) => {
            let shown = crate::repr::text(text);
            let message = format!("invalid literal for int() with base 10: {shown}");
            Err(Exception::new("ValueError", message))
        }
    }
}

pub(super) fn binary(sign: char, left: &Value, right: &Value) -> Result<Value, Exception> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => {
            let number = match sign {
                '+' => left.checked_add(*right),
                '-' => left.checked_sub(*right),
                '*' => left.checked_mul(*right),
                _ => Some(left | right),
            };
            number
                .map(Value::Int)
                .ok_or_else(|| Exception::limit("numbers have at most 38 digits here"))
        }
        (Value::Str(left), Value::Str(right)) if sign == '+' => {
            if left.len() + right.len() > LONGEST {
                return Err(Exception::limit("the text is too long"));
            }
            Ok(Value::str(format!("{left}{right}")))
        }
        (Value::Str(text), Value::Int(times)) | (Value::Int(times), Value::Str(text))
            if sign == '*' =>
        {
            let times = usize::try_from((*times).max(0)).unwrap_or(usize::MAX);
            if text.len().saturating_mul(times) > LONGEST {
                return Err(Exception::limit("the text is too long"));
            }
            Ok(Value::str(text.repeat(times)))
        }
        (Value::Str(_), other) if sign == '+' => {
            let message =
                format!("can only concatenate str (not \"{}\") to str", other.type_name());
            Err(Exception::new("TypeError", message))
        }
        _ => {
            let (left, right) = (left.type_name(), right.type_name());
            let message = format!("unsupported operand type(s) for {sign}: '{left}' and '{right}'");
            Err(Exception::new("TypeError", message))
        }
    }
}
