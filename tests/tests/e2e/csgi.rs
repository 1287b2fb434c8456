//! CSGI, feature by feature, in C and in Rust. What is expected is what csgi.h says.

use std::time::Duration;

use tests::client::{Client, Response};
use tests::server::{Setup, TestServer};
use tests::wait_until;

/// Runs a test against the plugin in C and the one in Rust.
fn with_both(test: impl Fn(&TestServer, &str)) {
    let server = Setup::new().plugin("features").plugin("probe").start();
    for plugin in ["features", "probe"] {
        test(&server, &format!("/{plugin}.py"));
    }
}

fn post(client: &mut Client, target: &str, body: &[u8]) -> Response {
    client.send(format!(
        "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Type: a/b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    client.send(body);
    client.response()
}

fn alphabet(count: usize) -> Vec<u8> {
    (0..count).map(|index| b'a' + (index % 26) as u8).collect()
}

#[test]
fn env_has_every_variable() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!(
            "POST {base}/env?q HTTP/1.1\r\nHost: h:1\r\nContent-Type: t/x\r\nContent-Length: 2\r\n\
             User-Agent: ua\r\nX-Y: dash\r\nX_Y: line\r\nProxy: evil\r\nDup: 1\r\nDUP: 2\r\n\r\nhi"
        ));
        let text = client.response().text();
        let (server_address, client_address) =
            (server.address(), client.stream().local_addr().unwrap());
        for line in [
            "REQUEST_METHOD=POST",
            "Method=POST",
            "CONTENT_TYPE=t/x",
            "CONTENT_LENGTH=2",
            "SERVER_NAME=127.0.0.1",
            &format!("SERVER_PORT={}", server_address.port()),
            "SERVER_PROTOCOL=HTTP/1.1",
            "REMOTE_ADDR=127.0.0.1",
            &format!("REMOTE_PORT={}", client_address.port()),
            "wsgi.url_scheme=http",
            "HTTP_HOST=h:1",
            "HTTP_USER_AGENT=ua",
            "HTTP_X_Y=dash",
            "HTTP_PROXY=",
            "h:host=h:1",
            "h:dup=1",
            "h:dup=2",
            "length=2",
            "config=",
        ] {
            assert!(text.lines().any(|found| found == line), "{base}: {line}\n{text}");
        }
    });
}

#[test]
fn no_response_is_500_and_the_connection_goes_on() {
    with_both(|server, base| {
        let mut client = server.client();
        assert_eq!(client.get(&format!("{base}/none")).status, 500);
        assert_eq!(client.get(&format!("{base}/replace")).text(), "replaced");
    });
    let server = Setup::new().plugin("probe").start();
    assert_eq!(server.client().get("/probe.py/panic").status, 500);
    server.wait_for_log("the plugin panicked: on purpose");
    // The panic message is the plugin's own and is expected here.
    server.stop();
    let _ = server.unchecked();
}

#[test]
fn a_head_can_be_replaced_until_there_are_bytes() {
    with_both(|server, base| {
        let mut client = server.client();
        let replaced = client.get(&format!("{base}/replace"));
        assert_eq!((replaced.status, replaced.text().as_str()), (200, "replaced"));
        let late = client.get(&format!("{base}/late"));
        assert_eq!((late.status, late.text().as_str()), (200, "first -3"));
        let in_next = client.get(&format!("{base}/head-in-next"));
        assert_eq!((in_next.status, in_next.text().as_str()), (200, "head in next"));
    });
}

#[test]
fn bodies_that_the_host_sends() {
    with_both(|server, base| {
        let mut client = server.client();
        for count in [0, 10, 100_000, 3_000_000] {
            let response = client.get(&format!("{base}/bytes?n={count}"));
            assert_eq!(response.header("content-length"), Some(count.to_string().as_str()));
            assert!(response.body == alphabet(count), "{base} {count}");
        }
        for count in [0, 10, 3_000_000] {
            assert!(client.get(&format!("{base}/file?n={count}")).body == alphabet(count));
        }
        let part = client.get(&format!("{base}/file?n=1000&offset=26&length=5"));
        assert_eq!(part.text(), "abcde");
        assert_eq!(client.get(&format!("{base}/file?n=10&offset=20")).status, 500, "no such part");
    });
}

#[test]
fn lent_bytes_are_given_back_once() {
    let server = Setup::new().plugin("features").start();
    let mut client = server.client();
    let released = |client: &mut Client| client.get("/features.py/released").text();
    client.get("/features.py/bytes?n=10");
    client.get("/features.py/bytes?n=100000");
    assert_eq!(released(&mut client), "2");
    // A second body is refused, and its bytes given back.
    assert_eq!(client.get("/features.py/bytes-two").text(), "first");
    assert_eq!(released(&mut client), "3");
    // One that is not returned is given back with the request.
    assert_eq!(client.get("/features.py/bytes-unused").text().len(), 30);
    assert_eq!(released(&mut client), "4");
    // A client that goes away in the middle of them.
    let mut leaving = server.client();
    leaving.send("GET /features.py/bytes?n=30000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    leaving.take(1000);
    drop(leaving);
    wait_until("the bytes are given back", || released(&mut client) == "5");
}

#[test]
fn bodies_that_the_plugin_makes() {
    with_both(|server, base| {
        let mut client = server.client();
        for (count, size) in [(0, 1), (3, 10), (100, 1000), (50, 100_000)] {
            let response = client.get(&format!("{base}/stream?n={count}&size={size}"));
            assert!(response.body == vec![b'x'; count * size], "{base} {count} of {size}");
        }
        assert_eq!(client.get(&format!("{base}/pending")).text(), "woken\n");
        assert_eq!(client.get(&format!("{base}/wake-early")).text(), "woken\n");
        let ticks = client.get(&format!("{base}/timer?n=3&ms=20")).text();
        assert_eq!(ticks, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    });
    let server = Setup::new().plugin("features").start();
    assert_eq!(server.client().get("/features.py/empty-parts").text(), "after empty parts");
}

#[test]
fn parts_arrive_when_they_are_made() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!("GET {base}/timer?n=2&ms=300 HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.take_until(b"data: 0\n\n\r\n");
        // The second one is not made yet: the first has not waited for it.
        client.assert_silent(Duration::from_millis(50));
        client.take_until(b"data: 1\n\n");
    });
}

