//! How Python writes values: `repr`.

/// A text between quotes. What cannot be seen is written as an escape.
pub fn text(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => out.push_str(&escape(u32::from(c))),
        }
    }
    out.push(quote);
    out
}

fn escape(value: u32) -> String {
    match value {
        0..=0xff => format!("\\x{value:02x}"),
        0x100..=0xffff => format!("\\u{value:04x}"),
        _ => format!("\\U{value:08x}"),
    }
}

/// Python: everything but control, format, unassigned, private and separators other than the space.
/// `escape_debug` leaves the same alone, except marks that extend the character before them, which it
/// escapes at a text's start only.
fn is_printable(c: char) -> bool {
    let mut pair = String::from("a");
    pair.push(c);
    matches!(c, '"' | '\'') || pair.escape_debug().count() == 2
}
