//! A server under mixed load for as long as asked: good clients, slow ones and hostile ones at once.
//! Every good request is answered as it must be, and neither memory nor descriptors grow.
//!
//! In an ordinary run it takes a few seconds and looks at descriptors and answers only. The long one:
//! `SOAK_SECONDS=1800 cargo test --release -p tests --test soak -- --nocapture`
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tests::client::Client;
use tests::process;
use tests::server::{Setup, TestServer};
use tests::wait_until;

/// What the threads of the load share.
#[derive(Clone)]
struct Shared {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    slow: Arc<AtomicU64>,
    hostile: Arc<AtomicU64>,
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// One kind of client.
type Run = fn(&Shared);

/// Asks for everything there is and looks at every answer.
fn good_client(shared: &Shared) {
    let body = "b".repeat(10_000);
    let post = format!("Host: t\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    while shared.goes_on() {
        let mut client = Client::connect(shared.address);
        for _ in 0..200 {
            assert_eq!(client.get("/a.py").text(), "<h1>hello a.py</h1>");
            assert_eq!(client.get("/").text(), "<h1>index</h1>");
            assert_eq!(client.get("/none").status, 404);
            client.send(format!("POST /features.py/echo HTTP/1.1\r\n{post}"));
            assert_eq!(client.response().text(), body);
            assert_eq!(client.get("/features.py/stream?n=5&size=9000").body.len(), 45_000);
            shared.good.fetch_add(5, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(5));
            if !shared.goes_on() {
                return;
            }
        }
    }
}

/// Connections that send, or take, a byte now and then until the server has had enough.
fn slow_clients(shared: &Shared) {
    let begin = |number: usize| -> Option<TcpStream> {
        let mut stream = TcpStream::connect(shared.address).ok()?;
        let text: &[u8] = match number % 3 {
            0 => b"GET / HTTP/1.1\r\nX: ",
            1 => b"POST /features.py/count HTTP/1.1\r\nHost: t\r\nContent-Length: 99999\r\n\r\n",
            _ => b"GET /features.py/stream?n=100&size=100000 HTTP/1.1\r\nHost: t\r\n\r\n",
        };
        stream.write_all(text).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    };
    let mut streams: Vec<_> = (0..60).map(begin).collect();
    while shared.goes_on() {
        for (number, place) in streams.iter_mut().enumerate() {
            let lives = place.as_mut().is_some_and(|stream| match number % 3 {
                0 | 1 => stream.write_all(b"x").is_ok() && !is_closed(stream),
                _ => stream.read(&mut [0; 100]).map_or_else(|e| !is_end(&e), |count| count > 0),
            });
            if !lives {
                shared.slow.fetch_add(1, Ordering::Relaxed);
                *place = begin(number);
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn is_end(error: &std::io::Error) -> bool {
    error.kind() != std::io::ErrorKind::WouldBlock
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.peek(&mut [0]).map_or_else(|error| is_end(&error), |count| count == 0)
}

/// What no server should be sent.
fn hostile_client(shared: &Shared) {
    let post = "POST /features.py/echo HTTP/1.1\r\nHost: t\r\n";
    let attacks: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![b'A'; 100_000],
        format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(5000)).into(),
        format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into(),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n").into(),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhel").into(),
        format!("{post}Content-Length: 9999999999\r\n\r\n").into(),
        format!("{post}Content-Length: 900000\r\n\r\n{}", "x".repeat(300_000)).into(),
        "GET /features.py/bytes?n=30000000 HTTP/1.1\r\nHost: t\r\n\r\n".into(),
        "GET /features.py/never HTTP/1.1\r\nHost: t\r\n\r\n".into(),
        "GET /features.py/error-mid HTTP/1.1\r\nHost: t\r\n\r\n".repeat(20).into(),
        "GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: t\r\n\r\n".repeat(50).into(),
        "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\n".repeat(200).into(),
    ];
    let mut number = 0;
    while shared.goes_on() {
        let attack = &attacks[number % attacks.len()];
        number += 1;
        let Ok(mut stream) = TcpStream::connect(shared.address) else { continue };
        let _ = stream.write_all(attack);
        match number % 3 {
            // A cut, a half-close, or just gone.
            0 => drop(SockRef::from(&stream).set_linger(Some(Duration::ZERO))),
            1 => drop(stream.shutdown(std::net::Shutdown::Write)),
            _ => {}
        }
        // It waits for a word of answer: else a machine that has other things to do would only measure
        // how many connections can be opened.
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = stream.read(&mut [0; 10_000]);
        shared.hostile.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Memory in KiB and descriptors of all processes of a server.
fn measure(server: &TestServer) -> (u64, usize) {
    let processes = server.workers().into_iter().chain([server.pid()]);
    processes.fold((0, 0), |(memory, descriptors), pid| {
        let size = process::resident(pid).unwrap_or(0);
        (memory + size, descriptors + process::descriptors(pid).unwrap_or(0))
    })
}

/// The middle one.
fn median(values: &[u64]) -> u64 {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[test]
fn a_mixed_load_leaves_nothing_behind() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(5);
    let server = Setup::new()
        .plugin("a")
        .plugin("features")
        .arguments(&["--workers", "2"])
        .config("[timeouts]\nhead = \"5s\"\nbody = \"5s\"\nwrite = \"5s\"\nidle = \"10s\"")
        .log_level("error")
        .start();
    server.client().get("/features.py/stream");
    let (_, before) = measure(&server);
    let shared = Shared {
        address: server.address(),
        stop: Arc::default(),
        good: Arc::default(),
        slow: Arc::default(),
        hostile: Arc::default(),
    };
    let kinds: [(Run, usize); 3] = [(good_client, 3), (slow_clients, 1), (hostile_client, 2)];
    let threads: Vec<_> = kinds
        .into_iter()
        .flat_map(|(run, count)| std::iter::repeat_n(run, count))
        .map(|run| {
            let shared = shared.clone();
            std::thread::spawn(move || run(&shared))
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut memory = Vec::new();
    while Instant::now() < end && !threads.iter().any(|thread| thread.is_finished()) {
        std::thread::sleep(Duration::from_secs(1));
        let (size, descriptors) = measure(&server);
        memory.push(size);
        if memory.len() % 60 == 0 {
            report(&shared, size, descriptors);
        }
    }
    shared.stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().expect("every good request is answered as it must be");
    }
    wait_until("all descriptors are closed", || measure(&server).1 <= before);
    let (size, descriptors) = measure(&server);
    report(&shared, size, descriptors);
    let quarter = memory.len() / 4;
    let (early, late) = (median(&memory[quarter..2 * quarter]), median(&memory[3 * quarter..]));
    println!("memory: second quarter {early} KiB, last quarter {late} KiB; descriptors {before}");
    // A short run still fills its buffers.
    if seconds >= 120 {
        assert!(late <= early + early / 20 + 4096, "memory grows: {early} to {late} KiB");
    }
    assert_eq!(server.workers().len(), 2, "no worker has died");
}

fn report(shared: &Shared, memory: u64, descriptors: usize) {
    let [good, slow, hostile] =
        [&shared.good, &shared.slow, &shared.hostile].map(|count| count.load(Ordering::Relaxed));
    println!(
        "{good} good requests answered, {slow} slow clients cut, {hostile} hostile connections; \
         {memory} KiB, {descriptors} descriptors"
    );
}
