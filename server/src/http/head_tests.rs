//! What RFC 9112 and RFC 9110 say of request heads, one case after the other.

use super::*;

fn limits() -> Limits {
    Limits { head: 1024, target: 256, headers: 8, ..Limits::default() }
}

fn parse_text(text: &str) -> Result<(Head, Vec<u8>), RequestError> {
    let mut bytes = text.as_bytes().to_vec();
    let mut head = Head::default();
    match parse(&mut bytes, &limits(), &mut head)? {
        Parsed::Complete => Ok((head, bytes)),
        Parsed::Incomplete => panic!("incomplete: {text:?}"),
    }
}

#[track_caller]
fn refuses(text: &str, status: u16) {
    match parse_text(text) {
        Ok(_) => panic!("accepted: {text:?}"),
        Err(error) => assert_eq!(error.status(), status, "{text:?}: {error}"),
    }
}

#[test]
fn the_parts_of_a_head() {
    let text =
        "\r\nPOST /a.py/x?y=1 HTTP/1.1\r\nHost: h:80\r\nX-A:  b c \r\ncontent-length: 3\r\n\r\nabc";
    let (head, bytes) = parse_text(text).unwrap();
    assert_eq!(head.method.of(&bytes), b"POST");
    assert_eq!(head.target.of(&bytes), b"/a.py/x?y=1");
    assert_eq!(head.path.of(&bytes), b"/a.py/x");
    assert_eq!(head.query.of(&bytes), b"y=1");
    assert_eq!(head.authority.of(&bytes), b"h:80");
    assert_eq!(head.field(&bytes, "x-a"), Some(&b"b c"[..]));
    assert_eq!(head.framing, Framing::Length(3));
    assert_eq!(head.length, text.len() - 3);
    assert!(head.keep_alive);
}

#[test]
fn every_beginning_of_a_head_is_incomplete() {
    let text = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for length in 0..text.len() {
        let mut bytes = text.as_bytes()[..length].to_vec();
        let parsed = parse(&mut bytes, &limits(), &mut Head::default());
        assert_eq!(parsed, Ok(Parsed::Incomplete), "{length}");
    }
}

#[test]
fn persistence_is_as_the_version_says() {
    let keeps = |line: &str| parse_text(&format!("GET / {line}\r\n\r\n")).unwrap().0.keep_alive;
    assert!(keeps("HTTP/1.1\r\nHost: h"));
    assert!(!keeps("HTTP/1.1\r\nHost: h\r\nConnection: x, Close"));
    assert!(!keeps("HTTP/1.0"));
    assert!(keeps("HTTP/1.0\r\nConnection: keep-alive"));
}

#[test]
fn lines_end_in_cr_lf() {
    refuses("GET / HTTP/1.1\nHost: h\n\n", 400);
    refuses("GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400);
    refuses("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400);
    refuses("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("\r\n\r\n\r\n\r\n\r\n\r\n", 400);
}

#[test]
fn request_lines() {
    refuses("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505);
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    assert_eq!(
        parse_text("GET / HTTP/1.2\r\nHost: h\r\n\r\n").map(|(head, _)| head.version),
        Ok(Version::Http11)
    );
    refuses("GET / HTTP/0.9\r\n\r\n", 505);
    refuses("PRI * HTTP/2.0\r\n", 505);
    refuses("GET /\r\n", 400);
    refuses("\x16\x03\x01", 400);
    refuses("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses(&format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "G".repeat(400)), 414);
    refuses("GET / http/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400);
    refuses("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET /\r\n\r\n", 400);
    refuses("G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses(" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}

#[test]
fn targets() {
    refuses("GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", 501);
    refuses("GET /a%2 HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET /a%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET /a\\b HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    refuses("GET /\u{e4} HTTP/1.1\r\nHost: h\r\n\r\n", 400);
    let (head, bytes) = parse_text("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(head.path.of(&bytes), b"*");
    assert!(parse_text("GET /a?x[]=1|2 HTTP/1.1\r\nHost: h\r\n\r\n").is_ok());
}

#[test]
fn hosts() {
    refuses("GET / HTTP/1.1\r\n\r\n", 400);
    refuses("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    for bad in ["a b", "a/b", "a:b", "a@b", "[::1", "[x]", "a:65536", "a:+1", "", "[::1]x"] {
        refuses(&format!("GET / HTTP/1.1\r\nHost: {bad}\r\n\r\n"), 400);
    }
    for good in ["a", "a:80", "a:", "[::1]:80", "127.0.0.1"] {
        assert!(parse_text(&format!("GET / HTTP/1.1\r\nHost: {good}\r\n\r\n")).is_ok(), "{good}");
    }
    refuses("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400);
    let (head, bytes) = parse_text("GET http://A:80/x?y HTTP/1.1\r\nHost: a:80\r\n\r\n").unwrap();
    assert_eq!(head.path.of(&bytes), b"/x");
    assert_eq!(head.query.of(&bytes), b"y");
    assert_eq!(head.authority.of(&bytes), b"A:80");
    let (head, bytes) = parse_text("GET http://a?y HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(head.path.of(&bytes), b"/");
    assert_eq!(head.query.of(&bytes), b"y");
    refuses("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 421);
    refuses("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400);
}

#[test]
fn fields() {
    for bad in ["X : y", " X: y", ": y", "X y: z", "X", "X: a\0b", "X: a\u{7f}b", "X: a\r\n b"] {
        refuses(&format!("GET / HTTP/1.1\r\nHost: h\r\n{bad}\r\n\r\n"), 400);
    }
    let many = "X: y\r\n".repeat(8);
    refuses(&format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n"), 431);
    refuses(&format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(2000)), 431);
    refuses(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "y".repeat(300)), 414);
    refuses(&format!("GET /{}", "y".repeat(400)), 414);
    refuses("GET / HTTP/1.1\r\nHost: h\r\nExpect: 200-maybe\r\n\r\n", 417);
}

#[test]
fn framing() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
    for bad in ["-1", "+1", "0x1", "1 1", "1,1", "", "9223372036854775808", "1.0"] {
        refuses(&post(&format!("Content-Length: {bad}")), 400);
    }
    refuses(&post("Content-Length: 1\r\nContent-Length: 1"), 400);
    refuses(&post("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400);
    refuses(&post("Transfer-Encoding: gzip"), 400);
    refuses(&post("Transfer-Encoding: chunked, gzip"), 400);
    refuses(&post("Transfer-Encoding: chunked, chunked"), 400);
    refuses(&post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400);
    refuses(&post("Transfer-Encoding: gzip, chunked"), 501);
    refuses("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refuses("POST / HTTP/1.0\r\n\r\n", 411);
    let framing = |fields: &str| parse_text(&post(fields)).unwrap().0.framing;
    assert_eq!(framing("Transfer-Encoding: Chunked"), Framing::Chunked);
    assert_eq!(framing("Content-Length: 0"), Framing::None);
    assert_eq!(framing("Content-Length: 007"), Framing::Length(7));
    assert_eq!(framing("X: y"), Framing::None);
}

#[test]
fn offers_and_expectations() {
    let (head, _) = parse_text(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n",
    )
    .unwrap();
    assert!(head.upgrade);
    let expects = |fields: &str| {
        let text = format!("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n{fields}\r\n");
        parse_text(&text).unwrap().0.expects_continue
    };
    assert!(expects("Content-Length: 1\r\n"));
    assert!(!expects(""), "there is no body to wait for");
}
