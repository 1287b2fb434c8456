//! One row for each rule of RFC 9110 about files: what is asked, what must come, and the section.

use tests::client::Response;
use tests::server::{Setup, TestServer};

use crate::{ask, ask_on, text, write};

struct Row {
    /// The section of RFC 9110.
    rule: &'static str,
    says: &'static str,
    line: &'static str,
    /// ETAG and DATE stand for the validators of the file, AFTER and BEFORE for other dates.
    fields: &'static str,
    status: u16,
    /// Fields that must be there with this value, or must not be there at all.
    has: &'static [(&'static str, Option<&'static str>)],
    /// What the body is; "-" for whatever it is.
    body: &'static str,
}

macro_rules! row {
    ($rule:literal, $says:literal, $line:literal, $fields:literal => $status:literal,
     [$($name:literal: $value:expr),*], $body:literal) => {
        Row {
            rule: $rule,
            says: $says,
            line: $line,
            fields: $fields,
            status: $status,
            has: &[$(($name, $value)),*],
            body: $body,
        }
    };
}

const FILE: &str = "GET /digits.txt";
const DIGITS: &str = "0123456789";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Ranges.
    row!("14.1.2", "both ends are included", "GET /digits.txt", "Range: bytes=5-8" => 206,
        ["content-range": Some("bytes 5-8/10"), "content-length": Some("4"), "accept-ranges": Some("bytes"),
         "content-type": Some("text/plain; charset=utf-8")], "5678"),
    row!("14.1.2", "from a position to the end", "GET /digits.txt", "Range: bytes=7-" => 206,
        ["content-range": Some("bytes 7-9/10")], "789"),
    row!("14.1.2", "so many at the end", "GET /digits.txt", "Range: bytes=-3" => 206,
        ["content-range": Some("bytes 7-9/10")], "789"),
    row!("14.1.2", "more at the end than there are", "GET /digits.txt", "Range: bytes=-30" => 206,
        ["content-range": Some("bytes 0-9/10")], "0123456789"),
    row!("14.1.2", "a last position beyond the end", "GET /digits.txt", "Range: bytes=8-99999999999999999999" => 206,
        ["content-range": Some("bytes 8-9/10")], "89"),
    row!("15.5.17", "nothing there", "GET /digits.txt", "Range: bytes=10-" => 416,
        ["content-range": Some("bytes */10")], "-"),
    row!("14.1.2", "no bytes at the end", "GET /digits.txt", "Range: bytes=-0" => 416,
        ["content-range": Some("bytes */10")], "-"),
    row!("14.2", "a malformed range is no range", "GET /digits.txt", "Range: bytes=8-5" => 200,
        ["content-range": None], "0123456789"),
    row!("14.2", "an unknown unit is no range", "GET /digits.txt", "Range: lines=1-2" => 200,
        ["content-range": None], "0123456789"),
    row!("14.1", "units are case-insensitive", "GET /digits.txt", "Range: Bytes=1-2" => 206, [], "12"),
    row!("14.2", "ranges are for GET", "HEAD /digits.txt", "Range: bytes=1-2" => 200,
        ["content-range": None, "content-length": Some("10")], ""),
    row!("14.2", "preconditions go first", "GET /digits.txt", "Range: bytes=10-\r\nIf-None-Match: ETAG" => 304, [], ""),
    row!("14.2", "three overlapping ranges are an attack", "GET /digits.txt", "Range: bytes=0-,1-,2-" => 200, [], "0123456789"),
    row!("15.3.7.2", "overlapping ranges become one", "GET /digits.txt", "Range: bytes=1-3,3-5" => 206,
        ["content-range": Some("bytes 1-5/10")], "12345"),
    row!("15.3.7.2", "one satisfiable of several", "GET /digits.txt", "Range: bytes=20-,2-3" => 206,
        ["content-range": Some("bytes 2-3/10")], "23"),
    row!("13.1.5", "If-Range with the present tag", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: ETAG" => 206,
        ["etag": Some("ETAG"), "content-range": Some("bytes 1-2/10")], "12"),
    row!("15.3.7", "a client that has the rest gets no description", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: ETAG" => 206,
        ["content-type": None, "last-modified": None], "12"),
    row!("13.1.5", "If-Range with another tag", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: \"x\"" => 200, [], "0123456789"),
    row!("13.1.5", "If-Range with a weak tag", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: W/ETAG" => 200, [], "0123456789"),
    row!("13.1.5", "If-Range with the very date", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: DATE" => 206, [], "12"),
    row!("13.1.5", "If-Range with a later date", "GET /digits.txt", "Range: bytes=1-2\r\nIf-Range: AFTER" => 200, [], "0123456789"),
    row!("13.1.5", "If-Range does not make a 416", "GET /digits.txt", "Range: bytes=10-\r\nIf-Range: \"x\"" => 200, [], "0123456789"),
    // Preconditions.
    row!("13.1.2", "If-None-Match with the present tag", "GET /digits.txt", "If-None-Match: ETAG" => 304,
        ["etag": Some("ETAG"), "content-type": None, "content-length": None, "last-modified": None], ""),
    row!("13.1.2", "the comparison is weak", "GET /digits.txt", "If-None-Match: \"x\", W/ETAG" => 304, [], ""),
    row!("13.1.2", "any state", "GET /digits.txt", "If-None-Match: *" => 304, [], ""),
    row!("13.1.2", "another tag", "GET /digits.txt", "If-None-Match: \"x\"" => 200, [], "0123456789"),
    row!("13.1.2", "HEAD too", "HEAD /digits.txt", "If-None-Match: ETAG" => 304, ["etag": Some("ETAG")], ""),
    row!("13.1.3", "not modified", "GET /digits.txt", "If-Modified-Since: DATE" => 304, [], ""),
    row!("13.1.3", "modified", "GET /digits.txt", "If-Modified-Since: BEFORE" => 200, [], "0123456789"),
    row!("13.1.3", "a date that is none", "GET /digits.txt", "If-Modified-Since: tomorrow" => 200, [], "0123456789"),
    row!("13.1.3", "If-None-Match takes its place", "GET /digits.txt", "If-None-Match: \"x\"\r\nIf-Modified-Since: DATE" => 200, [], "0123456789"),
    row!("13.1.1", "If-Match with the present tag", "GET /digits.txt", "If-Match: ETAG" => 200, [], "0123456789"),
    row!("13.1.1", "the comparison is strong", "GET /digits.txt", "If-Match: W/ETAG" => 412, [], "-"),
    row!("13.1.1", "another tag", "GET /digits.txt", "If-Match: \"x\", \"y\"" => 412, [], "-"),
    row!("13.1.4", "modified since", "GET /digits.txt", "If-Unmodified-Since: BEFORE" => 412, [], "-"),
    row!("13.1.4", "not modified since", "GET /digits.txt", "If-Unmodified-Since: DATE" => 200, [], "0123456789"),
    row!("13.1.4", "If-Match takes its place", "GET /digits.txt", "If-Match: ETAG\r\nIf-Unmodified-Since: BEFORE" => 200, [], "0123456789"),
    row!("13.2.2", "If-Match goes before If-None-Match", "GET /digits.txt", "If-Match: \"x\"\r\nIf-None-Match: ETAG" => 412, [], "-"),
    row!("13.2.1", "what is not there has no precondition", "GET /none", "If-Match: \"x\"" => 404, [], "-"),
    row!("13.2.1", "nor has a redirect", "GET /folder", "If-None-Match: *" => 301, [], "-"),
    // Methods.
    row!("9.3.2", "HEAD is GET without the body", "HEAD /digits.txt", "" => 200,
        ["content-length": Some("10"), "etag": Some("ETAG"), "last-modified": Some("DATE")], ""),
    row!("9.3.7", "OPTIONS", "OPTIONS /digits.txt", "" => 204, ["allow": Some("GET, HEAD, OPTIONS")], ""),
    row!("15.5.6", "a method that files do not have", "DELETE /digits.txt", "" => 405, ["allow": Some("GET, HEAD, OPTIONS")], "-"),
    row!("9.1", "a method that nobody has", "BREW /digits.txt", "" => 501, [], "-"),
    // Names and folders.
    row!("15.4.2", "a folder's address ends in a slash", "GET /folder?a=b&c", "" => 301, ["location": Some("/folder/?a=b&c")], "-"),
    row!("15.4.2", "HEAD is sent there too", "HEAD /folder", "" => 301, ["location": Some("/folder/")], ""),
    row!("15.4.2", "never to another host", "GET //evil.example/..", "" => 404, ["location": None], "-"),
    row!("15.4.2", "however it is written", "GET /%5Cevil.example", "" => 404, ["location": None], "-"),
    row!("8.3", "the index of a folder", "GET /folder/", "" => 200, ["content-type": Some("text/html; charset=utf-8")], "index of folder"),
    row!("8.3", "a name in UTF-8", "GET /%E6%A6%AB%20%E5%8D%AF.html", "" => 200, ["content-type": Some("text/html; charset=utf-8")], "sun mao"),
    row!("8.3", "a type without a name is bytes", "GET /noextension", "" => 200, ["content-type": Some("application/octet-stream")], "x"),
    row!("15.5.5", "a file is no folder", "GET /digits.txt/", "" => 404, [], "-"),
    row!("8.6", "an empty file", "GET /empty.txt", "" => 200, ["content-length": Some("0")], ""),
    row!("14.4", "an empty file has no range", "GET /empty.txt", "Range: bytes=0-" => 416, ["content-range": Some("bytes */0")], "-"),
    // Content negotiation.
    row!("12.5.3", "nothing that the client takes", "GET /digits.txt", "Accept-Encoding: identity;q=0" => 406, [], "-"),
    row!("12.5.5", "a short file has one form", "GET /digits.txt", "Accept-Encoding: gzip" => 200,
        ["vary": None, "content-encoding": None], "0123456789"),
];

fn server() -> TestServer {
    let setup = Setup::new();
    write(&setup, "digits.txt", DIGITS);
    write(&setup, "empty.txt", "");
    write(&setup, "noextension", "x");
    write(&setup, "folder/index.html", "index of folder");
    write(&setup, "榫 卯.html", "sun mao");
    write(&setup, "large.txt", text(200_000));
    setup.start()
}

fn failure(server: &TestServer, row: &Row, put: &dyn Fn(&str) -> String) -> Option<String> {
    let fields = put(row.fields);
    let fields = if fields.is_empty() { fields } else { fields + "\r\n" };
    let response = ask(server, row.line, &fields);
    if response.status != row.status {
        return Some(format!("{} instead of {}", response.status, row.status));
    }
    for (name, value) in row.has {
        let expected = value.map(put);
        if response.header(name) != expected.as_deref() {
            return Some(format!("{name} is {:?}, not {expected:?}", response.header(name)));
        }
    }
    (row.body != "-" && response.text() != row.body).then(|| format!("body {:?}", response.text()))
}

#[test]
fn files_are_served_as_the_standard_says() {
    let server = server();
    let plain = ask(&server, FILE, "");
    let (etag, date) = (plain.header("etag").unwrap(), plain.header("last-modified").unwrap());
    assert!(etag.starts_with('"'), "a strong tag: {etag}");
    let put = |text: &str| {
        text.replace("ETAG", etag)
            .replace("DATE", date)
            .replace("AFTER", "Fri, 01 Jan 2100 00:00:00 GMT")
            .replace("BEFORE", "Sun, 06 Nov 1994 08:49:37 GMT")
    };
    let failures: Vec<_> = ROWS
        .iter()
        .filter_map(|row| {
            let why = failure(&server, row, &put)?;
            Some(format!("§{} {} ({} {}): {why}", row.rule, row.says, row.line, row.fields))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The parts of a multipart/byteranges body (RFC 9110 §14.6): each Content-Range and its bytes.
fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    let content_type = response.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let body = String::from_utf8(response.body.clone()).unwrap();
    let body = body.strip_prefix(&format!("--{boundary}\r\n")).unwrap();
    let body = body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).unwrap();
    let between = format!("\r\n--{boundary}\r\n");
    body.split(&between)
        .map(|part| {
            let (head, bytes) = part.split_once("\r\n\r\n").unwrap();
            let lines: Vec<_> = head.split("\r\n").collect();
            assert!(lines.contains(&"Content-Type: text/plain; charset=utf-8"), "{head}");
            let range = lines.iter().find_map(|line| line.strip_prefix("Content-Range: bytes "));
            (range.unwrap().to_owned(), bytes.as_bytes().to_vec())
        })
        .collect()
}

#[test]
fn several_ranges_are_parts_of_one_answer() {
    let server = server();
    let large = text(200_000);
    for (path, whole, ranges) in [
        ("/digits.txt", DIGITS, vec![(1, 2), (9, 9), (4, 5)]),
        ("/large.txt", &large[..], vec![(150_000, 199_999), (7, 90_000), (100_000, 100_000)]),
    ] {
        let wanted: Vec<_> = ranges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        let mut client = server.client();
        let fields = format!("Range: bytes={}\r\n", wanted.join(", "));
        let response = ask_on(&mut client, &format!("GET {path}"), &fields);
        assert_eq!(response.status, 206);
        assert_eq!(response.header("content-range"), None, "RFC 9110 §15.3.7.2");
        let expected: Vec<_> = ranges
            .iter()
            .map(|(a, b)| (format!("{a}-{b}/{}", whole.len()), whole.as_bytes()[*a..=*b].to_vec()))
            .collect();
        assert_eq!(parts(&response), expected);
        assert_eq!(client.get("/digits.txt").text(), DIGITS, "nothing is left over");
    }
}

#[test]
fn ranges_of_a_large_file_are_its_bytes() {
    let server = server();
    let large = text(200_000);
    for (range, expected) in [
        ("0-0", &large[..1]),
        ("32767-32769", &large[32767..32770]),
        ("65535-", &large[65535..]),
        ("-65537", &large[200_000 - 65537..]),
        ("0-", &large[..]),
    ] {
        let response = ask(&server, "GET /large.txt", &format!("Range: bytes={range}\r\n"));
        assert_eq!((response.status, response.text() == expected), (206, true), "{range}");
    }
}

#[test]
fn a_folder_shows_its_files_only_if_that_is_switched_on() {
    let setup = Setup::new();
    write(&setup, "sub/.hidden", "");
    write(&setup, "sub/a<b>&.txt", "text");
    write(&setup, "sub/javascript:x", "text");
    std::fs::create_dir(setup.folder().join("html/sub/deep")).unwrap();
    std::os::unix::fs::symlink("../../tenon.toml", setup.folder().join("html/sub/leak")).unwrap();
    let server = setup.config("[files]\nlisting = true").start();
    let page = ask(&server, "GET /sub/", "");
    assert_eq!(page.status, 200);
    let html = page.text();
    assert!(
        html.contains("<a href=\"./a%3Cb%3E%26.txt\">a&lt;b&gt;&amp;.txt</a><td>4<td>"),
        "{html}"
    );
    assert!(html.contains("<a href=\"./javascript%3Ax\">"), "{html}");
    assert!(html.contains("<a href=\"./deep/\">deep/</a>"), "{html}");
    assert!(!html.contains("hidden") && !html.contains("leak"), "{html}");
    assert_eq!(ask(&server, "GET /sub/a%3Cb%3E%26.txt", "").text(), "text");
    assert_eq!(ask(&server, "GET /", "").text(), "<h1>index</h1>");
    assert_eq!(ask(&server, "GET /none/", "").status, 404);
    let setup = Setup::new();
    write(&setup, "sub/file", "");
    assert_eq!(ask(&setup.start(), "GET /sub/", "").status, 404);
}
