//! Lines as Apache's documentation of the Common and Combined formats and RFC 8259 have them.

use super::*;
use crate::access_log::Times;
use crate::config::Limits;
use crate::http::head::{self, Head};

fn line(format: &str) -> String {
    let mut bytes =
        b"GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: x\" [\\\xe4\r\nX-Id: 7\r\n\r\n".to_vec();
    let mut head = Head::default();
    head::parse(&mut bytes, &Limits::default(), &mut head).unwrap();
    let entry = Entry {
        remote: "[2001:db8::1]:99",
        head: &head,
        bytes: &bytes,
        status: 200,
        sent: 20,
        request_id: b"id-1",
        plugin: Some("a"),
        times: Times {
            queue: Duration::ZERO,
            plugin: Duration::from_micros(1_250_001),
            total: Duration::from_secs(2),
        },
    };
    let worker = Worker { generation: 3, number: 1, process: 42 };
    let mut line = Vec::new();
    Format::parse(format).unwrap().append(&mut line, &entry, &worker);
    String::from_utf8(line).unwrap()
}

#[test]
fn combined_and_common_lines_cannot_be_forged() {
    let combined = line("combined");
    assert!(combined.starts_with("2001:db8::1 - - ["), "{combined}");
    assert!(
        combined.ends_with("] \"GET /a?b HTTP/1.1\" 200 20 \"-\" \"x\\x22 [\\x5c\\xe4\"\n"),
        "{combined}"
    );
    assert!(line("common").ends_with("] \"GET /a?b HTTP/1.1\" 200 20\n"));
}

#[test]
fn json_is_json() {
    let value: serde_json::Value = serde_json::from_str(&line("json")).unwrap();
    assert_eq!(value["user_agent"], "x\" [\\\u{e4}");
    assert_eq!((&value["status"], &value["bytes"]), (&200.into(), &20.into()));
    assert_eq!((&value["plugin"], &value["request_id"]), (&"a".into(), &"id-1".into()));
    assert_eq!((&value["generation"], &value["worker"]), (&3.into(), &1.into()));
    assert_eq!(value["time_plugin"], 1.250_001);
    assert_eq!(value["remote_port"], 99);
}

#[test]
fn a_format_of_ones_own() {
    assert_eq!(line("$$ $http_x_id$status $pid|$time_total"), "$ 7200 42|2.000000\n");
    assert!(Format::parse("$request_id").unwrap().shows_request_ids());
    assert!(!Format::parse("combined").unwrap().shows_times());
    for bad in ["$nonsense", "plain", "$status\n", "$http_"] {
        assert!(Format::parse(bad).is_err(), "{bad:?}");
    }
}
