//! Who a request is from when proxies stand in between, and its id.

use std::net::SocketAddr;

use tests::client::{Client, Response};
use tests::server::{Setup, TestServer};

/// What the plugin sees, line by line.
#[track_caller]
fn env(server: &TestServer, fields: &str) -> String {
    let mut client = server.client();
    client.send(format!("GET /features.py/env HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
    let response = client.response();
    assert_eq!(response.status, 200, "{fields:?}: {}", response.text());
    response.text()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]";

#[test]
fn nobody_is_believed_by_default() {
    let server = Setup::new().plugin("features").start();
    let text =
        env(&server, "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1;proto=https\r\n");
    has(&text, "REMOTE_ADDR=127.0.0.1");
    has(&text, "wsgi.url_scheme=http");
    has(&text, "h:x-forwarded-for=192.0.2.1");
}

#[test]
fn a_trusted_proxy_says_who_the_client_is() {
    let server = Setup::new().plugin("features").config(TRUSTED).start();
    let text = env(
        &server,
        "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.7\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: shop.example\r\nForwarded: for=6.6.6.6\r\n",
    );
    has(&text, "REMOTE_ADDR=192.0.2.1");
    has(&text, "REMOTE_PORT=0");
    has(&text, "wsgi.url_scheme=https");
    has(&text, "HTTP_HOST=shop.example");
    has(&env(&server, ""), "REMOTE_ADDR=127.0.0.1");
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: who knows\r\n\r\n");
    assert_eq!(client.response().status, 400);
    let config = format!("{TRUSTED}\nforwarded_by = \"forwarded\"");
    let server = Setup::new().plugin("features").config(&config).start();
    let text = env(
        &server,
        "Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https\r\nX-Forwarded-For: 6.6.6.6\r\n",
    );
    has(&text, "REMOTE_ADDR=2001:db8::1");
    has(&text, "REMOTE_PORT=4711");
}

#[test]
fn others_cannot_pretend() {
    let config = "trusted_proxies = [\"192.0.2.7\"]";
    let server = Setup::new().plugin("features").config(config).start();
    let text = env(
        &server,
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n\
         X-Request-Id: forged\r\n",
    );
    has(&text, "REMOTE_ADDR=127.0.0.1");
    has(&text, "wsgi.url_scheme=http");
    assert!(!text.contains("6.6.6.6") && !text.contains("forged"), "{text}");
}

#[test]
fn a_request_has_an_id() {
    let config = format!("{TRUSTED}\nrequest_id = \"answer\"");
    let server = Setup::new().plugin("features").config(&config).start();
    let ask = |fields: &str| -> (Response, String) {
        let mut client = server.client();
        client.send(format!("GET /features.py/env HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
        let response = client.response();
        let text = response.text();
        let seen = text.lines().find_map(|line| line.strip_prefix("h:x-request-id="));
        let seen = seen.unwrap_or_default().to_owned();
        (response, seen)
    };
    let (response, seen) = ask("");
    assert_eq!(response.header("x-request-id"), Some(seen.as_str()));
    assert_eq!(seen.len(), 32);
    let (_, other) = ask("");
    assert_ne!(seen, other);
    let (response, seen) = ask("X-Request-Id: from-the-proxy\r\n");
    assert_eq!(
        (response.header("x-request-id"), seen.as_str()),
        (Some("from-the-proxy"), "from-the-proxy")
    );
    let (_, seen) = ask("X-Request-Id: not \"plain\"\r\n");
    assert_eq!(seen.len(), 32, "what could be misread is made anew");
    assert!(server.client().get("/").header("x-request-id").is_some());
    let server = Setup::new().plugin("features").config("request_id = \"off\"").start();
    let text = env(&server, "X-Request-Id: mine\r\n");
    has(&text, "h:x-request-id=mine");
}

#[test]
fn a_proxy_header_comes_first() {
    let config = "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = true";
    let server = Setup::new().plugin("features").config(config).start();
    let get = "GET /features.py/env HTTP/1.1\r\nHost: t\r\n\r\n";
    let block =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x13\x88\x00\x50";
    for header in [&b"PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\n"[..], block] {
        let mut client = server.client();
        // Byte by byte, and the request in the last piece.
        header.iter().for_each(|byte| client.send([*byte]));
        client.send(get.repeat(2));
        for _ in 0..2 {
            let text = client.response().text();
            has(&text, "REMOTE_ADDR=192.0.2.1");
            has(&text, "REMOTE_PORT=5000");
            has(&text, "SERVER_NAME=198.51.100.2");
        }
    }
    let mut client = server.client();
    client.send(format!("PROXY UNKNOWN\r\n{get}"));
    has(&client.response().text(), "REMOTE_ADDR=127.0.0.1");
    for bad in [get, "PROXY TCP4 a b 1 2\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\n"] {
        let mut client = server.client();
        client.try_send(bad);
        client.assert_closed();
    }
}

#[test]
fn a_proxy_header_of_a_stranger_is_not_read() {
    let config = "trusted_proxies = [\"192.0.2.7\"]\nproxy_protocol = true";
    let server = Setup::new().config(config).start();
    let address: SocketAddr = server.address();
    let mut client = Client::connect(address);
    client
        .try_send("PROXY TCP4 192.0.2.1 198.51.100.2 5000 80\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
    client.assert_closed();
}
