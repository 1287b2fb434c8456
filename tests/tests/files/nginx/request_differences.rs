//! Where Tenon treats a request otherwise than nginx, and the section that it follows. `200 200`: the
//! request was answered and so was the one behind it; a status alone: the connection ended with it.

use super::Difference;

#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        request: "GET /digits.txt HTTP/1.10", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.3: a version has one digit behind the dot",
    },
    Difference {
        request: "GET /digits.txt HTTP/0.9", tenon: "505", nginx: "400",
        why: "RFC 9110 §15.6.6: the line is well-formed, and the version none that is spoken here",
    },
    Difference {
        request: "GET /digits.txt HTTP/1.1 ", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §3: nothing stands between the version and the end of the line",
    },
    Difference {
        request: "GET  /digits.txt HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §3: single spaces; who is more lenient may be made to see another target",
    },
    Difference {
        request: "get /digits.txt HTTP/1.1", tenon: "501 200", nginx: "400",
        why: "RFC 9110 §9.1: methods have case, so this is one that nobody knows (§15.6.2)",
    },
    Difference {
        request: "GET /digits.txt#x HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §7.1: a fragment is not sent, and a target has no place for one",
    },
    Difference {
        request: "GET /digits.txt?x#y HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §7.1: nor behind a query",
    },
    Difference {
        request: r#"GET /digits.txt?\" HTTP/1.1"#, tenon: "400", nginx: "200 200",
        why: "RFC 3986 §3.4: not a character of a query; RFC 9112 §3.2 has it refused, not repaired",
    },
    Difference {
        request: "GET /digits.txt?%zz HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 3986 §2.1: a percent sign goes with two hexadecimal digits",
    },
    Difference {
        request: r"GET /\u{e4} HTTP/1.1", tenon: "400", nginx: "404 200",
        why: "RFC 3986 §2: a URI is made of ASCII; everything else is percent-encoded",
    },
    Difference {
        request: "GET http://u/digits.txt HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §3.2: a client must send the same host twice. That the target wins (§3.2.2) helps only if no one in between has looked at Host",
    },
    Difference {
        request: "GET https://t/digits.txt HTTP/1.1", tenon: "421", nginx: "200 200",
        why: "RFC 9110 §7.4: https is not served over a connection that is not secured",
    },
    Difference {
        request: "GET ftp://t/digits.txt HTTP/1.1", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §4.2: only http and https name what this protocol can ask for",
    },
    Difference {
        request: "CONNECT t:80 HTTP/1.1", tenon: "501", nginx: "400",
        why: "RFC 9110 §9.1: a method that is known and not implemented (§15.6.2)",
    },
    Difference {
        request: "OPTIONS * HTTP/1.1", tenon: "204 200", nginx: "400",
        why: "RFC 9110 §9.3.7: asks about the server as a whole",
    },
    Difference {
        request: "PRI * HTTP/2.0", tenon: "505", nginx: "400",
        why: "RFC 9110 §15.6.6: another version is asked for",
    },
    Difference {
        request: "X", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §5: a field line has a colon",
    },
    Difference {
        request: "X(: y", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §5.1: a name is a token; one that is passed over may be another's Content-Length",
    },
    Difference {
        request: r"X: a\u{1}b", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §5.5: control characters are invalid; keeping them is allowed, not needed",
    },
    Difference {
        request: r"X: a\u{7f}b", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §5.5: the same",
    },
    Difference {
        request: r"X: a\nY: b", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.2: LF alone may be taken for the end of a line; not all do, so it is ambiguous",
    },
    Difference {
        request: r"X: a\r", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.2: a CR that is not before LF makes the message invalid",
    },
    Difference {
        request: r"Connection: close\r\nConnection: keep-alive", tenon: "200", nginx: "200 200",
        why: "RFC 9112 §9.3: close anywhere in the list is the end (RFC 9110 §5.3)",
    },
    Difference {
        request: "Expect: more", tenon: "417", nginx: "200 200",
        why: "RFC 9110 §10.1.1: an expectation that cannot be met",
    },
    Difference {
        request: r"only Host: u@t\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §7.2: Host has no user; an invalid one is 400 (RFC 9112 §3.2)",
    },
    Difference {
        request: r"only Host: t:x\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 3986 §3.2.3: a port is digits",
    },
    Difference {
        request: r"only Host: t:99999\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9293 §3.1: and has 16 bits",
    },
    Difference {
        request: r"only Host: [::1\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 3986 §3.2.2: a bracket is closed",
    },
    Difference {
        request: r"Transfer-Encoding: chunked, chunked | 0\r\n\r\n", tenon: "400", nginx: "501",
        why: "RFC 9112 §6.1: both codings are known, and together not allowed",
    },
    Difference {
        request: "Transfer-Encoding: identity | ", tenon: "400", nginx: "501",
        why: "RFC 9112 §6.3 (4): the last coding of a request must be chunked, else 400",
    },
    Difference {
        request: "Transfer-Encoding: | ", tenon: "400", nginx: "501",
        why: "RFC 9112 §6.3 (4): the same",
    },
    Difference {
        request: r"Transfer-Encoding: xchunked | 0\r\n\r\n", tenon: "400", nginx: "501",
        why: "RFC 9112 §6.3 (4): the same, and a must goes before the should of §6.1",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 2 \r\nhi\r\n0\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1.1: white space goes with an extension",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 2 x\r\nhi\r\n0\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1.1: an extension begins with a semicolon",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 2\nhi\r\n0\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1: CR LF; LF alone is allowed for no line but those of the head (§2.2)",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 2\r\nhi\n0\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1: the same",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 0\n\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1: the same",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 2;a\u{0}\r\nhi\r\n0\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1.1: extensions are tokens and quoted strings",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 0\r\nX Y: z\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §7.1.2: a trailer is made of field lines (§5)",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 0\r\nX: \u{0}\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9110 §5.5: NUL is invalid in trailers too",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | ffffffffffffffff\r\nhi\r\n0\r\n\r\n", tenon: "413", nginx: "400",
        why: "RFC 9112 §7.1: a size of any length is well-formed; it is only too large (RFC 9110 §15.5.14)",
    },
    Difference {
        request: r"Transfer-Encoding: chunked | 10000000000000002\r\nhi\r\n0\r\n\r\n", tenon: "413", nginx: "400",
        why: "RFC 9112 §7.1: the same",
    },
    Difference {
        request: r"GET /digits.txt\r\n", tenon: "400", nginx: "0.9",
        why: "RFC 9112 §3: a request line has a version; HTTP/0.9 is no part of the standard any more",
    },
    Difference {
        request: r"POST /features.py/echo HTTP/1.0\r\n\r\n", tenon: "411", nginx: "200",
        why: "RFC 1945 §8.3: a POST of HTTP/1.0 must have a length (RFC 9110 §15.5.12)",
    },
    Difference {
        request: r"GET /digits.txt HTTP/1.1\nHost: t\n\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.2: LF alone, as above",
    },
    Difference {
        request: r"GET /digits.txt HTTP/1.1\r\nHost: t\r\n\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.2: the same",
    },
    Difference {
        request: r"\nGET /digits.txt HTTP/1.1\r\nHost: t\r\n\r\n", tenon: "400", nginx: "200 200",
        why: "RFC 9112 §2.2: an empty line in front is CR LF",
    },
    Difference {
        request: r"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", tenon: "505", nginx: "400",
        why: "RFC 9113 §3.4: the preface is made to be refused; 505 says why",
    },
    Difference {
        request: "a long method", tenon: "414", nginx: "400",
        why: "RFC 9112 §3: a request line that is too long",
    },
    Difference {
        request: "a long value", tenon: "431", nginx: "400",
        why: "RFC 6585 §5: has a status of its own",
    },
    Difference {
        request: "a long name", tenon: "431", nginx: "400",
        why: "RFC 6585 §5: the same",
    },
    Difference {
        request: "many fields", tenon: "431", nginx: "400",
        why: "RFC 6585 §5: the same",
    },
];
