//! A crowd of idle and slow connections, and one normal client among them: all of them stay, and the
//! client is answered. How long that takes is printed, for a person to judge.
//!
//! In an ordinary run the crowd is small. The large one, 10,000 idle and 2,000 slow:
//! `CROWD=10000,2000 cargo test --release -p tests --test crowd -- --nocapture`
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::client::Client;
use tests::server::Setup;

const ROUNDS: usize = 5;

/// The time that 99 of 100 requests do not take, in microseconds, and the middle one.
fn times(address: SocketAddr, count: usize) -> (u128, u128) {
    let mut client = Client::connect(address);
    let mut times: Vec<_> = (0..count)
        .map(|number| {
            let target = if number % 2 == 0 { "/a.py" } else { "/" };
            let start = Instant::now();
            assert_eq!(client.get(target).status, 200);
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    (times[count * 99 / 100], times[count / 2])
}

/// The same for the best of several rounds: in the others the machine has done something else too.
fn best_times(address: SocketAddr, count: usize) -> (u128, u128) {
    (0..ROUNDS).map(|_| times(address, count / ROUNDS)).min().unwrap()
}

/// One that has been answered and now keeps its connection.
fn idle(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the server closes");
        answer.extend_from_slice(&buffer[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 204 "));
    stream
}

fn slow(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0]);
    peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_crowd_does_not_stand_in_the_way() {
    let crowd = std::env::var("CROWD").unwrap_or("300,60".to_owned());
    let (idle_count, slow_count) = crowd.split_once(',').expect("CROWD is IDLE,SLOW");
    let (idle_count, slow_count): (usize, usize) =
        (idle_count.parse().unwrap(), slow_count.parse().unwrap());
    let server = Setup::new()
        .plugin("a")
        .arguments(&["--workers", "2"])
        .config("[timeouts]\nhead = \"30m\"\nidle = \"30m\"")
        .log_level("error")
        .start();
    let address = server.address();
    let requests = if idle_count > 1000 { 20_000 } else { 500 };
    times(address, requests / 10);
    let (quiet, quiet_median) = best_times(address, requests);
    let idle: Vec<_> = (0..idle_count).map(|_| idle(address)).collect();
    let slow: Vec<_> = (0..slow_count).map(|_| slow(address)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let dripping = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut slow = slow;
            while !stop.load(Ordering::Relaxed) {
                for part in slow.chunks_mut(20) {
                    part.iter_mut().for_each(|stream| stream.write_all(b"y").unwrap());
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            slow
        }
    });
    let (busy, busy_median) = best_times(address, requests);
    stop.store(true, Ordering::Relaxed);
    let slow = dripping.join().expect("no slow client is cut");
    assert!(idle.iter().all(is_open) && slow.iter().all(is_open), "the whole crowd is still there");
    println!(
        "quiet: median {quiet_median} us, p99 {quiet} us; with {idle_count} idle and {slow_count} \
         slow: median {busy_median} us, p99 {busy} us; p99 ratio {:.2}",
        busy as f64 / quiet as f64
    );
}
