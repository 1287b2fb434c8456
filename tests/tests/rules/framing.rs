//! Where a request ends (RFC 9112 §6, §7): what is ambiguous is refused, nothing is repaired.

use crate::Expect::{Answers, Echoes, Refused};
use crate::{NEXT, Row, chunked, get, hold_outside_plugins, post, row};

#[test]
fn content_length() {
    let mut rows: Vec<Row> = vec![
        row("RFC 9112 §6.3 (6)", "a length", post("Content-Length: 2\r\n", "hi"), Echoes("hi")),
        row(
            "RFC 9112 §6.3 (6)",
            "what follows is the next request",
            post("Content-Length: 2\r\n", &format!("hi{NEXT}")),
            Echoes("hi"),
        ),
        row("RFC 9112 §6.3 (7)", "no length: no body", post("", ""), Echoes("")),
        row(
            "RFC 9110 §8.6",
            "leading zeros are digits",
            post("Content-Length: 002\r\n", "hi"),
            Echoes("hi"),
        ),
        row(
            "RFC 9110 §9.3.1",
            "a GET may have a body",
            get("Content-Length: 2\r\n") + "hi",
            Answers(200),
        ),
        row(
            "RFC 9110 §15.5.14",
            "above the limit",
            post("Content-Length: 1001\r\n", ""),
            Refused(413),
        ),
        row(
            "RFC 9112 §6.3 (5)",
            "several, even if they agree",
            post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.3 (5)",
            "several that differ",
            post("Content-Length: 2\r\nContent-Length: 3\r\n", "hi!"),
            Refused(400),
        ),
        row(
            "RFC 9110 §15.5.12",
            "an HTTP/1.0 POST without one",
            "POST /features.py/echo HTTP/1.0\r\n\r\n",
            Refused(411),
        ),
    ];
    // Signs, spaces, lists, bases, fractions, and numbers that no file has (RFC 9110 §8.6: 1*DIGIT).
    for value in [
        "",
        "-1",
        "+2",
        "2 2",
        "2,2",
        "2, 2",
        "2;",
        "0x2",
        "2h",
        "2.0",
        "1e1",
        "\"2\"",
        "٢",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        let request = post(&format!("Content-Length: {value}\r\n"), "hi");
        rows.push(row("RFC 9112 §6.3 (5)", "an invalid length", request, Refused(400)));
    }
    hold_outside_plugins(&rows);
}

