//! The Range field (RFC 9110 §14): which parts of a representation are asked for.
//!
//! Only byte ranges are known. A field that is malformed, or asks for more work than it can be
//! worth (RFC 9110 §14.2), is as if it were not there. Positions of any length are read without
//! overflow: what is beyond a file is beyond it by however much.

use std::ops::Range;

/// Ranges that one request may name.
const MOST_RANGES: usize = 16;
/// Ranges that may overlap others: a client that needs more has no honest reason.
const MOST_OVERLAPPING: usize = 2;

/// What to send of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it; the field is to be ignored.
    Whole,
    /// These bytes: neither empty nor overlapping, in the order they were asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing that was asked for exists. 416.
    Unsatisfiable,
}

/// One of the ranges as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From a position up to another, both included; or to the end.
    From { first: u64, last: Option<u64> },
    /// So many bytes at the end.
    Suffix(u64),
}

/// What `field`, the value of a Range field, selects of `length` bytes.
pub fn select(field: &[u8], length: u64) -> Selection {
    let Some(specs) = parse(field) else { return Selection::Whole };
    // An empty representation has no range that Content-Range could name: RFC 9110 §14.4.
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        return Selection::Whole;
    }
    let parts: Vec<_> = specs.iter().filter_map(|spec| resolve(*spec, length)).collect();
    if parts.is_empty() {
        return Selection::Unsatisfiable;
    }
    let overlaps = |a: &Range<u64>, b: &Range<u64>| a.start < b.end && b.start < a.end;
    let is_overlapping = |index: usize| {
        parts
            .iter()
            .enumerate()
            .any(|(other, part)| other != index && overlaps(&parts[index], part))
    };
    if (0..parts.len()).filter(|index| is_overlapping(*index)).count() > MOST_OVERLAPPING {
        return Selection::Whole;
    }
    Selection::Parts(coalesce(parts))
}

/// `None`: malformed, of another unit, or too many.
fn parse(field: &[u8]) -> Option<Vec<Spec>> {
    let (unit, set) = field.split_at(field.iter().position(|byte| *byte == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // Empty elements of a list are passed over (RFC 9110 §5.6.1.2).
    for text in set[1..].split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        if text.is_empty() {
            continue;
        }
        if specs.len() == MOST_RANGES {
            return None;
        }
        specs.push(parse_spec(text)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(text: &[u8]) -> Option<Spec> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&text[..dash], &text[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Spec::Suffix(number(last)?)),
        (false, true) => Some(Spec::From { first: number(first)?, last: None }),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From { first, last: Some(last) })
        }
    }
}

/// Digits; what does not fit is as large as can be.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    })
}

/// The bytes that a range names; `None`: there are none.
fn resolve(spec: Spec, length: u64) -> Option<Range<u64>> {
    let range = match spec {
        Spec::From { first, last } => {
            first..last.map_or(length, |last| last.saturating_add(1)).min(length)
        }
        Spec::Suffix(count) => length.saturating_sub(count)..length,
    };
    (range.start < range.end).then_some(range)
}

