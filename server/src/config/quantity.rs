//! Sizes and lengths of time as people write them in the configuration.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A number of bytes: `65536` or `"64KiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A length of time above zero: `"500ms"`, `"30s"`, `"2m"`, `"1h"`, or a number of seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A length of time, or `"off"` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOrOff(pub Option<Duration>);

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIMES: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

fn size(text: &str) -> Option<u64> {
    let (number, factor) = SIZES
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    number.trim_end().parse::<u64>().ok()?.checked_mul(factor)
}

fn time(text: &str) -> Option<Duration> {
    let (number, factor) =
        TIMES.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    seconds(number.trim_end().parse::<f64>().ok()? * factor)
}

fn seconds(seconds: f64) -> Option<Duration> {
    // A year is longer than anything waits.
    let is_sensible = seconds > 0.0 && seconds <= 366.0 * 86_400.0;
    is_sensible.then(|| Duration::from_secs_f64(seconds))
}

/// A length of time on the command line.
///
/// # Errors
/// What was expected.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let time = time(text).or_else(|| seconds(text.parse().ok()?));
    time.ok_or_else(|| "expected a length of time above zero such as 30s (ms, s, m, h)".to_owned())
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sizes;
        impl Visitor<'_> for Sizes {
            type Value = Size;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter
                    .write_str("a number of bytes such as 65536 or \"64KiB\" (B, KiB, MiB, GiB)")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Size, E> {
                let found = serde::de::Unexpected::Signed(value);
                u64::try_from(value).map(Size).map_err(|_| E::invalid_value(found, &self))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Size, E> {
                Ok(Size(value))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Size, E> {
                let found = serde::de::Unexpected::Str(value);
                size(value).map(Size).ok_or_else(|| E::invalid_value(found, &self))
            }
        }
        deserializer.deserialize_any(Sizes)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;
        impl Visitor<'_> for Times {
            type Value = Time;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a length of time above zero such as \"30s\" (ms, s, m, h)")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Time, E> {
                let found = serde::de::Unexpected::Signed(value);
                seconds(value as f64).map(Time).ok_or_else(|| E::invalid_value(found, &self))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Time, E> {
                let found = serde::de::Unexpected::Float(value);
                seconds(value).map(Time).ok_or_else(|| E::invalid_value(found, &self))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Time, E> {
                let found = serde::de::Unexpected::Str(value);
                time(value).map(Time).ok_or_else(|| E::invalid_value(found, &self))
            }
        }
        deserializer.deserialize_any(Times)
    }
}

impl<'de> Deserialize<'de> for TimeOrOff {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;
        impl Visitor<'_> for Times {
            type Value = TimeOrOff;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("\"off\" or a length of time such as \"30s\" (ms, s, m, h)")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<TimeOrOff, E> {
                let found = serde::de::Unexpected::Signed(value);
                let time = seconds(value as f64).ok_or_else(|| E::invalid_value(found, &self))?;
                Ok(TimeOrOff(Some(time)))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<TimeOrOff, E> {
                if value == "off" {
                    return Ok(TimeOrOff(None));
                }
                let found = serde::de::Unexpected::Str(value);
                let time = time(value).ok_or_else(|| E::invalid_value(found, &self))?;
                Ok(TimeOrOff(Some(time)))
            }
        }
        deserializer.deserialize_any(Times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("64KiB"), Some(65536));
        assert_eq!(size("10 MiB"), Some(10 << 20));
        assert_eq!(size("7"), Some(7));
        for bad in ["", "KiB", "-1", "1.5MiB", "1MB", "99999999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time("1.5m"), Some(Duration::from_secs(90)));
        for bad in ["", "0s", "-1s", "30", "1d", "s", "NaNs", "infs"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
