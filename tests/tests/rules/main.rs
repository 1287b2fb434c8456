//! The rules of HTTP/1.1, one row each: what is sent, what must come of it, and the section that
//! says so. Every row runs against the built server, on a connection of its own.
//!
//! A refused request must not reach a plugin and must end its connection (RFC 9112 §9.6, §11.2); an
//! accepted one must leave the next request on its connection where it begins.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod connection;
mod framing;
mod heads;
mod responses;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::server::{Setup, TestServer};

/// What must come of a row.
enum Expect {
    /// This status, `Connection: close`, and the end of the connection.
    Refused(u16),
    /// This status, and a further request on the same connection is answered.
    Answers(u16),
    /// 200 with the request's body, and a further request is answered.
    Echoes(&'static str),
    /// This status, and the end of the connection, as the client asked.
    Closes(u16),
}

struct Row {
    /// The section.
    rule: &'static str,
    /// The rule, in short.
    says: &'static str,
    bytes: Vec<u8>,
    expect: Expect,
}

fn row(rule: &'static str, says: &'static str, bytes: impl Into<Vec<u8>>, expect: Expect) -> Row {
    Row { rule, says, bytes: bytes.into(), expect }
}

/// A GET that would reach a plugin, with more field lines.
fn get(fields: &str) -> String {
    format!("GET /features.py/stream HTTP/1.1\r\nHost: t\r\n{fields}\r\n")
}

/// A POST whose body comes back, with more field lines.
fn post(fields: &str, body: &str) -> String {
    format!("POST /features.py/echo HTTP/1.1\r\nHost: t\r\n{fields}\r\n{body}")
}

/// A chunked POST.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

fn server() -> TestServer {
    Setup::new()
        .plugin("features")
        .plugin("a")
        .config("[limits]\nhead = 4000\ntarget = 500\nheaders = 10\nbody = 1000")
        .start()
}

/// Why a row fails; `None`: it holds.
fn failure(server: &TestServer, row: &Row) -> Option<String> {
    let mut client = server.client();
    client.try_send(&row.bytes);
    let is_head = row.bytes.starts_with(b"HEAD ");
    let mut response = client.any_response(is_head);
    while response.status < 200 {
        response = client.any_response(is_head);
    }
    let (status, echo, goes_on) = match row.expect {
        Expect::Refused(status) | Expect::Closes(status) => (status, None, false),
        Expect::Answers(status) => (status, None, true),
        Expect::Echoes(body) => (200, Some(body), true),
    };
    if response.status != status {
        return Some(format!("expected {status}, got {}: {}", response.status, response.text()));
    }
    if let Some(echo) = echo
        && response.text() != echo
    {
        return Some(format!("expected the body {echo:?}, got {:?}", response.text()));
    }
    if goes_on {
        // A row may bring the next request itself.
        let requests = String::from_utf8_lossy(&row.bytes).matches(" HTTP/1.").count();
        if requests < 2 {
            client.send(NEXT);
        }
        let next = client.response().text();
        return (next != "<h1>hello a.py</h1>").then(|| format!("the next request got {next:?}"));
    }
    if response.header("connection") != Some("close") {
        return Some("the end of the connection was not announced".to_owned());
    }
    let rest = client.rest();
    (!rest.is_empty()).then(|| format!("more followed: {:?}", String::from_utf8_lossy(&rest)))
}

const NEXT: &str = "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\n";

/// Runs all rows and names every one that does not hold.
#[track_caller]
fn hold(rows: &[Row]) {
    let server = server();
    let failures: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let tried = catch_unwind(AssertUnwindSafe(|| failure(&server, row)));
            let reason = tried.unwrap_or_else(|_| Some("there is no answer".to_owned()))?;
            let sent = String::from_utf8_lossy(&row.bytes);
            Some(format!("{}: {}: {reason}\n    {sent:?}", row.rule, row.says))
        })
        .collect();
    assert!(failures.is_empty(), "{} rows do not hold:\n{}", failures.len(), failures.join("\n"));
}

/// As `hold`, and none of the requests has come as far as a plugin's body.
#[track_caller]
fn hold_outside_plugins(rows: &[Row]) {
    hold(rows);
    let server = server();
    for row in rows.iter().filter(|row| matches!(row.expect, Expect::Refused(_))) {
        let mut client = server.client();
        client.try_send(&row.bytes);
        client.rest();
    }
    let counts = server.client().get("/features.py/closed").text();
    assert_eq!(counts, "opened=0 closed=0", "a refused request has reached the plugin");
}
