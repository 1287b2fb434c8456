//! What is asked of files: ranges, conditions, codings, paths, methods.

use tests::client::{Client, Response};

use super::{Difference, Nginx, Outcome, assert_explained, setup};

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

#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    Difference {
        request: "GET /bare/",
        tenon: r#"404"#, nginx: r#"403"#,
        why: "RFC 9110 §15.5.5: whether there is a folder without an index is nobody's business",
    },
    Difference {
        request: "GET /a/../digits.txt",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §5.2.4: dot segments are removed by who resolves a reference; a path that two programs may read in two ways names nothing",
    },
    Difference {
        request: "GET /./digits.txt",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §5.2.4: the same",
    },
    Difference {
        request: "GET /../secret",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §3.3: the path is well-formed; there is only nothing it names (15.5.5)",
    },
    Difference {
        request: "GET /%2e%2e/secret",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §6.2.2.2: the same, written otherwise",
    },
    Difference {
        request: "GET /a%2f..%2fdigits.txt",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §2.2: an encoded slash is data, and no file has one in its name",
    },
    Difference {
        request: "GET //digits.txt",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §3.3: an empty segment is a segment; taken for none it makes redirects to other hosts",
    },
    Difference {
        request: "GET /digits.txt%00",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §7.3: decoded it can name no file; the request is well-formed",
    },
    Difference {
        request: "OPTIONS /digits.txt",
        tenon: r#"204"#, nginx: r#"405"#,
        why: "RFC 9110 §9.3.7: what may be done with a file can be asked",
    },
    Difference {
        request: "BREW /digits.txt",
        tenon: r#"501"#, nginx: r#"405"#,
        why: "RFC 9110 §9.1: a method that is not recognised is 501; 405 is for one that is (15.5.6)",
    },
    Difference {
        request: "GET /digits.txt Range: bytes=8-99999999999999999999",
        tenon: r#"206 content-range: bytes 8-9/10 "89""#, nginx: r#"416 content-range: bytes */10"#,
        why: "RFC 9110 §14.1.2: a last position beyond the end is the end, however large",
    },
    Difference {
        request: "GET /digits.txt Range: bytes=5-4",
        tenon: r#"200 "0123456789""#, nginx: r#"416 content-range: bytes */10"#,
        why: "RFC 9110 §14.1.1: the range is invalid, and an invalid Range field is ignored (14.2)",
    },
    Difference {
        request: "GET /digits.txt Range: bytes=a-b",
        tenon: r#"200 "0123456789""#, nginx: r#"416 content-range: bytes */10"#,
        why: "RFC 9110 §14.2: the same; 416 is for valid ranges that select nothing (15.5.17)",
    },
    Difference {
        request: "GET /digits.txt Range: bytes=0-1,1-3",
        tenon: r#"206 content-range: bytes 0-3/10 "0123""#, nginx: r#"206 "\r\n--00000000""#,
        why: "RFC 9110 §15.3.7.2: ranges that overlap may be sent as one, and no byte twice",
    },
    Difference {
        request: "GET /empty.txt Range: bytes=0-",
        tenon: r#"416 content-range: bytes */0"#, nginx: r#"200 """#,
        why: "RFC 9110 §14.1.2: a first position at the end is not satisfiable (15.5.17)",
    },
    Difference {
        request: "HEAD /digits.txt Range: bytes=2-4",
        tenon: r#"200 """#, nginx: r#"206 content-range: bytes 2-4/10 """#,
        why: "RFC 9110 §14.2: Range is defined for GET alone and ignored with other methods",
    },
    Difference {
        request: "GET /digits.txt If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        tenon: r#"304"#, nginx: r#"200 "0123456789""#,
        why: "RFC 9110 §13.1.3: false if the date of modification is earlier or equal, not only if it is the same",
    },
    Difference {
        request: "GET /coded.html Accept-Encoding: identity, gzip;q=0.5",
        tenon: r#"200 "<p>paragraph""#, nginx: r#"200 content-encoding: gzip "coded in gzi""#,
        why: "RFC 9110 §12.5.3: weights order what the client prefers",
    },
    Difference {
        request: "GET /coded.html Accept-Encoding: *",
        tenon: r#"200 content-encoding: gzip "coded in gzi""#, nginx: r#"200 "<p>paragraph""#,
        why: "RFC 9110 §12.5.3: * is any coding that is not named",
    },
    Difference {
        request: "GET /coded.html Accept-Encoding: identity;q=0",
        tenon: r#"406"#, nginx: r#"200 "<p>paragraph""#,
        why: "RFC 9110 §12.5.3: the plain form is not sent to a client that says it is not acceptable (15.5.7)",
    },
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
    assert_explained(&outcomes, DIFFERENCES);
}
