//! Content codings: of files laid beside others, of files and answers compressed on the fly, and of
//! what must stay as it is.

use tests::client::Response;
use tests::server::Setup;

use crate::{ask, ask_on, decode, text, write};

const ALL: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// What a client that decodes sees.
#[track_caller]
fn plain(response: &Response) -> Vec<u8> {
    match response.header("content-encoding") {
        Some(coding) => decode(coding, &response.body),
        None => response.body.clone(),
    }
}

#[test]
fn a_file_beside_is_sent_in_its_place() {
    let setup = Setup::new();
    write(&setup, "page.html", "plain plain plain");
    write(&setup, "page.html.br", "coded in br");
    write(&setup, "page.html.gz", "coded in gzip");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    write(&setup, "page.html.zst", "coded an hour too early");
    let zst = setup.folder().join("html/page.html.zst");
    std::fs::File::options().write(true).open(zst).unwrap().set_modified(old).unwrap();
    let server = setup.start();
    let mut etags = Vec::new();
    for (accept, coding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), "coded in br"),
        ("gzip", Some("gzip"), "coded in gzip"),
        ("gzip;q=1.0, br;q=0.9", Some("gzip"), "coded in gzip"),
        ("br;q=0, *;q=0.1", Some("gzip"), "coded in gzip"),
        ("zstd", None, "plain plain plain"),
        ("deflate", None, "plain plain plain"),
        ("identity, gzip;q=0.5", None, "plain plain plain"),
        ("", None, "plain plain plain"),
    ] {
        let fields = format!("Accept-Encoding: {accept}\r\n");
        let mut client = server.client();
        let response = ask_on(&mut client, "GET /page.html", &fields);
        assert_eq!(response.header("content-encoding"), coding, "{accept}");
        assert_eq!(response.text(), body, "{accept}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"), "{accept}");
        assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
        let etag = response.header("etag").unwrap().to_owned();
        let again =
            ask_on(&mut client, "GET /page.html", &format!("{fields}If-None-Match: {etag}\r\n"));
        assert_eq!((again.status, again.header("etag")), (304, Some(&etag[..])));
        assert_eq!(again.header("vary"), Some("Accept-Encoding"), "RFC 9110 §15.4.5");
        let head = ask_on(&mut client, "HEAD /page.html", &fields);
        assert_eq!(head.header("content-length"), response.header("content-length"));
        let part = ask_on(&mut client, "GET /page.html", &format!("{fields}Range: bytes=6-7\r\n"));
        assert_eq!((part.status, part.text()), (206, body[6..8].to_owned()), "of the same form");
        etags.push((coding, etag));
    }
    // RFC 9110 §8.8.3.3: each form has a tag of its own.
    etags.sort();
    etags.dedup();
    assert_eq!(etags.len(), 3, "{etags:?}");
    assert_eq!(ask(&server, "GET /page.html.br", "").header("content-encoding"), None);
    assert_eq!(ask(&server, "GET /page.html.zst", ALL).header("content-encoding"), None);
}

