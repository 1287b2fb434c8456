//! What the server alone says in a response, and what a plugin is kept from saying.

use tests::client::Response;
use tests::server::Setup;

use crate::server;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn is_date(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| match c {
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            '0'..='9' => '0',
            c => c,
        })
        .collect();
    shape == "Aaa, 00 Aaa 0000 00:00:00 AAA" && text.ends_with(" GMT")
}

fn fields<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let all = response.headers.iter().filter(|(found, _)| found == name);
    all.map(|(_, value)| value.as_str()).collect()
}

/// RFC 9110 §6.6.1: an origin server with a clock sends Date in all responses of 2xx, 3xx and 4xx.
#[test]
fn every_answer_has_one_date_and_one_server() {
    let server = server();
    for request in [
        "GET / HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /none.py HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /features.py/none HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /features.py/stream HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /features.py/status?code=204 HTTP/1.1\r\nHost: t\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "nonsense\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(request);
        let response = client.response();
        let dates = fields(&response, "date");
        assert!(dates.len() == 1 && is_date(dates[0]), "{request:?}: {dates:?}");
        assert_eq!(fields(&response, "server"), ["tenon"], "{request:?}");
    }
}

/// RFC 9110 §10.2.4: what Server says is the operator's choice.
#[test]
fn the_server_field_is_configurable() {
    let server = Setup::new().config("server_name = \"mortise/2 (x)\"").start();
    assert_eq!(server.client().get("/").header("server"), Some("mortise/2 (x)"));
    let server = Setup::new().config("server_name = \"\"").start();
    assert_eq!(server.client().get("/").header("server"), None);
}

/// RFC 9110 §7.6.1, RFC 9112 §6, §9: fields of the connection are the server's alone; RFC 9110 §5.5:
/// CR, LF and NUL are in no value, and nothing of such a head is sent.
#[test]
fn a_plugin_cannot_speak_for_the_connection_nor_split_a_response() {
    let server = Setup::new().plugin("features").plugin("probe").plugin("split_header").start();
    let mut client = server.client();
    client
        .send("GET /split_header.py HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
    let split = client.response();
    assert_eq!((split.status, split.header("set-cookie")), (500, None));
    assert_eq!(client.response().text(), "<h1>index</h1>", "and nothing is out of step");
    for plugin in ["features", "probe"] {
        let text = client.get(&format!("/{plugin}.py/head-bad")).text();
        assert!(!text.is_empty() && text.split(' ').all(|code| code != "1"), "{plugin}: {text}");
    }
}

/// RFC 3875 §4.1.18 folds names; `X_Y` must not be read as `X-Y`, nor Proxy as a proxy's address.
#[test]
fn names_as_cgi_has_them_hide_nothing() {
    let server = Setup::new().plugin("features").plugin("probe").start();
    for plugin in ["features", "probe"] {
        for fields in ["X_Y: line\r\nX-Y: dash\r\n", "X-Y: dash\r\nX_Y: line\r\nx_Y: 2\r\n"] {
            let mut client = server.client();
            client.send(format!(
                "GET /{plugin}.py/env HTTP/1.1\r\nHost: t\r\n{fields}Proxy: http://evil/\r\n\r\n"
            ));
            let text = client.response().text();
            assert!(text.lines().any(|line| line == "HTTP_X_Y=dash"), "{plugin}: {text}");
            assert!(text.lines().any(|line| line == "HTTP_PROXY="), "{plugin}: {text}");
        }
        let mut client = server.client();
        client.send(format!("GET /{plugin}.py/env HTTP/1.1\r\nHost: t\r\nX_Y: line\r\n\r\n"));
        let text = client.response().text();
        assert!(text.lines().any(|line| line == "HTTP_X_Y="), "{plugin}: {text}");
    }
}
