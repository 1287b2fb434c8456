//! HTTP/1.1 on the wire (RFC 9112, RFC 9110).

use std::time::Duration;

use tests::server::Setup;

const GET: &str = "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\n";

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    for _ in 0..100 {
        assert_eq!(client.get("/a.py").text(), "<h1>hello a.py</h1>");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_and_together() {
    let server = Setup::new().plugin("a").plugin("features").start();
    let mut client = server.client();
    let targets: Vec<_> = (0..200)
        .map(|number| match number % 3 {
            0 => "/a.py".to_owned(),
            1 => format!("/features.py/bytes?n={number}"),
            _ => "/".to_owned(),
        })
        .collect();
    let requests: String =
        targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n")).collect();
    client.send(requests);
    for (number, _) in targets.iter().enumerate() {
        let text = client.response().text();
        match number % 3 {
            0 => assert_eq!(text, "<h1>hello a.py</h1>"),
            1 => assert_eq!(text.len(), number),
            _ => assert_eq!(text, "<h1>index</h1>"),
        }
    }
}

#[test]
fn any_split_of_the_bytes_is_the_same_request() {
    let server = Setup::new().plugin("features").start();
    let request = "POST /features.py/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\
                   4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\nX: y\r\n\r\n";
    let mut client = server.client();
    for split in 1..request.len() {
        let (first, second) = request.split_at(split);
        client.send(first);
        std::thread::sleep(Duration::from_micros(300));
        client.send(second);
        assert_eq!(client.response().text(), "wikipedia", "split at {split}");
    }
    for byte in request.bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response().text(), "wikipedia");
}

