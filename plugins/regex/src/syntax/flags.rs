//! Flags: as the caller gives them, at a pattern's start `(?im)`, and of a group `(?i-s:...)`.

use super::SyntaxError;
use super::source::{Source, Token};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    pub const IGNORE_CASE: Self = Self(1);
    pub const MULTI_LINE: Self = Self(2);
    pub const DOT_ALL: Self = Self(4);
    pub const VERBOSE: Self = Self(8);
    pub const ASCII: Self = Self(16);
    pub const UNICODE: Self = Self(32);
    /// Exactly one of them is in force.
    const KINDS: Self = Self(16 | 32);

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The flags in force inside a group that switches some on and off.
    pub fn inside(self, on: Self, off: Self) -> Self {
        let before = if on.has(Self::KINDS) { self.without(Self::KINDS) } else { self };
        before.with(on).without(off)
    }

    /// By Python's letter. `L` is not among them: it is for bytes only.
    pub fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'i' => Self::IGNORE_CASE,
            'm' => Self::MULTI_LINE,
            's' => Self::DOT_ALL,
            'x' => Self::VERBOSE,
            'a' => Self::ASCII,
            'u' => Self::UNICODE,
            _ => return None,
        })
    }
}

/// What `(?...` switches.
pub(super) enum Switch {
    /// `(?i)`: for the whole pattern.
    Whole(Flags),
    /// `(?i-m:`: for the group that begins here.
    Group { on: Flags, off: Flags },
}

/// Reads from the letter, or minus, behind `(?` to the `)` or `:`.
pub(super) fn read(source: &mut Source, first: char) -> Result<Switch, SyntaxError> {
    let mut on = Flags::default();
    let mut letter = first;
    if letter != '-' {
        loop {
            let flag = flag_or_error(source, letter, "missing -, : or )")?;
            on = on.with(flag);
            if on.has(Flags::ASCII) && on.has(Flags::UNICODE) {
                let message = "bad inline flags: flags 'a', 'u' and 'L' are incompatible";
                return Err(source.error(message, 0));
            }
            letter = next_letter(source, "missing -, : or )")?;
            if matches!(letter, ')' | '-' | ':') {
                break;
            }
        }
    }
    if letter == ')' {
        return Ok(Switch::Whole(on));
    }
    let off = if letter == '-' { read_off(source)? } else { Flags::default() };
    if on.has(off) {
        return Err(source.error("bad inline flags: flag turned on and off", 1));
    }
    Ok(Switch::Group { on, off })
}

/// What is switched off, behind the minus, up to the colon.
fn read_off(source: &mut Source) -> Result<Flags, SyntaxError> {
    let mut off = Flags::default();
    let mut missing = "missing flag";
    loop {
        let letter = next_letter(source, missing)?;
        if letter == ':' && off != Flags::default() {
            return Ok(off);
        }
        if letter == 'L' || Flags::of(letter).is_some_and(|flag| flag.has(Flags::KINDS)) {
            let message = "bad inline flags: cannot turn off flags 'a', 'u' and 'L'";
            return Err(source.error(message, 0));
        }
        off = off.with(flag_or_error(source, letter, missing)?);
        missing = "missing :";
    }
}

fn next_letter(source: &mut Source, missing: &str) -> Result<char, SyntaxError> {
    match source.next()? {
        None => Err(source.error(missing, 0)),
        Some(Token::Char(letter)) => Ok(letter),
        Some(Token::Escape(_)) => Err(source.error(missing, 2)),
    }
}

fn flag_or_error(source: &Source, letter: char, missing: &str) -> Result<Flags, SyntaxError> {
    if letter == 'L' {
        return Err(source.error("bad inline flags: cannot use 'L' flag with a str pattern", 0));
    }
    let unknown = if letter.is_alphabetic() { "unknown flag" } else { missing };
    Flags::of(letter).ok_or_else(|| source.error(unknown, 1))
}
