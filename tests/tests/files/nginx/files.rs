//! What is asked of files: ranges, conditions, codings, paths, methods.

use tests::client::{Client, Response};

use super::{Nginx, Outcome, assert_explained, setup};

/// What is sent, between the method and the end of the head; the rest is the same for all.
const REQUESTS: &[(&str, &str)] = &[
    ("GET /digits.txt", ""),
    ("HEAD /digits.txt", ""),
    ("GET /empty.txt", ""),
    ("GET /none", ""),
    ("GET /folder", ""),
    ("GET /folder?a=b", ""),
    ("GET /folder/", ""),
    ("GET /bare/", ""),
    ("GET /digits.txt/", ""),
    ("GET /%64igits.txt", ""),
    ("GET /a/../digits.txt", ""),
    ("GET /../secret", ""),
    ("GET /%2e%2e/secret", ""),
    ("GET /a%2f..%2fdigits.txt", ""),
    ("GET //digits.txt", ""),
    ("GET /./digits.txt", ""),
    ("GET /digits.txt%00", ""),
    ("GET /%5cdigits.txt", ""),
    ("POST /digits.txt", "Content-Length: 0\r\n"),
    ("DELETE /digits.txt", ""),
    ("OPTIONS /digits.txt", ""),
    ("BREW /digits.txt", ""),
    ("GET /digits.txt", "Range: bytes=2-4\r\n"),
    ("GET /digits.txt", "Range: bytes=-3\r\n"),
    ("GET /digits.txt", "Range: bytes=8-\r\n"),
    ("GET /digits.txt", "Range: bytes=8-99999999999999999999\r\n"),
    ("GET /digits.txt", "Range: bytes=10-\r\n"),
    ("GET /digits.txt", "Range: bytes=-0\r\n"),
    ("GET /digits.txt", "Range: bytes=5-4\r\n"),
    ("GET /digits.txt", "Range: bytes=a-b\r\n"),
    ("GET /digits.txt", "Range: lines=1-2\r\n"),
    ("GET /digits.txt", "Range: bytes=0-1,1-3\r\n"),
    ("GET /digits.txt", "Range: bytes=0-,0-,0-\r\n"),
    ("GET /digits.txt", "Range: bytes=1-2,20-\r\n"),
    ("GET /empty.txt", "Range: bytes=0-\r\n"),
    ("HEAD /digits.txt", "Range: bytes=2-4\r\n"),
    ("GET /digits.txt", "If-None-Match: *\r\n"),
    ("GET /digits.txt", "If-None-Match: \"x\"\r\n"),
    ("GET /digits.txt", "If-Match: *\r\n"),
    ("GET /digits.txt", "If-Match: \"x\"\r\n"),
    ("GET /none", "If-Match: \"x\"\r\n"),
    ("GET /digits.txt", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    ("GET /digits.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ("GET /digits.txt", "If-Modified-Since: nonsense\r\n"),
    ("GET /digits.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ("GET /digits.txt", "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    ("GET /digits.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n"),
    ("GET /coded.html", "Accept-Encoding: gzip\r\n"),
    ("GET /coded.html", "Accept-Encoding: gzip;q=0\r\n"),
    ("GET /coded.html", "Accept-Encoding: identity, gzip;q=0.5\r\n"),
    ("GET /coded.html", "Accept-Encoding: *\r\n"),
    ("GET /coded.html", "Accept-Encoding: identity;q=0\r\n"),
    ("GET /coded.html", ""),
];

/// What counts of an answer.
fn outcome(response: &Response) -> String {
    let mut outcome = response.status.to_string();
    for name in ["content-range", "content-encoding", "location"] {
        if let Some(value) = response.header(name) {
            // nginx gives the whole address.
            let value = value.strip_prefix("http://t").unwrap_or(value);
            outcome.push_str(&format!(" {name}: {value}"));
        }
    }
    if response.status == 206 || response.status == 200 {
        let start: String = response.text().chars().take(12).collect();
        outcome.push_str(&format!(" {start:?}"));
    }
    outcome
}

#[test]
fn every_difference_about_files_has_its_reason() {
    // Found again in the folder of the server: both serve the very same files.
    let server = setup().start();
    let nginx = Nginx::start(server.folder());
    let outcomes: Vec<_> = REQUESTS
        .iter()
        .map(|(line, fields)| {
            let request =
                format!("{line} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{fields}\r\n");
            let ask = |mut client: Client| {
                client.send(&request);
                outcome(&client.any_response(line.starts_with("HEAD ")))
            };
            Outcome {
                request: format!("{line} {fields}").trim_end().to_owned(),
                tenon: ask(server.client()),
                nginx: ask(nginx.client()),
            }
        })
        .collect();
    assert_explained(&outcomes, include_str!("files.md"));
}
