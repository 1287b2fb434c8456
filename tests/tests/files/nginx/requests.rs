//! How requests are framed, and what is refused. After each comes another one on the same connection:
//! that it is answered, or not, shows where a server takes the first to end.

use tests::client::Client;

use super::{Nginx, Outcome, assert_explained, setup};

/// A name for each, and its bytes.
fn requests() -> Vec<(String, Vec<u8>)> {
    let mut requests: Vec<(String, Vec<u8>)> = Vec::new();
    for text in LINES {
        requests
            .push((text.escape_default().to_string(), format!("{text}\r\nHost: t\r\n\r\n").into()));
    }
    for fields in FIELDS {
        let text = format!("GET /digits.txt HTTP/1.1\r\nHost: t\r\n{fields}\r\n\r\n");
        requests.push((fields.escape_default().to_string(), text.into()));
    }
    for host in HOSTS {
        let text = format!("GET /digits.txt HTTP/1.1\r\n{host}\r\n");
        requests.push((format!("only {}", host.escape_default()), text.into()));
    }
    for (fields, body) in BODIES {
        let text = format!("POST /features.py/echo HTTP/1.1\r\nHost: t\r\n{fields}\r\n\r\n{body}");
        let (fields, body) = (fields.escape_default(), body.escape_default());
        let name = format!("{fields} → {body}");
        requests.push((name, text.into()));
    }
    for text in WHOLE {
        requests.push((text.escape_default().to_string(), (*text).into()));
    }
    let long = "x".repeat(100_000);
    let head = "GET /digits.txt HTTP/1.1\r\nHost: t\r\n";
    requests.push(("a long target".into(), format!("GET /{long} HTTP/1.1\r\n\r\n").into()));
    requests.push(("a long method".into(), format!("{long} / HTTP/1.1\r\n\r\n").into()));
    requests.push(("a long value".into(), format!("{head}X: {long}\r\n\r\n").into()));
    requests.push(("a long name".into(), format!("{head}{long}: y\r\n\r\n").into()));
    requests.push(("many fields".into(), format!("{head}{}\r\n", "X: y\r\n".repeat(2000)).into()));
    requests
}

/// Request lines.
const LINES: &[&str] = &[
    "GET /digits.txt HTTP/1.1",
    "GET /digits.txt HTTP/1.2",
    "GET /digits.txt HTTP/1.10",
    "GET /digits.txt HTTP/2.0",
    "GET /digits.txt HTTP/0.9",
    "GET /digits.txt HTTP/1",
    "GET /digits.txt http/1.1",
    "GET /digits.txt HTTPS/1.1",
    "GET /digits.txt HTTP/1.1 ",
    "GET  /digits.txt HTTP/1.1",
    "GET\t/digits.txt HTTP/1.1",
    "GET /digits .txt HTTP/1.1",
    "get /digits.txt HTTP/1.1",
    "G(T /digits.txt HTTP/1.1",
    "GET digits.txt HTTP/1.1",
    "GET /digits.txt#x HTTP/1.1",
    "GET /digits.txt?x#y HTTP/1.1",
    "GET /digits.txt?\" HTTP/1.1",
    "GET /%zz HTTP/1.1",
    "GET /digits.txt?%zz HTTP/1.1",
    "GET /\u{e4} HTTP/1.1",
    "GET http://t/digits.txt HTTP/1.1",
    "GET HTTP://T/digits.txt HTTP/1.1",
    "GET http://t HTTP/1.1",
    "GET http://u/digits.txt HTTP/1.1",
    "GET http://u:p@t/digits.txt HTTP/1.1",
    "GET http:///digits.txt HTTP/1.1",
    "GET https://t/digits.txt HTTP/1.1",
    "GET ftp://t/digits.txt HTTP/1.1",
    "CONNECT t:80 HTTP/1.1",
    "OPTIONS * HTTP/1.1",
    "GET * HTTP/1.1",
    "PRI * HTTP/2.0",
];

