//! The `Date` field (RFC 9110 §6.6.1), made once a second.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

struct Cached {
    second: u64,
    line: Vec<u8>,
    log_time: Vec<u8>,
    iso_time: Vec<u8>,
    syslog_time: Vec<u8>,
}

thread_local! {
    static CACHED: RefCell<Cached> =
        const {
            RefCell::new(Cached {
                second: 0,
                line: Vec::new(),
                log_time: Vec::new(),
                iso_time: Vec::new(),
                syslog_time: Vec::new(),
            })
        };
}

/// Gives the field's line with the present second, such as `Date: Sun, 06 Nov 1994 08:49:37 GMT`
/// and the line's end.
pub fn with_line<T>(f: impl FnOnce(&[u8]) -> T) -> T {
    with_cached(|cached| f(&cached.line))
}

/// Gives the present second as access logs have it, such as `06/Nov/1994:08:49:37 +0000`.
pub fn with_log_time<T>(f: impl FnOnce(&[u8]) -> T) -> T {
    with_cached(|cached| f(&cached.log_time))
}

/// Gives the present second as RFC 3339 has it, such as `1994-11-06T08:49:37Z`.
pub fn with_iso_time<T>(f: impl FnOnce(&[u8]) -> T) -> T {
    with_cached(|cached| f(&cached.iso_time))
}

/// Gives the present second as syslog(3) has it, such as `Nov  6 08:49:37`.
pub fn with_syslog_time<T>(f: impl FnOnce(&[u8]) -> T) -> T {
    with_cached(|cached| f(&cached.syslog_time))
}

/// The present second since 1970, kept by a thread that looks often; 0: nobody does.
static SECOND: AtomicU64 = AtomicU64::new(0);

/// Keeps the second that answers show from here on: asking the system for every one of them costs
/// more than the rest of the field.
pub fn keep_time() {
    SECOND.store(system_second(), Ordering::Relaxed);
}

fn system_second() -> u64 {
    // A clock that is set before 1970 shows the first second of it.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// The second that answers show.
pub fn second() -> u64 {
    match SECOND.load(Ordering::Relaxed) {
        0 => system_second(),
        second => second,
    }
}

fn with_cached<T>(f: impl FnOnce(&Cached) -> T) -> T {
    let second = second();
    CACHED.with_borrow_mut(|cached| {
        if cached.second != second || cached.line.is_empty() {
            cached.second = second;
            let text = at(second).to_string();
            cached.line = [b"Date: ", text.as_bytes(), b"\r\n"].concat();
            cached.log_time = log_time(text.as_bytes());
            cached.iso_time = iso_time(text.as_bytes());
            cached.syslog_time = syslog_time(text.as_bytes());
        }
        f(cached)
    })
}

/// The same moment, in the order of the log: the fields of an IMF-fixdate have fixed places.
fn log_time(date: &[u8]) -> Vec<u8> {
    let [day, month, year, time] = [5..7, 8..11, 12..16, 17..25].map(|range| &date[range]);
    [day, b"/", month, b"/", year, b":", time, b" +0000"].concat()
}

/// The present second as an IMF-fixdate, without the heap and the cache: for a signal handler.
pub fn now_on_stack() -> [u8; 29] {
    let second = system_second();
    let mut text = [b' '; 29];
    // An IMF-fixdate has 29 bytes.
    let _ = write!(&mut text[..], "{}", at(second));
    text
}

fn iso_time(date: &[u8]) -> Vec<u8> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let [day, month, year, time] = [5..7, 8..11, 12..16, 17..25].map(|range| &date[range]);
    let number = MONTHS.chunks(3).position(|name| name == month).unwrap_or(0) + 1;
    let number = format!("{number:02}");
    [year, b"-", number.as_bytes(), b"-", day, b"T", time, b"Z"].concat()
}

fn syslog_time(date: &[u8]) -> Vec<u8> {
    let [day, month, time] = [5..7, 8..11, 17..25].map(|range| &date[range]);
    let ten = if day[0] == b'0' { b' ' } else { day[0] };
    [month, b" ", &[ten, day[1]], b" ", time].concat()
}

/// A second since 1970 as an HTTP date.
pub fn at(second: u64) -> httpdate::HttpDate {
    (UNIX_EPOCH + Duration::from_secs(second)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_the_standard() {
        // The example of RFC 9110 §5.6.7.
        assert_eq!(at(784_111_777).to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(log_time(b"Sun, 06 Nov 1994 08:49:37 GMT"), b"06/Nov/1994:08:49:37 +0000");
        assert!(httpdate::parse_http_date(str::from_utf8(&now_on_stack()).unwrap()).is_ok());
        with_line(|line| {
            let text = str::from_utf8(line).unwrap().strip_prefix("Date: ").unwrap();
            assert!(httpdate::parse_http_date(text.strip_suffix("\r\n").unwrap()).is_ok());
        });
        assert_eq!(iso_time(b"Sun, 06 Nov 1994 08:49:37 GMT"), b"1994-11-06T08:49:37Z");
        assert_eq!(syslog_time(b"Sun, 06 Nov 1994 08:49:37 GMT"), b"Nov  6 08:49:37");
    }
}