/// Parts that overlap or touch become one, where the first of them stood: no byte is sent twice
/// (RFC 9110 §15.3.7.2).
fn coalesce(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for mut part in parts {
        let mut place = joined.len();
        while let Some(found) =
            joined.iter().position(|other| other.start <= part.end && part.start <= other.end)
        {
            let other = joined.remove(found);
            part = part.start.min(other.start)..part.end.max(other.end);
            place = place.min(found);
        }
        joined.insert(place.min(joined.len()), part);
    }
    joined
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is asked for here")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(field: &str, length: u64) -> Selection {
        select(field.as_bytes(), length)
    }

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 9110 §14.1.2, for a representation of 10000 bytes.
        for (field, expected) in [
            ("bytes=0-499", vec![0..500]),
            ("bytes=500-999", vec![500..1000]),
            ("bytes=-500", vec![9500..10000]),
            ("bytes=9500-", vec![9500..10000]),
            ("bytes=0-0,-1", vec![0..1, 9999..10000]),
            ("bytes= 0-0, -1", vec![0..1, 9999..10000]),
            ("bytes=500-600,601-999", vec![500..1000]),
            ("bytes=500-700,601-999", vec![500..1000]),
        ] {
            assert_eq!(parts(field, 10_000), Selection::Parts(expected), "{field}");
        }
    }

    #[test]
    fn what_cannot_be_satisfied_and_what_is_ignored() {
        use Selection::{Parts, Unsatisfiable, Whole};
        for (field, length, expected) in [
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-20,30-40", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=10-,3-4", 10, Parts(vec![3..5])),
            ("bytes=5-99999999999999999999", 10, Parts(vec![5..10])),
            ("bytes=18446744073709551615-18446744073709551615", u64::MAX, Unsatisfiable),
            ("bytes=-99999999999999999999", 10, Parts(vec![0..10])),
            ("BYTES=3-4", 10, Parts(vec![3..5])),
            ("bytes=,3-4,,", 10, Parts(vec![3..5])),
            // Malformed, or of a unit nobody knows.
            ("bytes=4-3", 10, Whole),
            ("bytes=1-2,4-3", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=", 10, Whole),
            ("bytes", 10, Whole),
            ("bytes=a-b", 10, Whole),
            ("bytes=1-2-3", 10, Whole),
            ("bytes=--1", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=1 -2", 10, Whole),
            ("bytes =1-2", 10, Whole),
            ("lines=1-2", 10, Whole),
            // Too much to be honest: CVE-2011-3192.
            ("bytes=0-,0-,0-", 10, Whole),
            ("bytes=0-9,1-2,5-6", 10, Whole),
            ("bytes=0-5,3-8", 10, Parts(vec![0..9])),
        ] {
            assert_eq!(parts(field, length), expected, "{field} of {length}");
        }
        let many = |count: u64| {
            let specs: Vec<_> = (0..count).map(|n| format!("{}-{}", n * 10, n * 10)).collect();
            parts(&format!("bytes={}", specs.join(",")), 1000)
        };
        assert!(matches!(many(16), Parts(parts) if parts.len() == 16));
        assert_eq!(many(17), Whole);
    }

    proptest! {
        /// Whatever is asked for: parts lie inside, are not empty, and no byte is sent twice.
        #[test]
        fn parts_are_inside_and_apart(
            numbers in prop::collection::vec((0u64..130, 0u64..130, 0u8..4), 1..20),
            length in 0u64..120,
        ) {
            let specs: Vec<_> = numbers.iter().map(|(a, b, kind)| match kind {
                0 => format!("{a}-"),
                1 => format!("-{a}"),
                _ => format!("{}-{}", a.min(b), a.max(b)),
            }).collect();
            if let Selection::Parts(parts) = parts(&format!("bytes={}", specs.join(", ")), length) {
                let mut sent = vec![false; length as usize];
                for part in &parts {
                    prop_assert!(part.start < part.end && part.end <= length);
                    for byte in part.clone() {
                        prop_assert!(!std::mem::replace(&mut sent[byte as usize], true));
                    }
                }
                // Exactly what was asked for, byte by byte.
                let asked = |byte: u64| numbers.iter().any(|(a, b, kind)| match kind {
                    0 => byte >= *a,
                    1 => byte + a >= length,
                    _ => (*a.min(b)..=*a.max(b)).contains(&byte),
                });
                for byte in 0..length {
                    prop_assert_eq!(sent[byte as usize], asked(byte), "byte {}", byte);
                }
            }
        }

        #[test]
        fn any_bytes_are_read(field in prop::collection::vec(any::<u8>(), 0..60), length: u64) {
            let with_unit = [b"bytes=", &field[..]].concat();
            for field in [&field, &with_unit] {
                if let Selection::Parts(parts) = select(field, length) {
                    prop_assert!(parts.iter().all(|p| p.start < p.end && p.end <= length));
                }
            }
        }
    }
}
