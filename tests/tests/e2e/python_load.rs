//! The Python plugin under many requests: answers do not mix, and memory stays where it is.

use std::net::SocketAddr;

use tests::client::Client;
use tests::plugins::root;
use tests::process;
use tests::server::{Setup, TestServer};

fn rules() -> TestServer {
    let setup = Setup::new().plugin("python");
    std::fs::copy(root().join("tests/python/rules.py"), setup.plugins().join("rules.py")).unwrap();
    setup.arguments(&["--threads", "8"]).start()
}

fn post(client: &mut Client, path: &str, body: &str) -> String {
    let length = body.len();
    client.send(format!(
        "POST /rules.py{path} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    client.response().text()
}

#[test]
fn sixty_four_clients_get_their_own_answers() {
    let server = rules();
    let address = server.address();
    std::thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || talk(address, number));
        }
    });
    let mut client = server.client();
    assert!(!client.get("/rules.py/closed").text().contains("middle"));
}

/// Several kinds of answers in turn, each of which must be this client's.
fn talk(address: SocketAddr, number: usize) {
    let mut client = Client::connect(address);
    for round in 0..10 {
        let mine = format!("client {number} round {round}\n").repeat(round * 40 + 1);
        assert_eq!(post(&mut client, "/input?lines", &mine), mine);
        assert_eq!(client.get("/rules.py/write").text(), "written twice then returned");
        assert_eq!(client.get("/rules.py/raw/wake").text(), "woken");
        let count = number % 7 + 1;
        let parts: String = (0..count).map(|part| format!("part {part}\n")).collect();
        assert_eq!(client.get(&format!("/rules.py/stream?{count}")).text(), parts);
        assert_eq!(client.get("/rules.py/raw/file?5000").body.len(), 4995);
    }
}

fn stays_flat(requests: usize) {
    let server = rules();
    let worker = server.workers()[0];
    let mut client = server.client();
    let mut round = |count: usize| {
        for number in 0..count {
            match number % 8 {
                0 => drop(post(&mut client, "/input?lines", "a\nb\n")),
                1 => drop(client.get("/rules.py/stream?3")),
                2 => drop(client.get("/rules.py/write")),
                3 => drop(client.get("/rules.py/raw/number")),
                _ => assert_eq!(client.get("/rules.py/raw/hello").text(), "Hello, world\n"),
            }
        }
    };
    // What is made once is made: caches, the arenas of both allocators.
    round(requests / 4);
    let mut figures = vec![process::private(worker).unwrap()];
    for _ in 0..4 {
        round(requests / 4);
        figures.push(process::private(worker).unwrap());
    }
    println!("after each quarter of {requests} requests: {figures:?} KiB of its own");
    // Over a million, a leak of one small object (64 bytes) in every request would be seen.
    let allowed = 1024 + requests as u64 * 64 / 1024 / 2;
    assert!(figures[4] < figures[0] + allowed, "{figures:?} KiB, {requests} requests");
    assert_eq!(server.workers(), [worker], "it is the same process still");
}

#[test]
fn memory_stays_flat() {
    stays_flat(8_000);
}

/// `cargo test --release -p tests --test e2e million -- --ignored`
#[test]
#[ignore = "takes minutes; a command of its own"]
fn memory_stays_flat_over_a_million_requests() {
    stays_flat(1_000_000);
}