#[test]
fn every_body_is_closed_once() {
    with_both(|server, base| {
        let mut client = server.client();
        for path in ["stream", "error-mid", "no-head", "length-short", "length-long", "pending"] {
            let mut client = server.client();
            client.send(format!(
                "GET {base}/{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"
            ));
            client.rest();
        }
        // A client that leaves while the body waits, and one that leaves while it is sent.
        for path in ["never", "stream?n=100000&size=100000"] {
            let mut leaving = server.client();
            leaving.send(format!("GET {base}/{path} HTTP/1.1\r\nHost: t\r\n\r\n"));
            if path != "never" {
                leaving.take(1000);
            } else {
                leaving.assert_silent(Duration::from_millis(50));
            }
        }
        client.send(format!("HEAD {base}/stream HTTP/1.1\r\nHost: t\r\n\r\n"));
        client.any_response(true);
        wait_until("all are closed", || {
            client.get(&format!("{base}/closed")).text() == "opened=9 closed=9"
        });
    });
}

#[test]
fn what_breaks_the_contract_is_not_taken_for_whole() {
    with_both(|server, base| {
        let mut client = server.client();
        assert_eq!(client.get(&format!("{base}/no-head")).status, 500);
        assert_eq!(client.get(&format!("{base}/length-long")).text(), "12345", "the rest is cut");
        // The plugin may block, so its first part is on its way when it fails.
        let mut short = server.client();
        short.send(format!("GET {base}/length-short HTTP/1.1\r\nHost: t\r\n\r\n"));
        short.take_until(b"Content-Length: 7\r\n");
        assert!(short.rest().ends_with(b"\r\nbegun"), "two bytes are missing, and none more comes");
        client.send(format!("GET {base}/error-mid HTTP/1.1\r\nHost: t\r\n\r\n"));
        let text = String::from_utf8(client.rest()).unwrap();
        assert!(text.ends_with("\r\n\r\n5\r\nbegun\r\n"), "no last chunk: {text:?}");
    });
    let server = Setup::new().plugin("features").start();
    let mut client = server.client();
    for path in ["unknown-code", "too-many", "bytes-no-head"] {
        assert_eq!(client.get(&format!("/features.py/{path}")).status, 500, "{path}");
    }
}

#[test]
fn a_plugin_cannot_break_the_head() {
    with_both(|server, base| {
        let response = server.client().get(&format!("{base}/head-bad"));
        assert_eq!(response.text(), "0 0 0 0 0 0", "CSGI_ERROR for each");
        assert_eq!(response.header("set-cookie"), None);
    });
}

#[test]
fn input_is_read_whole() {
    with_both(|server, base| {
        let mut client = server.client();
        for size in [0, 1, 1000, 70_000, 5_000_000] {
            let body = alphabet(size);
            let response = post(&mut client, &format!("{base}/echo"), &body);
            assert!(response.body == body, "{base} {size}");
            assert_eq!(response.header("content-type"), Some("a/b"));
            let count = post(&mut client, &format!("{base}/count"), &body).text();
            assert_eq!(count, format!("{size} then -1"), "CSGI_END is -1");
        }
    });
}

#[test]
fn interim_responses_and_statuses() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!("GET {base}/early-hints HTTP/1.1\r\nHost: test\r\n\r\n"));
        let hint = client.any_response(false);
        assert_eq!(hint.status, 103);
        assert_eq!(hint.header("link"), Some("</style.css>; rel=preload"));
        assert_eq!(client.response().text(), "hinted");
        for code in [204, 304] {
            let response = client.get(&format!("{base}/status?code={code}"));
            assert_eq!((response.status, response.body.len()), (code, 0));
            assert_eq!(response.header("transfer-encoding"), None);
        }
        assert_eq!(client.get(&format!("{base}/status?code=299")).text(), "body");
        assert_eq!(client.get(&format!("{base}/status?code=600")).status, 500);
    });
}

#[test]
fn log_extension_and_ids() {
    with_both(|server, base| {
        let mut client = server.client();
        assert_eq!(client.get(&format!("{base}/log")).text(), "logged");
        server.wait_for_log(&format!("plugin {}, request", base[1..].trim_end_matches(".py")));
        server.wait_for_log("said by the plugin");
        assert_eq!(client.get(&format!("{base}/extension")).text(), "timer only");
        let ids: Vec<u64> =
            (0..3).map(|_| client.get(&format!("{base}/id")).text().parse().unwrap()).collect();
        assert!(ids[0] < ids[1] && ids[1] < ids[2], "never reused: {ids:?}");
    });
}

#[test]
fn a_pending_answer_has_a_deadline() {
    let server = Setup::new().plugin("features").config("[timeouts]\nwrite = \"300ms\"").start();
    let mut client = server.client();
    assert_eq!(client.get("/features.py/never").status, 504);
    assert_eq!(client.get("/features.py/closed").text(), "opened=1 closed=1");
}
