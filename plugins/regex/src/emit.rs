//! A pattern's tree, written for the engine so that it means there what it means in Python.
//!
//! The two languages differ in what `\w`, `\s`, `\b`, `$` and letters without regard to case are;
//! nothing of that is left to the engine: each is written out.

use std::fmt::Write as _;

use crate::syntax::{At, Category, ClassItem, Flags, Kind, Mode, Node, Syntax};

/// What `str.isalnum` accepts is exactly the letters and the numbers.
const WORD: &str = r"\p{L}\p{N}_";
const DIGIT: &str = r"\p{Nd}";
/// `str.isspace`: with the four separators of ASCII, which Unicode does not count as space.
const SPACE: &str = r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}";
/// Python takes these for one letter without regard to case.
const LETTERS_I: [char; 4] = ['i', 'I', '\u{131}', '\u{130}'];

/// The pattern for the engine. Its groups have the same numbers, and no names.
pub fn emit(syntax: &Syntax) -> String {
    let mut out = String::new();
    write_node(&mut out, &syntax.node, syntax.flags);
    out
}

/// How many steps the pattern has when its repeats are written out; the engine does that.
pub fn size(node: &Node) -> u64 {
    match node {
        Node::Concat(parts) | Node::Alternate(parts) => {
            parts.iter().map(size).fold(1, u64::saturating_add)
        }
        Node::Repeat { node, min, max, .. } => {
            let times = u64::from(max.unwrap_or(*min).max(1));
            size(node).saturating_mul(times)
        }
        Node::Group(_, node) | Node::Scope { node, .. } | Node::Atomic(node) => size(node) + 1,
        Node::Look { node, .. } => size(node) + 1,
        Node::Conditional { yes, no, .. } => size(yes).saturating_add(size(no)),
        _ => 1,
    }
}

fn write_node(out: &mut String, node: &Node, flags: Flags) {
    match node {
        Node::Literal(c) => write_literal(out, *c, flags),
        Node::Any if flags.has(Flags::DOT_ALL) => out.push_str("(?s:.)"),
        Node::Any => out.push_str(r"[^\n]"),
        Node::Category(category) => {
            let not = if category.is_negated { "^" } else { "" };
            let _ = write!(out, "[{not}{}]", category_set(category.kind, flags));
        }
        Node::Class { is_negated, items } => write_class(out, *is_negated, items, flags),
        Node::At(at) => out.push_str(&place(*at, flags)),
        Node::Concat(parts) => parts.iter().for_each(|part| write_node(out, part, flags)),
        Node::Alternate(parts) => write_alternatives(out, "(?:", parts, flags),
        Node::Repeat { node, min, max, mode } if is_place(node) => {
            write_place(out, node, *min, *max, *mode, flags);
        }
        Node::Repeat { node, min, max, mode } => {
            write_repeat(out, node, *min, *max, *mode, flags);
        }
        Node::Group(_, node) => enclose(out, "(", node, flags),
        Node::Scope { on, off, node } => enclose(out, "(?:", node, flags.inside(*on, *off)),
        Node::Atomic(node) => enclose(out, "(?>", node, flags),
        Node::Look { is_ahead, is_negated, node } => {
            let open = match (is_ahead, is_negated) {
                (true, false) => "(?=",
                (true, true) => "(?!",
                (false, false) => "(?<=",
                (false, true) => "(?<!",
            };
            enclose(out, open, node, flags);
        }
        Node::Backreference(group) => {
            let case = if flags.has(Flags::IGNORE_CASE) { "i" } else { "" };
            let _ = write!(out, r"(?{case}:\{group})");
        }
        Node::Conditional { group, yes, no } => {
            let _ = write!(out, "(?({group})");
            enclose(out, "(?:", yes, flags);
            out.push('|');
            enclose(out, "(?:", no, flags);
            out.push(')');
        }
    }
}

fn write_repeat(
    out: &mut String,
    node: &Node,
    min: u32,
    max: Option<u32>,
    mode: Mode,
    flags: Flags,
) {
    // Python never goes back into a round of a possessive repeat, not even for the least number.
    let open = if mode == Mode::Possessive { "(?>" } else { "(?:" };
    enclose(out, open, node, flags);
    let _ = match (min, max) {
        (0, None) => write!(out, "*"),
        (1, None) => write!(out, "+"),
        (0, Some(1)) => write!(out, "?"),
        (min, None) => write!(out, "{{{min},}}"),
        (min, Some(max)) => write!(out, "{{{min},{max}}}"),
    };
    match mode {
        Mode::Greedy => {}
        Mode::Lazy => out.push('?'),
        Mode::Possessive => out.push('+'),
    }
}

/// A part that takes no characters. The engine does not repeat it, and once is as good.
fn write_place(
    out: &mut String,
    node: &Node,
    min: u32,
    max: Option<u32>,
    mode: Mode,
    flags: Flags,
) {
    let (open, close) = match (min, max, mode) {
        (_, Some(0), _) => return,
        (1.., ..) => ("(?:", ")"),
        (0, _, Mode::Greedy) => ("(?:", "|)"),
        (0, _, Mode::Lazy) => ("(?:|", ")"),
        (0, _, Mode::Possessive) => ("(?>", "|)"),
    };
    out.push_str(open);
    enclose(out, "(?:", node, flags);
    out.push_str(close);
}

