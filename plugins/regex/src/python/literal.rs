//! The text between a string literal's quotes: `"\n"` is one character, `r"\n"` two.

use super::value::Exception;

/// What a literal's inside means. `is_raw`: it had an `r` before its quotes.
///
/// # Errors
/// Python's SyntaxError for an escape that cannot be.
pub fn unquote(inside: &str, is_raw: bool) -> Result<String, Exception> {
    if is_raw {
        return Ok(inside.to_owned());
    }
    let mut out = String::new();
    let mut rest = inside;
    while let Some(position) = rest.find('\\') {
        out.push_str(&rest[..position]);
        rest = escape(&rest[position + 1..], &mut out)?;
    }
    out.push_str(rest);
    Ok(out)
}

/// One escape behind its backslash; gives what follows it.
fn escape<'t>(text: &'t str, out: &mut String) -> Result<&'t str, Exception> {
    let mut characters = text.chars();
    let Some(letter) = characters.next() else {
        // An unfinished text of a form: Python could not have such a literal.
        out.push('\\');
        return Ok("");
    };
    let rest = characters.as_str();
    let c = match letter {
        '\n' => return Ok(rest),
        '\\' | '\'' | '"' => letter,
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '0'..='7' => {
            let length =
                text.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let value = u32::from_str_radix(&text[..length], 8).unwrap_or_default();
            out.push(char::from_u32(value).unwrap_or_default());
            return Ok(&text[length..]);
        }
        'x' => return hexadecimal(rest, letter, 2, out),
        'u' => return hexadecimal(rest, letter, 4, out),
        'U' => return hexadecimal(rest, letter, 8, out),
        'N' => return named(rest, out),
        // Unknown escapes stay as they are: "\d" is a backslash and a d.
        other => {
            out.push('\\');
            other
        }
    };
    out.push(c);
    Ok(rest)
}

fn hexadecimal<'t>(
    text: &'t str,
    letter: char,
    digits: usize,
    out: &mut String,
) -> Result<&'t str, Exception> {
    let length = text.bytes().take(digits).take_while(u8::is_ascii_hexdigit).count();
    let value = u32::from_str_radix(&text[..length], 16).ok().filter(|_| length == digits);
    let c = value
        .and_then(char::from_u32)
        .ok_or_else(|| unicode_error(&format!("truncated or impossible \\{letter} escape")))?;
    out.push(c);
    Ok(&text[length..])
}

fn named<'t>(text: &'t str, out: &mut String) -> Result<&'t str, Exception> {
    let name = text.strip_prefix('{').and_then(|text| text.split_once('}'));
    let (name, rest) = name.ok_or_else(|| unicode_error("malformed \\N character escape"))?;
    let c = unicode_names2::character(name);
    out.push(c.ok_or_else(|| unicode_error("unknown Unicode character name"))?);
    Ok(rest)
}

fn unicode_error(what: &str) -> Exception {
    Exception::new("SyntaxError", format!("(unicode error) {what}"))
}