#[test]
fn transfer_encoding() {
    let body = "2\r\nhi\r\n0\r\n\r\n";
    let with = |fields: &str| post(fields, body);
    let mut rows = vec![
        row("RFC 9112 §6.1", "chunked", chunked(body), Echoes("hi")),
        row(
            "RFC 9112 §7",
            "names of codings have no case",
            with("Transfer-Encoding: ChUnKeD\r\n"),
            Echoes("hi"),
        ),
        row(
            "RFC 9112 §6.3 (3)",
            "with Content-Length",
            with("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.3 (3)",
            "with Content-Length, in the other order",
            with("Transfer-Encoding: chunked\r\nContent-Length: 12\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.3 (3)",
            "with a Content-Length of 0",
            with("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.1",
            "a coding that is not known",
            with("Transfer-Encoding: gzip, chunked\r\n"),
            Refused(501),
        ),
        row(
            "RFC 9112 §6.1",
            "in HTTP/1.0",
            format!("POST /features.py/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{body}"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.1",
            "chunked twice",
            with("Transfer-Encoding: chunked, chunked\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.1",
            "chunked in two fields",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §6.1",
            "a second field that hides the first",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
            Refused(400),
        ),
        row(
            "RFC 9112 §5.1",
            "space before the colon",
            with("Transfer-Encoding : chunked\r\n"),
            Refused(400),
        ),
    ];
    // The last coding must be chunked, and written as such (RFC 9112 §6.3 (4)).
    for value in [
        "",
        "identity",
        "gzip",
        "chunked, gzip",
        "chunked, identity",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
        "chu nked",
    ] {
        let request = with(&format!("Transfer-Encoding: {value}\r\n"));
        rows.push(row(
            "RFC 9112 §6.3 (4)",
            "the last coding is not chunked",
            request,
            Refused(400),
        ));
    }
    for value in ["\u{b}chunked", "\u{c}chunked", "chunked\u{0}"] {
        let request = with(&format!("Transfer-Encoding: {value}\r\n"));
        rows.push(row("RFC 9110 §5.5", "a control character", request, Refused(400)));
    }
    hold_outside_plugins(&rows);
}

#[test]
fn chunks() {
    let mut rows = vec![
        row(
            "RFC 9112 §7.1",
            "several",
            chunked("2\r\nhi\r\n3\r\n yo\r\n0\r\n\r\n"),
            Echoes("hi yo"),
        ),
        row(
            "RFC 9112 §7.1",
            "hexadecimal in either case",
            chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"),
            Echoes("01234567890123456789"),
        ),
        row(
            "RFC 9112 §7.1",
            "the last chunk is zeros",
            chunked("2\r\nhi\r\n000\r\n\r\n"),
            Echoes("hi"),
        ),
        row(
            "RFC 9112 §7.1.1",
            "extensions are passed over",
            chunked("2;a;b=c;d=\"e;\\\"f\"\r\nhi\r\n0;x\r\n\r\n"),
            Echoes("hi"),
        ),
        row(
            "RFC 9112 §7.1.1",
            "white space before an extension",
            chunked("2 \t;a\r\nhi\r\n0\r\n\r\n"),
            Echoes("hi"),
        ),
        row(
            "RFC 9112 §7.1.2",
            "trailers are passed over",
            chunked("2\r\nhi\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"),
            Echoes("hi"),
        ),
        row(
            "RFC 9112 §7.1.2",
            "and the next request follows them",
            chunked(&format!("0\r\nX: y\r\n\r\n{NEXT}")),
            Echoes(""),
        ),
        row("RFC 9110 §15.5.14", "above the limit", chunked("3e9\r\n"), Refused(413)),
        row(
            "RFC 9110 §15.5.14",
            "above it in parts",
            chunked(&format!("258\r\n{}\r\n258\r\n", "x".repeat(600))),
            Refused(413),
        ),
        row(
            "RFC 9112 §7.1",
            "a size beyond 64 bits",
            chunked("10000000000000002\r\nhi\r\n0\r\n\r\n"),
            Refused(413),
        ),
        row(
            "RFC 9112 §7.1",
            "a size that is negative as a signed one",
            chunked("fffffffffffffffe\r\nhi\r\n0\r\n\r\n"),
            Refused(413),
        ),
        row(
            "RFC 9112 §7.1.1",
            "extensions without end",
            chunked(&format!("2;{}\r\nhi\r\n0\r\n\r\n", "x".repeat(9000))),
            Refused(400),
        ),
        row(
            "RFC 6585 §5",
            "trailers without end",
            chunked(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(9000))),
            Refused(431),
        ),
    ];
    // Junk in or about the size, and lines that end in anything but CR LF.
    for body in [
        "\r\n",
        "g\r\n",
        "-2\r\nhi\r\n",
        "+2\r\nhi\r\n",
        "0x2\r\nhi\r\n",
        " 2\r\nhi\r\n",
        "2 \r\nhi\r\n",
        "2_0\r\nhi\r\n",
        "2\nhi\r\n0\r\n\r\n",
        "2\rhi\r\n",
        "2\r\nhi\n0\r\n\r\n",
        "2\r\nhi\r0\r\n\r\n",
        "2\r\nhixx0\r\n\r\n",
        "2\r\nhi!\r\n0\r\n\r\n",
        "2;\nx\r\nhi\r\n0\r\n\r\n",
        "2;a\rb\r\nhi\r\n0\r\n\r\n",
        "2;\"\r\nhi\r\n\"\r\n0\r\n\r\n",
        "2;a\0\r\nhi\r\n0\r\n\r\n",
        "2 x\r\nhi\r\n0\r\n\r\n",
        ";x\r\nhi\r\n",
        "0\r\n X: folded\r\n\r\n",
        "0\r\nX Y: z\r\n\r\n",
        "0\r\n: z\r\n\r\n",
        "0\r\nX: a\nY: b\r\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n\n",
        "0\n\n",
        "0\r\rx",
    ] {
        rows.push(row("RFC 9112 §7.1", "not a chunk", chunked(body), Refused(400)));
    }
    hold_outside_plugins(&rows);
}