#[test]
fn files_are_compressed_on_the_fly() {
    let setup = Setup::new();
    let (small, large, huge) = (text(5_000), text(300_000), text(6_000_000));
    write(&setup, "small.html", &small);
    write(&setup, "large.js", &large);
    write(&setup, "huge.json", &huge);
    write(&setup, "short.html", text(500));
    write(&setup, "picture.png", &small);
    write(&setup, "fixed/page.html", &small);
    let server = setup
        .config("[[files.cache_control]]\nprefix = \"/fixed\"\nvalue = \"max-age=9, no-transform\"")
        .start();
    let mut client = server.client();
    for (path, body) in [("/small.html", &small), ("/large.js", &large), ("/huge.json", &huge)] {
        for coding in ["br", "zstd", "gzip"] {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            let line = format!("GET {path}");
            let response = ask_on(&mut client, &line, &fields);
            assert_eq!(response.header("content-encoding"), Some(coding), "{path}");
            assert_eq!(response.header("vary"), Some("Accept-Encoding"));
            assert!(response.body.len() < body.len() / 3, "{path} {coding}");
            assert!(plain(&response) == body.as_bytes(), "{path} {coding}");
            let etag = response.header("etag").unwrap();
            assert!(etag.starts_with("W/\"") && etag.contains(coding), "{etag}");
            let again = ask_on(&mut client, &line, &format!("{fields}If-None-Match: {etag}\r\n"));
            assert_eq!(again.status, 304);
            // The other forms are other representations.
            let other = ask_on(&mut client, &line, &format!("If-None-Match: {etag}\r\n"));
            assert_eq!(other.status, 200);
            let head = ask_on(&mut client, &format!("HEAD {path}"), &fields);
            assert_eq!(head.header("content-length"), response.header("content-length"));
            assert_eq!(head.header("etag"), Some(etag));
            // A part of a form that is made anew each time would be a part of nothing.
            let part = ask_on(&mut client, &line, &format!("{fields}Range: bytes=3-6\r\n"));
            assert_eq!((part.status, part.header("content-encoding")), (206, None));
            assert_eq!(part.text(), body[3..7]);
        }
    }
    for path in ["/short.html", "/picture.png", "/fixed/page.html"] {
        let response = ask_on(&mut client, &format!("GET {path}"), ALL);
        assert_eq!(response.header("content-encoding"), None, "{path}");
        assert_eq!(response.header("vary"), None, "{path}");
    }
    let old = ask_on(&mut client, "GET /small.html", ALL);
    assert_eq!(old.header("content-encoding"), Some("br"), "the first of the configuration");
}

#[test]
fn http_1_0_gets_a_long_compressed_file_up_to_the_end() {
    let setup = Setup::new();
    let huge = text(6_000_000);
    write(&setup, "huge.txt", &huge);
    // The time for a head is over long before a build for tests has compressed this.
    let server = setup.config("[timeouts]\nhead = \"1s\"\nidle = \"1s\"").start();
    let mut client = server.client();
    client.send("GET /huge.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n");
    let response = client.response();
    assert_eq!(response.header("transfer-encoding"), None);
    assert!(plain(&response) == huge.as_bytes());
}

#[test]
fn answers_of_plugins_are_compressed() {
    let server = Setup::new().plugin("texts").start();
    let mut client = server.client();
    for path in ["/bytes", "/lent", "/file", "/parts", "/declared"] {
        for count in [100, 1024, 5_000, 40_000, 400_000] {
            let line = format!("GET /texts.py{path}?{count}");
            let expected = ask_on(&mut client, &line, "").body;
            assert_eq!(expected.len(), count, "{path}");
            for coding in ["br", "zstd", "gzip"] {
                let fields = format!("Accept-Encoding: {coding}\r\n");
                let response = ask_on(&mut client, &line, &fields);
                let is_coded = count >= 1024;
                assert_eq!(
                    response.header("content-encoding"),
                    is_coded.then_some(coding),
                    "{path} {count}"
                );
                assert!(plain(&response) == expected, "{path} {count} {coding}");
                let has_length = response.header("content-length").is_some();
                let is_chunked = response.header("transfer-encoding") == Some("chunked");
                assert!(has_length != is_chunked, "{path} {count}");
                assert_eq!(response.header("vary").is_some(), is_coded, "{path} {count}");
            }
        }
        assert_eq!(
            ask_on(&mut client, "GET /texts.py/id?1", "").status,
            200,
            "nothing is left over"
        );
    }
}

