//! Content codings (RFC 9110 §8.4.1) and which of them a client wants (§12.5.3).

/// The codings that the server knows, best compression first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Coding {
    #[serde(rename = "br")]
    Brotli,
    #[serde(rename = "zstd")]
    Zstd,
    #[serde(rename = "gzip")]
    Gzip,
}

impl Coding {
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The name in Content-Encoding and Accept-Encoding.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a file's name ends in that is coded in this way.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// `x-gzip` is an old name (RFC 9110 §8.4.1.3).
    fn of_name(name: &[u8]) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|c| name.eq_ignore_ascii_case(c.name().as_bytes()));
        found.or_else(|| name.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip))
    }
}

/// What is best for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As it is.
    Identity,
    Coded(Coding),
    /// It refuses all that there is, and the plain form too.
    Nothing,
}

/// What a client accepts, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    codings: [u16; Coding::ALL.len()],
    /// `None`: acceptable, and the last choice.
    identity: Option<u16>,
}

impl Accepted {
    /// Reads the values of all Accept-Encoding fields. Without any, nothing but the plain form is
    /// sent: the client may not know of codings at all.
    pub fn read<'v>(values: impl Iterator<Item = &'v [u8]>) -> Self {
        let mut codings = [None; Coding::ALL.len()];
        let (mut identity, mut rest) = (None, None);
        let elements = values.flat_map(|value| value.split(|byte| *byte == b','));
        for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
            let Some((name, quality)) = parse_element(element) else { continue };
            if name == b"*" {
                rest = Some(quality);
            } else if name.eq_ignore_ascii_case(b"identity") {
                identity = Some(quality);
            } else if let Some(coding) = Coding::of_name(name) {
                codings[coding as usize] = Some(quality);
            }
        }
        Self {
            codings: codings.map(|quality| quality.or(rest).unwrap_or(0)),
            identity: identity.or(rest.filter(|quality| *quality == 0)),
        }
    }

    /// The client wants the plain form, or knows no other.
    pub fn is_plain(&self) -> bool {
        self.codings.iter().all(|quality| *quality == 0) && self.identity != Some(0)
    }

    pub fn refuses_identity(&self) -> bool {
        self.identity == Some(0)
    }

    /// The best of `offered` and the plain form. Among equals the first of `offered` is taken, and
    /// any before the plain form.
    pub fn choose(&self, offered: impl Iterator<Item = Coding>) -> Choice {
        let mut best: Option<(u16, Coding)> = None;
        for coding in offered {
            let quality = self.codings[coding as usize];
            if quality > best.map_or(0, |(best, _)| best) {
                best = Some((quality, coding));
            }
        }
        match (best, self.identity) {
            (Some((quality, _)), Some(identity)) if identity > quality => Choice::Identity,
            (Some((_, coding)), _) => Choice::Coded(coding),
            (None, Some(0)) => Choice::Nothing,
            (None, _) => Choice::Identity,
        }
    }
}

/// `gzip;q=0.5`; `None` if it is malformed.
fn parse_element(element: &[u8]) -> Option<(&[u8], u16)> {
    let Some(semicolon) = element.iter().position(|byte| *byte == b';') else {
        return Some((element, 1000));
    };
    let weight = element[semicolon + 1..].trim_ascii();
    let [b'q' | b'Q', b'=', value @ ..] = weight else { return None };
    Some((element[..semicolon].trim_ascii_end(), parse_quality(value)?))
}

/// `0` to `1` with up to three digits behind the point (RFC 9110 §12.4.2), in thousandths.
fn parse_quality(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (*whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = decimals.get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Choice::{Coded, Identity, Nothing};
    use Coding::{Brotli, Gzip, Zstd};
    use proptest::prelude::*;

    fn choose(fields: &[&str], offered: &[Coding]) -> Choice {
        Accepted::read(fields.iter().map(|value| value.as_bytes())).choose(offered.iter().copied())
    }

    #[test]
    fn what_a_client_wants_is_chosen() {
        // RFC 9110 §12.5.3, its rules and examples.
        for (field, expected) in [
            ("", Identity),
            ("compress, gzip", Coded(Gzip)),
            ("*", Coded(Brotli)),
            ("compress;q=0.5, gzip;q=1.0", Coded(Gzip)),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", Coded(Gzip)),
            ("gzip, deflate, br, zstd", Coded(Brotli)),
            ("br;q=0.8, zstd;q=0.9, gzip;q=0.9", Coded(Zstd)),
            ("GZIP", Coded(Gzip)),
            ("x-gzip", Coded(Gzip)),
            ("gzip;q=0", Identity),
            ("gzip;q=0.001", Coded(Gzip)),
            ("br;q=0, *", Coded(Zstd)),
            ("identity", Identity),
            ("identity;q=1, gzip;q=0.5", Identity),
            ("identity;q=0.5, gzip;q=0.5", Coded(Gzip)),
            ("identity;q=0", Nothing),
            ("*;q=0", Nothing),
            ("identity;q=0, gzip", Coded(Gzip)),
            ("identity, *;q=0", Identity),
            ("gzip ; q=0.5 , br ;q=0.4", Coded(Gzip)),
            // Malformed elements are not there.
            ("gzip;q=1.1", Identity),
            ("gzip;q=-1", Identity),
            ("gzip;q=", Identity),
            ("gzip;q=0.1234", Identity),
            ("gzip;level=9", Identity),
            ("br;q=x, gzip", Coded(Gzip)),
        ] {
            assert_eq!(choose(&[field], &Coding::ALL), expected, "{field:?}");
        }
        assert_eq!(choose(&["gzip;q=0.5", "br"], &Coding::ALL), Coded(Brotli));
        assert_eq!(choose(&["br, gzip"], &[Gzip]), Coded(Gzip));
        assert_eq!(choose(&["br"], &[Gzip]), Identity);
        assert_eq!(choose(&[], &Coding::ALL), Identity);
        assert_eq!(choose(&["gzip, br"], &[Gzip, Brotli]), Coded(Gzip), "the order of the offer");
    }

    proptest! {
        #[test]
        fn what_is_refused_is_never_chosen(
            qualities in prop::collection::vec(prop::option::of(0u16..=1000), 5),
        ) {
            let names = ["br", "zstd", "gzip", "identity", "*"];
            let elements: Vec<_> = names.iter().zip(&qualities).filter_map(|(name, quality)| {
                quality.map(|q| format!("{name};q={}.{:03}", q / 1000, q % 1000))
            }).collect();
            let quality = |index: usize| qualities[index].or(qualities[4]);
            match choose(&[&elements.join(",")], &Coding::ALL) {
                Coded(coding) => {
                    let chosen = quality(coding as usize);
                    prop_assert!(chosen.is_some_and(|chosen| chosen > 0));
                    prop_assert!((0..3).all(|other| quality(other) <= chosen));
                    prop_assert!(qualities[3] <= chosen);
                }
                Identity => prop_assert_ne!(quality(3), Some(0)),
                Nothing => prop_assert_eq!(quality(3), Some(0)),
            }
        }

        #[test]
        fn any_bytes_are_read(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let accepted = Accepted::read([&value[..]].into_iter());
            let _ = accepted.choose(Coding::ALL.into_iter());
            prop_assert!(accepted.codings.iter().all(|quality| *quality <= 1000));
        }
    }
}
