//! Request bodies in memory and in files, large answers, clients that give up.

use std::time::Duration;

use tests::server::{Setup, TestServer};
use tests::wait_until;

/// Open descriptors of the worker, as /proc shows them.
fn descriptors(server: &TestServer) -> Vec<String> {
    let worker = server.workers()[0];
    let folder = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
    let links = folder.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

#[test]
fn a_large_body_goes_to_a_file_without_a_name() {
    let server = Setup::new().plugin("features").start();
    let mut client = server.client();
    client.send("POST /features.py/count HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n");
    client.send(vec![b'x'; 150_000]);
    wait_until("the body is in an unlinked file", || {
        descriptors(&server)
            .iter()
            .any(|link| link.ends_with("(deleted)") && !link.contains("memfd"))
    });
    client.send(vec![b'x'; 50_000]);
    assert_eq!(client.response().text(), "200000 then -1");
    wait_until("the file is gone", || {
        !descriptors(&server)
            .iter()
            .any(|link| link.ends_with("(deleted)") && !link.contains("memfd"))
    });
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let server = Setup::new().plugin("features").start();
    server.client().get("/");
    let before = descriptors(&server).len();
    for _ in 0..20 {
        let mut client = server.client();
        client.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 500000\r\n\r\n");
        client.send(vec![b'x'; 100_000]);
    }
    wait_until("all descriptors are closed", || descriptors(&server).len() <= before);
    assert_eq!(server.client().get("/features.py/closed").text(), "opened=0 closed=0");
}

#[test]
fn chunked_bodies_of_any_size() {
    let server = Setup::new().plugin("features").start();
    let mut client = server.client();
    for size in [1, 100, 65_536, 1_000_000] {
        let body = vec![b'q'; size];
        client.send(
            "POST /features.py/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for chunk in body.chunks(40_000) {
            client.send(format!("{:x}\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!(client.response().body == body, "{size}");
    }
}

#[test]
fn a_slow_reader_gets_everything() {
    let server = Setup::new().plugin("features").start();
    for target in ["bytes?n=4000000", "file?n=4000000", "stream?n=40&size=100000"] {
        let mut client = server.client();
        client.send(format!("GET /features.py/{target} HTTP/1.1\r\nHost: t\r\n\r\n"));
        // The socket's buffers are full by now, and the server waits.
        client.assert_readable();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(client.response().body.len(), 4_000_000, "{target}");
        assert_eq!(client.get("/").status, 200, "the connection goes on");
    }
}

#[test]
fn a_reader_that_stops_is_cut() {
    let server = Setup::new().plugin("features").config("[timeouts]\nwrite = \"300ms\"").start();
    let mut client = server.client();
    client.send("GET /features.py/stream?n=500&size=100000 HTTP/1.1\r\nHost: t\r\n\r\n");
    wait_until("its body is closed", || {
        server.client().get("/features.py/closed").text() == "opened=1 closed=1"
    });
    assert!(client.rest().len() < 50_000_000);
}
