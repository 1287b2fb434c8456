//! Request lines and field lines (RFC 9112 §2, §3, §5; RFC 9110 §5).

use crate::Expect::{Answers, Closes, Echoes, Refused};
use crate::{NEXT, Row, get, hold_outside_plugins, post, row};

#[test]
fn lines() {
    hold_outside_plugins(&[
        row("RFC 9112 §2.2", "an empty line in front", format!("\r\n{NEXT}"), Answers(200)),
        row("RFC 9112 §2.2", "only empty lines", "\r\n".repeat(9), Refused(400)),
        row("RFC 9112 §2.2", "a lone LF in front", format!("\n{NEXT}"), Refused(400)),
        row("RFC 9112 §2.2", "lone LFs", "GET /a.py HTTP/1.1\nHost: t\n\n", Refused(400)),
        row("RFC 9112 §2.2", "a lone LF after a field", get("X: y\n"), Refused(400)),
        row(
            "RFC 9112 §2.2",
            "a lone LF as the end",
            "GET /a.py HTTP/1.1\r\nHost: t\r\n\n",
            Refused(400),
        ),
        row("RFC 9112 §2.2", "a lone CR in a value", get("X: a\rb\r\n"), Refused(400)),
        row("RFC 9112 §2.2", "CR CR LF", get("X: a\r\r\n"), Refused(400)),
        row(
            "RFC 9112 §2.2",
            "CR CR LF as the end",
            "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\r\n",
            Refused(400),
        ),
        row("RFC 9112 §2.2", "a lone CR as a line's end", get("X: a\rY: b\r\n"), Refused(400)),
        row(
            "RFC 9112 §2.2",
            "a lone CR in the target",
            "GET /a\r.py HTTP/1.1\r\nHost: t\r\n\r\n",
            Refused(400),
        ),
        row(
            "RFC 9112 §2.2",
            "white space before the first field",
            "GET /a.py HTTP/1.1\r\n Host: t\r\n\r\n",
            Refused(400),
        ),
        row(
            "RFC 9112 §2.2",
            "white space before the request line",
            format!(" {NEXT}"),
            Refused(400),
        ),
    ]);
}

#[test]
fn request_lines() {
    let line = |line: &str| format!("{line}\r\nHost: t\r\n\r\n");
    let mut rows = vec![
        row("RFC 9112 §2.3", "HTTP/1.0", "GET /a.py HTTP/1.0\r\n\r\n", Closes(200)),
        row(
            "RFC 9110 §2.5",
            "a later HTTP/1.x is taken as HTTP/1.1",
            line("GET /a.py HTTP/1.2"),
            Answers(200),
        ),
        row("RFC 9110 §15.6.6", "HTTP/2.0", line("GET /a.py HTTP/2.0"), Refused(505)),
        row("RFC 9110 §15.6.6", "HTTP/3.0", line("GET /a.py HTTP/3.0"), Refused(505)),
        row("RFC 9110 §15.6.6", "HTTP/0.9 as a version", line("GET /a.py HTTP/0.9"), Refused(505)),
        row(
            "RFC 9113 §3.4",
            "the preface of HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            Refused(505),
        ),
        row("RFC 9113 §3.4", "its first line is enough", "PRI * HTTP/2.0\r\n", Refused(505)),
        row("RFC 9112 §3", "HTTP/0.9", "GET /a.py\r\n", Refused(400)),
        row(
            "RFC 9112 §3",
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            Refused(400),
        ),
        row(
            "RFC 9110 §9.1",
            "methods have case, and a plugin may know any",
            line("brew /features.py/id HTTP/1.1"),
            Answers(200),
        ),
        row(
            "RFC 9112 §3",
            "a long method",
            line(&format!("{} / HTTP/1.1", "M".repeat(3000))),
            Refused(414),
        ),
    ];
    for bad in [
        "GET /a.py http/1.1",
        "GET /a.py HTTP/1",
        "GET /a.py HTTP/11",
        "GET /a.py HTTP/1.10",
        "GET /a.py HTTP/1,1",
        "GET /a.py HTTP/A.1",
        "GET /a.py HTTP 1.1",
        "GET /a.py HTTPS/1.1",
        "GET /a.py HTTP/1.1 ",
        "GET /a.py  HTTP/1.1",
        "GET  /a.py HTTP/1.1",
        "GET\t/a.py HTTP/1.1",
        "GET /a.py\tHTTP/1.1",
        "GET /a .py HTTP/1.1",
        "GET /a.py HTTP/1.1 x",
        "GET HTTP/1.1",
        "GET",
        "/a.py HTTP/1.1",
        "G(T /a.py HTTP/1.1",
        "G\u{e4}T /a.py HTTP/1.1",
        "GET\0 /a.py HTTP/1.1",
        "GET: /a.py HTTP/1.1",
        "GET /a.py HTTP/1.1\u{b}",
    ] {
        rows.push(row("RFC 9112 §3", "not a request line", line(bad), Refused(400)));
    }
    hold_outside_plugins(&rows);
}

