//! Input that is read as it arrives, and connections that change their protocol.

use std::time::Duration;

use tests::server::{Setup, TestServer};

fn with_both(test: impl Fn(&TestServer, &str)) {
    let server = Setup::new().plugin("streaming").plugin("streams").start();
    for plugin in ["streaming", "streams"] {
        test(&server, &format!("/{plugin}.py"));
    }
}

#[test]
fn a_body_comes_back_while_it_is_sent() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!(
            "POST {base}/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        client.send("5\r\nfirst\r\n");
        client.take_until(b"5\r\nfirst\r\n");
        client.assert_silent(Duration::from_millis(30));
        client.send("6\r\nsecond\r\n0\r\n\r\n");
        client.take_until(b"6\r\nsecond\r\n0\r\n\r\n");
        // The connection goes on.
        assert_eq!(client.get(&format!("{base}/ignore")).text(), "ignored");
    });
}

#[test]
fn large_bodies_stream_both_ways() {
    with_both(|server, base| {
        let mut client = server.client();
        let body = vec![b'z'; 3_000_000];
        client.send(format!(
            "POST {base}/echo HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        let mut sender = client.stream().try_clone().unwrap();
        let sent = body.clone();
        let sending = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &sent));
        assert!(client.response().body == body);
        sending.join().unwrap().unwrap();
    });
}

#[test]
fn requests_that_arrive_together_are_kept_apart() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!(
            "POST {base}/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc\
             POST {base}/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nde\r\n0\r\n\r\nGET {base}/ignore HTTP/1.1\r\nHost: t\r\n\r\n"
        ));
        assert_eq!(client.response().text(), "abc");
        assert_eq!(client.response().text(), "de");
        assert_eq!(client.response().text(), "ignored");
    });
}

#[test]
fn the_body_is_asked_for_when_it_is_read() {
    with_both(|server, base| {
        let head = "Host: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        let mut client = server.client();
        client.send(format!("POST {base}/echo HTTP/1.1\r\n{head}"));
        assert_eq!(client.any_response(false).status, 100);
        client.send("hi");
        assert_eq!(client.response().text(), "hi");
        // Nobody reads this one: no 100, and the connection ends, since the body may still come.
        client.send(format!("POST {base}/ignore HTTP/1.1\r\n{head}"));
        assert_eq!(client.any_response(false).text(), "ignored");
    });
}

#[test]
fn an_upgraded_connection_is_the_plugins() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!(
            "GET {base}/upgrade HTTP/1.1\r\nHost: t\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n\
             early"
        ));
        let response = client.any_response(false);
        assert_eq!(response.status, 101);
        assert_eq!(response.header("upgrade"), Some("echo"));
        assert_eq!(response.header("connection"), Some("upgrade"));
        assert_eq!(response.header("content-length"), None);
        assert_eq!(client.take(5), b"early");
        client.send("GET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.take(18), b"GET / HTTP/1.1\r\n\r\n");
        client.send("quit\n");
        assert_eq!(client.rest(), b"quit\n", "and then it is closed");
    });
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_refused() {
    with_both(|server, base| {
        assert_eq!(server.client().get(&format!("{base}/upgrade")).status, 426);
    });
}

#[test]
fn a_client_that_leaves_ends_its_request() {
    with_both(|server, base| {
        let mut client = server.client();
        client.send(format!("POST {base}/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab"));
        client.take_until(b"ab\r\n");
        drop(client);
        server.wait_for_log("it reported an error");
    });
}