/// Field lines of a GET that is otherwise good.
const FIELDS: &[&str] = &[
    "X: \t y \t",
    "X:",
    "X: \u{e4}",
    "X : y",
    " X: y",
    ": y",
    "X y: z",
    "X",
    "X(: y",
    "X\0: y",
    "X: a\0b",
    "X: a\u{1}b",
    "X: a\u{7f}b",
    "X: a\r\n b",
    "X: a\rb",
    "X: a\nY: b",
    "X: a\r",
    "Connection: x, close",
    "Connection: close\r\nConnection: keep-alive",
    "Connection: upgrade\r\nUpgrade: h2c",
    "TE: trailers, chunked",
    "Expect: more",
    "Content-Length: 0",
    "Content-Length: 0\r\nContent-Length: 0",
    "Content-Length: -1",
    "Content-Length: +0",
    "Content-Length: 0x0",
    "Content-Length:",
    "Content-Length: 0, 0",
    "Content-Length: 18446744073709551616",
    "Transfer-Encoding : chunked",
];

/// Hosts, or none.
const HOSTS: &[&str] = &[
    "",
    "Host: t\r\n",
    "Host: t\r\nHost: t\r\n",
    "Host:\r\n",
    "Host: t u\r\n",
    "Host: t/x\r\n",
    "Host: u@t\r\n",
    "Host: t:x\r\n",
    "Host: t:99999\r\n",
    "Host: [::1]:80\r\n",
    "Host: [::1\r\n",
    "Host: t,u\r\n",
];

/// Framing of a POST whose body something reads, and the body.
const BODIES: &[(&str, &str)] = &[
    ("Content-Length: 2", "hi"),
    ("Content-Length: 002", "hi"),
    ("Content-Length: 2\r\nContent-Length: 3", "hi!"),
    ("Content-Length: 2\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 2", "0\r\n\r\n"),
    ("Transfer-Encoding: ChUnKeD", "2\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
    ("Transfer-Encoding: identity", ""),
    ("Transfer-Encoding:", ""),
    ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "A;x=\"y\"\r\n0123456789\r\n000\r\nX: y\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2 ;x\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2 \r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2 x\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", " 2\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "0x2\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "+2\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2\r\nhi\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2\r\nhi!\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2;\nx\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "2;a\0\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "\r\n"),
    ("Transfer-Encoding: chunked", "0\n\n"),
    ("Transfer-Encoding: chunked", "0\r\nX Y: z\r\n\r\n"),
    ("Transfer-Encoding: chunked", "0\r\nX: \0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "ffffffffffffffff\r\nhi\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked", "10000000000000002\r\nhi\r\n0\r\n\r\n"),
];

/// Requests with lines of their own.
const WHOLE: &[&str] = &[
    "GET /digits.txt\r\n",
    "GET /digits.txt HTTP/1.0\r\n\r\n",
    "GET /digits.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "POST /features.py/echo HTTP/1.0\r\n\r\n",
    "POST /features.py/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /digits.txt HTTP/1.1\nHost: t\n\n",
    "GET /digits.txt HTTP/1.1\r\nHost: t\r\n\n",
    "\r\nGET /digits.txt HTTP/1.1\r\nHost: t\r\n\r\n",
    "\nGET /digits.txt HTTP/1.1\r\nHost: t\r\n\r\n",
    " GET /digits.txt HTTP/1.1\r\nHost: t\r\n\r\n",
    "GET /digits.txt HTTP/1.1\r\n Host: t\r\nHost: t\r\n\r\n",
    "\u{16}\u{3}\u{1}\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// The request behind each.
const NEXT: &str = "GET /digits.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";

/// The statuses of all answers up to the end of the connection; `0.9`: something without a status.
fn outcome(mut client: Client, bytes: &[u8]) -> String {
    client.try_send([bytes, NEXT.as_bytes()].concat());
    let answers = client.rest();
    let answers = String::from_utf8_lossy(&answers);
    let heads = answers.split("HTTP/1.1 ").skip(1);
    let statuses = heads.filter_map(|head| head.get(..3));
    // A page may speak of the version too.
    let statuses: Vec<_> = statuses.filter(|text| text.parse::<u16>().is_ok()).collect();
    if !answers.is_empty() && statuses.is_empty() {
        return "0.9".to_owned();
    }
    statuses.join(" ")
}

#[test]
fn every_difference_about_requests_has_its_reason() {
    let server = setup().plugin("features").start();
    let nginx = Nginx::start(server.folder());
    let outcomes: Vec<_> = requests()
        .into_iter()
        .map(|(request, bytes)| Outcome {
            tenon: outcome(server.client(), &bytes),
            nginx: outcome(nginx.client(), &bytes),
            request,
        })
        .collect();
    assert!(outcomes.len() > 100);
    assert_explained(&outcomes, include_str!("requests.md"));
}