/// RFC 9110 §9.3.2: also where the request is refused, if it can be seen to be HEAD.
#[test]
fn head_is_refused_without_content() {
    let head = |target: &str, fields: &str| format!("HEAD {target} HTTP/1.1\r\n{fields}\r\n");
    let echo = |fields: &str| head("/features.py/echo", &format!("Host: t\r\n{fields}"));
    let mut rows = vec![
        row("RFC 9112 §3.2", "without a host", head("/a.py", ""), Refused(400)),
        row("RFC 3986 §2.1", "not a target", head("/%zz", "Host: t\r\n"), Refused(400)),
        row(
            "RFC 9110 §15.6.6",
            "a version",
            "HEAD /a.py HTTP/2.0\r\nHost: t\r\n\r\n",
            Refused(505),
        ),
        row("RFC 9110 §10.1.1", "an expectation", echo("Expect: more\r\n"), Refused(417)),
        row("RFC 9110 §15.5.14", "a large body", echo("Content-Length: 1001\r\n"), Refused(413)),
        row("RFC 6585 §5", "a long head", echo(&format!("X: {}", "y".repeat(5000))), Refused(431)),
        row("RFC 9112 §3", "a long target", format!("HEAD /{}", "x".repeat(3000)), Refused(414)),
    ];
    let chunks = echo("Transfer-Encoding: chunked\r\n") + "zz\r\n";
    rows.push(row("RFC 9112 §7.1", "a bad chunk", chunks, Refused(400)));
    hold_outside_plugins(&rows);
}

#[test]
fn field_lines() {
    let mut rows: Vec<Row> = vec![
        row("RFC 9112 §5", "white space around a value", get("X: \t y \t\r\n"), Answers(200)),
        row("RFC 9112 §5", "a value may be empty", get("X:\r\n"), Answers(200)),
        row(
            "RFC 9110 §5.6.2",
            "all characters of a token",
            get("!#$%&'*+-.^_`|~09azAZ: y\r\n"),
            Answers(200),
        ),
        row("RFC 9110 §5.5", "obs-text is text", get("X: \u{e4}\r\n"), Answers(200)),
        row("RFC 9112 §5.2", "obs-fold", get("X: a\r\n b\r\n"), Refused(400)),
        row("RFC 9112 §5.2", "obs-fold with a tab", get("X: a\r\n\tb\r\n"), Refused(400)),
        row(
            "RFC 9112 §5.2",
            "obs-fold that hides a length",
            post("X: a\r\n Content-Length: 2\r\n", "hi"),
            Refused(400),
        ),
        row("RFC 6585 §5", "too many fields", get(&"X: y\r\n".repeat(10)), Refused(431)),
        row(
            "RFC 6585 §5",
            "fields that are too long",
            get(&format!("X: {}\r\n", "y".repeat(5000))),
            Refused(431),
        ),
        row(
            "RFC 6585 §5",
            "a name that is too long",
            get(&format!("{}: y\r\n", "X".repeat(5000))),
            Refused(431),
        ),
        row(
            "RFC 9110 §10.1.1",
            "an expectation that cannot be met",
            get("Expect: more\r\n"),
            Refused(417),
        ),
        row(
            "RFC 9110 §10.1.1",
            "100-continue",
            post("Content-Length: 2\r\nExpect: 100-Continue\r\n", "hi"),
            Echoes("hi"),
        ),
        row(
            "RFC 9110 §10.1.1",
            "HTTP/1.0 has no expectations",
            "GET /a.py HTTP/1.0\r\nExpect: more\r\n\r\n",
            Closes(200),
        ),
    ];
    for bad in [
        "X : y",
        "X\t: y",
        " X: y",
        ": y",
        "X y: z",
        "X",
        "X\0: y",
        "X\u{e4}: y",
        "X(: y",
        "X\": y",
        "X,Y: z",
        "X/Y: z",
        "@: y",
    ] {
        let request = get(&format!("{bad}\r\n"));
        rows.push(row("RFC 9112 §5.1", "the name of a field is not valid", request, Refused(400)));
    }
    // NUL and the other control characters (RFC 9110 §5.5), but for the tab.
    for byte in (0..32u8).chain([127]).filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')) {
        let request = get(&format!("X: a{}b\r\n", char::from(byte)));
        rows.push(row("RFC 9110 §5.5", "a control character in a value", request, Refused(400)));
    }
    hold_outside_plugins(&rows);
}