fn is_place(node: &Node) -> bool {
    match node {
        Node::At(_) | Node::Look { .. } => true,
        Node::Concat(parts) | Node::Alternate(parts) => parts.iter().all(is_place),
        Node::Repeat { node, .. } | Node::Scope { node, .. } | Node::Atomic(node) => is_place(node),
        _ => false,
    }
}

fn enclose(out: &mut String, open: &str, node: &Node, flags: Flags) {
    match node {
        Node::Alternate(parts) => write_alternatives(out, open, parts, flags),
        _ => {
            out.push_str(open);
            write_node(out, node, flags);
            out.push(')');
        }
    }
}

fn write_alternatives(out: &mut String, open: &str, parts: &[Node], flags: Flags) {
    out.push_str(open);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        write_node(out, part, flags);
    }
    out.push(')');
}

fn write_literal(out: &mut String, c: char, flags: Flags) {
    if flags.has(Flags::IGNORE_CASE) && c.is_alphabetic() {
        write_class(out, false, &[ClassItem::Char(c)], flags);
    } else {
        out.push_str(&escaped(c));
    }
}

fn escaped(c: char) -> String {
    if c.is_alphanumeric() { c.to_string() } else { format!(r"\x{{{:x}}}", u32::from(c)) }
}

fn category_set(kind: Kind, flags: Flags) -> &'static str {
    match (kind, flags.has(Flags::ASCII)) {
        (Kind::Digit, true) => "0-9",
        (Kind::Digit, false) => DIGIT,
        (Kind::Space, true) => r"\t-\r\x{20}",
        (Kind::Space, false) => SPACE,
        (Kind::Word, true) => "0-9A-Za-z_",
        (Kind::Word, false) => WORD,
    }
}

fn category_item(category: Category, flags: Flags) -> String {
    let set = category_set(category.kind, flags);
    if category.is_negated { format!("[^{set}]") } else { set.to_owned() }
}

fn write_class(out: &mut String, is_negated: bool, items: &[ClassItem], flags: Flags) {
    let mut characters = String::new();
    let mut categories = String::new();
    let mut ranges = Vec::new();
    for item in items {
        match item {
            ClassItem::Char(c) => ranges.push((*c, *c)),
            ClassItem::Range(low, high) => ranges.push((*low, *high)),
            ClassItem::Category(category) => categories += &category_item(*category, flags),
        }
    }
    let ignores_case = flags.has(Flags::IGNORE_CASE) && !ranges.is_empty();
    if ignores_case {
        add_cases(&mut ranges, flags);
    }
    for (low, high) in ranges {
        characters += &escaped(low);
        if low != high {
            let _ = write!(characters, "-{}", escaped(high));
        }
    }
    let folds = ignores_case && !flags.has(Flags::ASCII);
    let not = if is_negated { "^" } else { "" };
    // A category is never widened by case, the characters beside it are.
    let _ = match (folds, categories.is_empty(), is_negated) {
        (false, ..) => write!(out, "[{not}{characters}{categories}]"),
        (true, true, _) => write!(out, "(?i:[{not}{characters}])"),
        (true, false, false) => write!(out, "(?:(?i:[{characters}])|[{categories}])"),
        (true, false, true) => write!(out, "(?:(?!(?i:[{characters}]))[^{categories}])"),
    };
}

/// What the engine's own folding would not add.
fn add_cases(ranges: &mut Vec<(char, char)>, flags: Flags) {
    let holds =
        |ranges: &[(char, char)], c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
    if flags.has(Flags::ASCII) {
        let other = |c: char| {
            if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
        };
        let letters = ('a'..='z').chain('A'..='Z');
        let others: Vec<_> = letters.filter(|c| holds(ranges, *c)).map(other).collect();
        ranges.extend(others.into_iter().map(|c| (c, c)));
    } else if LETTERS_I.iter().any(|c| holds(ranges, *c)) {
        ranges.extend(LETTERS_I.map(|c| (c, c)));
    }
}

fn place(at: At, flags: Flags) -> String {
    let word = category_set(Kind::Word, flags);
    match at {
        At::Start if flags.has(Flags::MULTI_LINE) => "(?m:^)".to_owned(),
        At::End if flags.has(Flags::MULTI_LINE) => "(?m:$)".to_owned(),
        At::Start | At::TextStart => r"\A".to_owned(),
        // A newline at the very end does not count.
        At::End => r"(?=\n?\z)".to_owned(),
        At::TextEnd => r"\z".to_owned(),
        At::Boundary => format!("(?:(?<=[{word}])(?![{word}])|(?<![{word}])(?=[{word}]))"),
        // Python up to 3.13 finds no `\B` in an empty text.
        At::NoBoundary => {
            format!(r"(?:(?<=[{word}])(?=[{word}])|(?<![{word}])(?![{word}])(?!\A\z))")
        }
    }
}
