//! Nobody waits for somebody else: neither for slow clients nor for plugins that block.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Scope;
use std::time::Duration;

use tests::client::Client;
use tests::server::{Setup, TestServer};
use tests::wait_until;

/// So many clients that have sent this.
fn asking(server: &TestServer, count: usize, requests: &str) -> Vec<Client> {
    let mut clients: Vec<_> = (0..count).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send(requests);
    }
    clients
}

/// Requests that keep every seat of the worker taken for a long time.
fn sleepers(server: &TestServer, plugin: &str, count: usize) -> Vec<Client> {
    asking(server, count, &format!("GET /{plugin}.py/sleep?ms=700 HTTP/1.1\r\nHost: t\r\n\r\n"))
}

#[test]
fn a_plugin_that_blocks_delays_nobody_else() {
    let server = Setup::new().plugin("features").plugin("a").start();
    let mut sleepers = sleepers(&server, "features", 20);
    let mut client = server.client();
    for _ in 0..50 {
        assert_eq!(client.get("/a.py").status, 200);
        assert_eq!(client.get("/").status, 200);
    }
    // Three seats of four threads: the last of twenty sleepers is still far from its turn.
    sleepers[19].assert_silent(Duration::from_millis(1));
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.response().text(), "slept");
    }
}

#[test]
fn slow_clients_hold_no_thread() {
    let server = Setup::new().plugin("features").plugin("a").start();
    let mut half = asking(&server, 200, "GET /a.py HTTP/1.1\r\nHost:");
    let large = "GET /features.py/stream?n=100&size=100000 HTTP/1.1\r\nHost: t\r\n\r\n";
    let mut unread = asking(&server, 50, large);
    unread.iter_mut().for_each(Client::assert_readable);
    let upload = "POST /features.py/count HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc";
    let mut uploads = asking(&server, 50, upload);
    let mut client = server.client();
    for _ in 0..50 {
        assert_eq!(client.get("/a.py").status, 200);
        assert_eq!(client.get("/features.py/id").status, 200);
    }
    for client in &mut half {
        client.send(" t\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
    for client in &mut uploads {
        client.send("defghi");
        assert_eq!(client.response().text(), "9 then -1");
    }
    for client in &mut unread {
        assert_eq!(client.response().body.len(), 10_000_000);
    }
}

#[test]
fn calls_of_a_plugin_without_promises_never_overlap() {
    let server = Setup::new().plugin("serial").plugin("a").start();
    let requests = "GET /serial.py HTTP/1.1\r\nHost: t\r\n\r\n".repeat(3);
    let mut clients = asking(&server, 30, &requests);
    assert_eq!(server.client().get("/a.py").status, 200);
    for client in &mut clients {
        for _ in 0..3 {
            assert_eq!(client.response().text(), "alone");
        }
    }
}

#[test]
fn a_full_queue_is_said() {
    let server = Setup::new().plugin("features").plugin("a").config("[limits]\nqueue = 2").start();
    let mut sleepers = sleepers(&server, "features", 10);
    let mut statuses: Vec<_> = sleepers.iter_mut().map(|sleeper| sleeper.response()).collect();
    statuses.sort_by_key(|response| response.status);
    let refused: Vec<_> = statuses.iter().filter(|response| response.status == 503).collect();
    assert_eq!(refused.len(), 5, "three seats, two places in the queue");
    assert!(refused.iter().all(|response| response.header("retry-after").is_some()));
}

#[test]
fn connections_above_the_limit_wait() {
    let server = Setup::new().config("[limits]\nconnections = 3").start();
    let mut first: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut first {
        assert_eq!(client.get("/").status, 200);
        // In the middle of a request: it is not idle.
        client.send("GET / HTTP/1.1\r\nHost");
    }
    let mut fourth = server.client();
    fourth.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
    fourth.assert_silent(Duration::from_millis(300));
    first.pop();
    assert_eq!(fourth.response().status, 200);
}

#[test]
fn a_stream_that_wakes_itself_delays_nobody_else() {
    let server = Setup::new().plugin("wakes_itself").plugin("a").start();
    let streams = asking(&server, 3, "GET /wakes_itself.py HTTP/1.1\r\nHost: t\r\n\r\n");
    let calls = || server.client().get("/wakes_itself.py/calls").text().parse::<u32>().unwrap();
    wait_until("they are at it", || calls() > 100);
    for _ in 0..50 {
        assert_eq!(server.client().get("/a.py").status, 200);
    }
    drop(streams);
    wait_until("it is seen that they are gone", || {
        server.client().get("/wakes_itself.py/closed").text() == "3"
    });
}

/// A client that asks without end and takes every answer: counts what it has taken.
fn greedy<'scope>(
    server: &TestServer,
    scope: &'scope Scope<'scope, '_>,
    taken: &'scope AtomicUsize,
) -> TcpStream {
    let stream = server.client().stream().try_clone().unwrap();
    let (mut reading, mut writing) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    scope.spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        while let Ok(count @ 1..) = reading.read(&mut bytes) {
            taken.fetch_add(count, Ordering::Relaxed);
        }
    });
    let requests = "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\n".repeat(2000);
    scope.spawn(move || while writing.write_all(requests.as_bytes()).is_ok() {});
    stream
}

#[test]
fn clients_that_ask_without_end_delay_nobody_else() {
    let server = Setup::new().plugin("a").start();
    let taken = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let greedy: Vec<_> = (0..3).map(|_| greedy(&server, scope, &taken)).collect();
        wait_until("they are at it", || taken.load(Ordering::Relaxed) > 1 << 20);
        let before = taken.load(Ordering::Relaxed);
        for _ in 0..30 {
            assert_eq!(server.client().get("/a.py").status, 200);
        }
        let meanwhile = taken.load(Ordering::Relaxed) - before;
        for stream in greedy {
            stream.shutdown(Shutdown::Both).unwrap();
        }
        // A few of their turns, of some ten thousand bytes each, for every one of ours.
        assert!(meanwhile < 32 << 20, "they got {meanwhile} bytes, and this client 30 answers");
    });
}

#[test]
fn a_plugin_that_lies_about_blocking_is_named() {
    let server = Setup::new().plugin("blocks").plugin("a").start();
    let mut liar = server.client();
    liar.send("GET /blocks.py HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut client = server.client();
    assert_eq!(client.get("/a.py").status, 200);
    liar.assert_silent(Duration::from_millis(1));
    assert_eq!(liar.response().text(), "ok");
    wait_until("it is named", || {
        server.log().contains("plugin blocks promises not to block and has blocked")
    });
}