#[test]
fn a_body_is_asked_for() {
    let server = Setup::new().plugin("features").start();
    let mut client = server.client();
    client.send(
        "POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\
         Expect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.any_response(false).status, 100);
    client.send("hi");
    assert_eq!(client.any_response(false).text(), "hi");
}

#[test]
fn head_is_get_without_the_body() {
    let server = Setup::new().plugin("a").plugin("features").start();
    for target in ["/a.py", "/", "/features.py/bytes?n=50000", "/none"] {
        let mut client = server.client();
        let get = client.get(target);
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: t\r\n\r\n"));
        let head = client.any_response(true);
        let without_date = |headers: &[(String, String)]| {
            headers.iter().filter(|(name, _)| name != "date").cloned().collect::<Vec<_>>()
        };
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(without_date(&head.headers), without_date(&get.headers), "{target}");
        assert_eq!(client.get("/a.py").status, 200, "no body was left in between");
    }
}

#[test]
fn the_client_says_when_the_connection_ends() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    client.send("GET /a.py HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("close"));
    client.assert_closed();
}

#[test]
fn http_1_0() {
    let server = Setup::new().plugin("a").plugin("features").start();
    let mut client = server.client();
    client.send("GET /a.py HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("close"));
    client.assert_closed();
    let mut client = server.client();
    client.send("GET /a.py HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().header("connection"), Some("keep-alive"));
    // A length that is not known: the end of the connection is the end of the body.
    client.send("GET /features.py/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response();
    assert_eq!(response.header("transfer-encoding"), None);
    assert_eq!(response.text(), "x".repeat(30));
    // And a body that is not whole looks like it.
    let mut client = server.client();
    client.send("GET /features.py/error-mid HTTP/1.0\r\n\r\n");
    client.take_until(b"\r\n\r\n");
    let mut rest = Vec::new();
    let cut = std::io::Read::read_to_end(&mut client.stream(), &mut rest);
    let kind = cut.expect_err("a reset, not an end").kind();
    assert_eq!(kind, std::io::ErrorKind::ConnectionReset);
}

/// Sends a request to a plugin that counts its bodies; gives the status of the answer.
#[track_caller]
fn refused(server: &tests::server::TestServer, request: &str) -> u16 {
    let mut client = server.client();
    client.try_send(request);
    let response = client.response();
    assert_eq!(response.header("connection"), Some("close"), "{request:?}");
    client.assert_closed();
    response.status
}

#[test]
fn what_is_wrong_is_refused_with_its_status_and_reaches_no_plugin() {
    let server = Setup::new()
        .plugin("features")
        .config("[limits]\nhead = 2000\ntarget = 500\nheaders = 10\nbody = 1000")
        .start();
    let line = "GET /features.py/stream HTTP/1.1\r\nHost: t\r\n";
    let post = "POST /features.py/stream HTTP/1.1\r\nHost: t\r\n";
    let many = "X: y\r\n".repeat(10);
    let long = "y".repeat(2000);
    for (request, status) in [
        ("GET /features.py/stream HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("{line}X : y\r\n\r\n"), 400),
        (format!("{line}X: y\n\r\n"), 400),
        (format!("{line}X: a\r\n b\r\n\r\n"), 400),
        (format!("{line}Host: u\r\n\r\n"), 400),
        ("GET features.py HTTP/1.1\r\nHost: t\r\n\r\n".to_owned(), 400),
        (format!("{post}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{post}Content-Length: +1\r\n\r\nx"), 400),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\nx\r\n"), 400),
        (format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501),
        ("CONNECT t:80 HTTP/1.1\r\nHost: t:80\r\n\r\n".to_owned(), 501),
        ("POST /features.py/stream HTTP/1.0\r\n\r\n".to_owned(), 411),
        (format!("{post}Content-Length: 1001\r\n\r\n"), 413),
        (format!("{post}Transfer-Encoding: chunked\r\n\r\n3e9\r\n"), 413),
        (format!("GET /{} HTTP/1.1\r\nHost: t\r\n\r\n", "y".repeat(600)), 414),
        (format!("{line}Expect: more\r\n\r\n"), 417),
        (format!("{line}{many}\r\n"), 431),
        (format!("{line}X: {long}\r\n\r\n"), 431),
        ("GET / HTTP/2.0\r\nHost: t\r\n\r\n".to_owned(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505),
    ] {
        assert_eq!(refused(&server, &request), status, "{request:?}");
    }
    let closed = server.client().get("/features.py/closed").text();
    assert_eq!(closed, "opened=0 closed=0", "none of them has reached the plugin");
}

#[test]
fn a_large_refused_body_does_not_hide_the_answer() {
    let server = Setup::new().plugin("features").config("[limits]\nbody = 1000").start();
    for _ in 0..20 {
        let mut client = server.client();
        client.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n");
        // Without care the unread bytes turn the answer into a reset (RFC 9112 §9.6).
        client.try_send(vec![b'x'; 100_000]);
        assert_eq!(client.response().status, 413);
        client.assert_closed();
    }
}

#[test]
fn slow_requests_and_idle_connections_end() {
    let server = Setup::new()
        .plugin("features")
        .config("[timeouts]\nhead = \"300ms\"\nbody = \"300ms\"\nidle = \"300ms\"")
        .start();
    let mut half_head = server.client();
    half_head.send("GET / HTTP/1.1\r\nHo");
    let mut half_body = server.client();
    half_body.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab");
    let mut idle = server.client();
    idle.get("/");
    assert_eq!(half_head.response().status, 408);
    assert_eq!(half_body.response().status, 408);
    idle.assert_closed();
    server.client().assert_closed();
}

#[test]
fn a_dripping_head_is_not_given_more_time() {
    let server = Setup::new().config("[timeouts]\nhead = \"600ms\"\nidle = \"60s\"").start();
    let mut client = server.client();
    client.get("/");
    let start = std::time::Instant::now();
    client.send("GET / HTTP/1.1\r\nX: ");
    while start.elapsed() < Duration::from_secs(5) {
        client.try_send("y");
        let mut byte = [0];
        client.stream().set_nonblocking(true).unwrap();
        let answered = client.stream().peek(&mut byte).is_ok();
        client.stream().set_nonblocking(false).unwrap();
        if answered {
            assert_eq!(client.response().status, 408);
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the head was given time for ever");
}

#[test]
fn a_client_that_closes_its_side_still_gets_its_answer() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    client.send(GET.repeat(3));
    client.stream().shutdown(std::net::Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(client.response().text(), "<h1>hello a.py</h1>");
    }
    client.assert_closed();
}

#[test]
fn static_files_take_bodies_without_confusion() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc{GET}"));
    let refused = client.response();
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(client.response().text(), "<h1>hello a.py</h1>");
}
