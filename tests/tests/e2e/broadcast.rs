//! One event for many streams: they are asked one after the other and sent to together, and yet none of
//! them waits for another.

use std::time::Duration;

use tests::client::Client;
use tests::server::{Setup, TestServer};

const EACH: usize = 20;

/// A client that listens, and has heard the greeting.
fn listen(server: &TestServer, path: &str) -> Client {
    let mut client = server.client();
    client.send(format!("GET /broadcast.py{path} HTTP/1.1\r\nHost: t\r\n\r\n"));
    client.take_until(b"welcome\n\r\n");
    client
}

/// Listeners before and behind one of another kind, in the order in which they are woken.
fn around(server: &TestServer, path: &str) -> (Client, Vec<Client>) {
    let mut others: Vec<_> = (0..EACH).map(|_| listen(server, "")).collect();
    let one = listen(server, path);
    others.extend((0..EACH).map(|_| listen(server, "")));
    (one, others)
}

/// What `publish` makes of its arguments.
fn event(number: usize, size: usize) -> String {
    format!("{:.<width$}\n", format!("event {number} "), width = size - 1)
}

#[test]
fn everybody_hears_everything_in_order_however_slowly_they_read() {
    let server = Setup::new().plugin("broadcast").start();
    let mut publisher = server.client();
    // None of them reads before the end: more is sent than the sockets take.
    let mut listeners: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut listeners {
        client.send("GET /broadcast.py HTTP/1.1\r\nHost: t\r\n\r\n");
        client.assert_readable();
    }
    let sizes: Vec<_> = (0..3000)
        .map(|number| if number % 50 == 0 { 6000 } else { 20 + number * 37 % 4000 })
        .collect();
    for (number, size) in sizes.iter().enumerate() {
        let end = usize::from(number + 1 == sizes.len());
        publisher.get(&format!("/broadcast.py/publish?size={size}&end={end}"));
    }
    let events = sizes.iter().enumerate().map(|(index, size)| event(index + 1, *size));
    let expected = format!("welcome\n{}", events.collect::<String>());
    for client in &mut listeners {
        assert!(client.response().body == expected.as_bytes(), "an event is missing or in pieces");
    }
}

#[test]
fn nobody_waits_for_a_stream_that_hangs() {
    let server = Setup::new().plugin("broadcast").start();
    let (mut hanging, mut others) = around(&server, "/hangs?ms=2500");
    server.client().get("/broadcast.py/publish?size=50");
    for client in &mut others {
        client.take_until(event(1, 50).as_bytes());
    }
    hanging.assert_silent(Duration::from_millis(1));
    hanging.take_until(event(1, 50).as_bytes());
    server.client().get("/broadcast.py/publish?size=60");
    for client in others.iter_mut().chain([&mut hanging]) {
        client.take_until(event(2, 60).as_bytes());
    }
}

#[test]
fn nobody_misses_an_event_for_a_stream_that_crashes() {
    let server = Setup::new().plugin("broadcast").config("[timeouts]\ndrain = \"20s\"").start();
    let (mut crashing, mut others) = around(&server, "/crashes");
    server.client().get("/broadcast.py/publish?size=50");
    assert!(crashing.rest().is_empty());
    for client in &mut others {
        client.take_until(event(1, 50).as_bytes());
    }
}