#[test]
fn what_must_stay_as_it_is_does() {
    let server = Setup::new().plugin("texts").start();
    let mut client = server.client();
    for (path, coding) in [("/png", None), ("/fixed", None), ("/coded", Some("x-own"))] {
        let response = ask_on(&mut client, &format!("GET /texts.py{path}"), ALL);
        assert_eq!(response.header("content-encoding"), coding, "{path}");
        assert_eq!(response.header("content-length"), Some("5000"), "{path}");
        assert_eq!(response.header("vary"), None, "{path}");
    }
    // RFC 9110 §8.8.3.3: the coded form may not have the strong tag of the plain one.
    let tagged = ask_on(&mut client, "GET /texts.py/tag", ALL);
    assert_eq!(tagged.header("etag"), Some("W/\"v1\""));
    let varies: Vec<_> = tagged.headers.iter().filter(|(name, _)| name == "vary").collect();
    assert_eq!(varies.len(), 2, "{varies:?}");
    let untouched = ask_on(&mut client, "GET /texts.py/tag", "");
    assert_eq!(untouched.header("etag"), Some("\"v1\""));
    assert!(
        untouched.headers.iter().any(|(name, value)| name == "vary" && value == "Accept-Encoding")
    );
    let head = ask_on(&mut client, "HEAD /texts.py/tag", ALL);
    assert_eq!(head.header("content-encoding"), Some("br"));
    assert_eq!(head.header("content-length"), tagged.header("content-length"));
    // A promise of too many bytes is found out behind a compressor too.
    let mut client = server.client();
    client.send(format!("GET /texts.py/short?5000 HTTP/1.1\r\nHost: t\r\n{ALL}\r\n"));
    assert!(!client.rest().ends_with(b"0\r\n\r\n"), "it does not look complete");
    server.wait_for_log("its body is shorter than its Content-Length");
}

#[test]
fn compression_can_be_switched_off() {
    for config in ["[compression]\ncodings = []", "[plugin.texts]\ncompress = false"] {
        let server = Setup::new().plugin("texts").config(config).start();
        let response = ask(&server, "GET /texts.py/bytes", ALL);
        assert_eq!((response.header("content-encoding"), response.header("vary")), (None, None));
    }
    let config = "[compression]\ncodings = [\"gzip\"]\nmin_size = 6000\nstreams = 0";
    let server = Setup::new().plugin("texts").config(config).start();
    let coding = |path: &str, fields: &str| {
        let response = ask(&server, &format!("GET /texts.py{path}"), fields);
        response.header("content-encoding").map(str::to_owned)
    };
    assert_eq!(coding("/bytes?5999", ALL), None);
    assert_eq!(coding("/bytes?6000", ALL).as_deref(), Some("gzip"));
    assert_eq!(coding("/bytes?6000", "Accept-Encoding: br\r\n"), None);
    // None may be compressed while they are sent.
    assert_eq!(coding("/bytes?60000", ALL), None);
}

/// What a plugin has said so far is with the client before it says more.
#[test]
fn a_stream_is_not_held_back() {
    let server = Setup::new().plugin("texts").start();
    for (path, coding) in [("/live", "br"), ("/live", "zstd"), ("/live", "gzip"), ("/events", "")] {
        let mut client = server.client();
        client.send(format!(
            "GET /texts.py{path} HTTP/1.1\r\nHost: t\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        let head = client.take_until(b"\r\n\r\n");
        assert_eq!(head.contains("Content-Encoding: "), !coding.is_empty(), "{head}");
        let mut body = Vec::new();
        let seen = |body: &[u8]| match coding {
            "" => body.to_vec(),
            coding => decode(coding, body),
        };
        while seen(&body) != b"data: one\n\n" {
            let size = client.take_until(b"\r\n");
            let size = usize::from_str_radix(&size, 16).unwrap();
            body.extend(client.take(size));
            client.take(2);
        }
        assert_eq!(server.client().get("/texts.py/go").text(), "gone");
        while seen(&body) != b"data: one\n\ndata: two\n\n" {
            let size = client.take_until(b"\r\n");
            let size = usize::from_str_radix(&size, 16).unwrap();
            body.extend(client.take(size));
            client.take(2);
        }
    }
}
