//! What a request is for: its target and its host (RFC 9112 §3.2, RFC 9110 §7, RFC 3986).

use crate::Expect::{Answers, Closes, Refused};
use crate::{Row, hold_outside_plugins, row};

fn with_host(target: &str, host: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn forms() {
    let line = |line: &str| format!("{line} HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut rows: Vec<Row> = vec![
        row("RFC 9112 §3.2.1", "origin-form", line("GET /a.py"), Answers(200)),
        row("RFC 9112 §3.2.1", "with a query", line("GET /a.py?x=/?y"), Answers(200)),
        row("RFC 9112 §3.2.2", "absolute-form", line("GET http://t/a.py"), Answers(200)),
        row(
            "RFC 9110 §4.2.3",
            "schemes and hosts have no case",
            line("GET HTTP://T/a.py"),
            Answers(200),
        ),
        row("RFC 9110 §4.2.3", "no path is /", line("GET http://t"), Answers(200)),
        row("RFC 9110 §4.2.3", "no path and a query", line("GET http://t?x"), Answers(200)),
        row("RFC 9112 §3.2.2", "another host than Host", line("GET http://u/a.py"), Refused(400)),
        row("RFC 9112 §3.2.2", "another port than Host", line("GET http://t:1/a.py"), Refused(400)),
        row(
            "RFC 9112 §3.2.2",
            "still needs a Host",
            "GET http://t/a.py HTTP/1.1\r\n\r\n",
            Refused(400),
        ),
        row(
            "RFC 9110 §4.2.4",
            "user and password",
            with_host("http://u:p@t/a.py", "u:p@t"),
            Refused(400),
        ),
        row("RFC 9110 §4.2.1", "without a host", line("GET http:///a.py"), Refused(400)),
        row(
            "RFC 9110 §4.2.1",
            "with a port alone",
            with_host("http://:80/a.py", ":80"),
            Refused(400),
        ),
        row("RFC 9110 §7.4", "https without TLS", line("GET https://t/a.py"), Refused(421)),
        row("RFC 9112 §3.2", "another scheme", line("GET ftp://t/a.py"), Refused(400)),
        row(
            "RFC 9112 §3.2.3",
            "CONNECT",
            "CONNECT t:80 HTTP/1.1\r\nHost: t:80\r\n\r\n",
            Refused(501),
        ),
        row("RFC 9112 §3.2.3", "CONNECT in another form", line("CONNECT /a.py"), Refused(501)),
        row("RFC 9112 §3.2.3", "authority-form without CONNECT", line("GET t:80"), Refused(400)),
        row("RFC 9112 §3.2.4", "OPTIONS *", line("OPTIONS *"), Answers(204)),
        row("RFC 9112 §3.2.4", "* with another method", line("GET *"), Refused(400)),
        row("RFC 9112 §3.2.4", "* and more", line("OPTIONS *x"), Refused(400)),
        row("RFC 9112 §3", "too long", line(&format!("GET /{}", "x".repeat(600))), Refused(414)),
        row(
            "RFC 9112 §3",
            "too long to be read to its end",
            format!("GET /{}", "x".repeat(3000)),
            Refused(414),
        ),
    ];
    for bad in [
        "a.py",
        "?x",
        "#",
        "\\a.py",
        "//%",
        "/%",
        "/%2",
        "/%zz",
        "/%2x",
        "/a#b",
        "/a\\b",
        "/a\"b",
        "/a<b>",
        "/a{b}",
        "/\u{e4}",
        "/a\u{7f}",
        "/a\u{1}",
        "/a?x#y",
        "/a?\u{e4}",
        "/a?\"",
        "/a?%x",
        "http:/t/a.py",
        "http//t/a.py",
    ] {
        let request = line(&format!("GET {bad}"));
        rows.push(row("RFC 3986 §2, §3", "not a target", request, Refused(400)));
    }
    hold_outside_plugins(&rows);
}

#[test]
fn hosts() {
    let mut rows: Vec<Row> = vec![
        row("RFC 9112 §3.2", "none", "GET /a.py HTTP/1.1\r\n\r\n", Refused(400)),
        row("RFC 9112 §3.2", "two", with_host("/a.py", "t\r\nHost: t"), Refused(400)),
        row(
            "RFC 9112 §3.2",
            "two that differ in case",
            with_host("/a.py", "t\r\nHOST: T"),
            Refused(400),
        ),
        row("RFC 9112 §3.2", "HTTP/1.0 needs none", "GET /a.py HTTP/1.0\r\n\r\n", Closes(200)),
        row(
            "RFC 9112 §3.2",
            "two in HTTP/1.0",
            "GET /a.py HTTP/1.0\r\nHost: t\r\nHost: t\r\n\r\n",
            Refused(400),
        ),
    ];
    for good in [
        "t",
        "T.example",
        "t:",
        "t:80",
        "127.0.0.1:8000",
        "[::1]",
        "[::1]:80",
        "a_b",
        "%41",
        "a!$&'()*+,;=b",
        "x--y~",
    ] {
        rows.push(row("RFC 3986 §3.2.2", "a host", with_host("/a.py", good), Answers(200)));
    }
    for bad in [
        "",
        ":",
        ":80",
        "t u",
        "t/",
        "t/x",
        "t?",
        "t#",
        "u@t",
        "t:x",
        "t:-1",
        "t:+1",
        "t:65536",
        "t:99999999999",
        "t:80:80",
        "::1",
        "[::1",
        "[::1]x",
        "[::1]:x",
        "[]",
        "[t]",
        "[1.2.3.4]",
        "[::1%25lo]",
        "t\\",
        "t\"",
        "t<",
        "%",
        "%4",
        "%zz",
        "t\tu",
        "\u{e4}",
        "t|",
        "t^",
        "t`",
        "{t}",
        "http://t",
    ] {
        rows.push(row("RFC 3986 §3.2", "not a host", with_host("/a.py", bad), Refused(400)));
    }
    hold_outside_plugins(&rows);
}
