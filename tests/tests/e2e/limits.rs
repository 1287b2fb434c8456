//! Time and load: nobody gains by being slow, by being many, or by coming when nothing is left.

use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tests::client::Client;
use tests::process;
use tests::server::{Setup, TestServer};
use tests::{PATIENCE, wait_until};

/// Sends a byte now and then until the server says something.
#[track_caller]
fn drip(client: &mut Client, byte: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        client.stream().set_nonblocking(true).unwrap();
        let has_answer = client.stream().peek(&mut [0]).is_ok();
        client.stream().set_nonblocking(false).unwrap();
        if has_answer {
            return;
        }
        assert!(Instant::now() < deadline, "it was waited for without end");
        client.try_send(byte);
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_dripping_body_is_cut_off_by_its_rate() {
    let limits = "[limits]\nbody_rate = 1000\n[timeouts]\nbody = \"1s\"";
    let server = Setup::new().plugin("features").plugin("streaming").config(limits).start();
    let mut client = server.client();
    client.send("POST /features.py/count HTTP/1.1\r\nHost: t\r\nContent-Length: 9000\r\n\r\n");
    drip(&mut client, "x");
    assert_eq!(client.response().status, 408);
    client.assert_closed();
    // A plugin that reads the body as it comes has begun its answer: it is cut.
    let mut client = server.client();
    client.send("POST /streaming.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9000\r\n\r\n");
    let mut drips = client.stream().try_clone().unwrap();
    std::thread::spawn(move || {
        while std::io::Write::write_all(&mut drips, b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let rest = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the answer does not look whole");
    // As many bytes at once are welcome.
    let mut client = server.client();
    client.send("POST /features.py/count HTTP/1.1\r\nHost: t\r\nContent-Length: 9000\r\n\r\n");
    client.send("x".repeat(9000));
    assert_eq!(client.response().text(), "9000 then -1");
}

#[test]
fn a_dripping_reader_is_cut_off_by_its_rate() {
    let limits = "[limits]\nwrite_rate = \"1GiB\"\n[timeouts]\nwrite = \"1s\"";
    let server = Setup::new().plugin("features").config(limits).start();
    let client = server.client();
    let mut stream = client.stream();
    let request = "GET /features.py/stream?n=5000&size=100000 HTTP/1.1\r\nHost: t\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut buffer = vec![0; 300_000];
    let mut total = 0;
    let deadline = Instant::now() + PATIENCE;
    // It takes bytes far more often than once a second.
    while let Ok(count) = stream.read(&mut buffer)
        && count > 0
    {
        total += count;
        assert!(Instant::now() < deadline && total < 400_000_000, "it was waited for without end");
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_until("its body is closed", || {
        server.client().get("/features.py/closed").text() == "opened=1 closed=1"
    });
}

#[test]
fn a_whole_request_has_an_end() {
    let server = Setup::new()
        .plugin("features")
        .config("threads = 2\n[timeouts]\ntotal = \"700ms\"")
        .start();
    let mut client = server.client();
    assert_eq!(client.get("/features.py/never").status, 504);
    // The only seat is taken: the second one is told so in time, and its place is not lost.
    let mut first = server.client();
    first.send("GET /features.py/sleep?ms=3000 HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut second = server.client();
    second.send("GET /features.py/sleep?ms=1 HTTP/1.1\r\nHost: t\r\n\r\n");
    let refused = second.response();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(first.response().text(), "slept");
    assert_eq!(second.get("/features.py/sleep?ms=1").text(), "slept", "the seat is free again");
}

#[test]
fn an_address_has_so_many_connections() {
    let server = Setup::new().config("[limits]\nconnections_per_address = 2").start();
    let mut first = server.client();
    let mut second = server.client();
    assert_eq!(first.get("/").status, 200);
    assert_eq!(second.get("/").status, 200);
    let mut third = server.client();
    let refused = third.response();
    assert_eq!((refused.status, refused.header("connection")), (429, Some("close")));
    third.assert_closed();
    drop(second);
    wait_until("a place is free", || {
        let mut client = server.client();
        client.try_send("GET / HTTP/1.1\r\nHost: t\r\n\r\n");
        client.response().status == 200
    });
    assert_eq!(first.get("/").status, 200);
}

#[test]
fn idle_connections_make_room_for_others() {
    let server = Setup::new().config("[limits]\nconnections = 3").start();
    let mut idle: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(server.client().get("/").status, 200);
}

/// Who comes when a worker is full is let in by another one, and nobody who is idle has to go for that.
#[test]
fn a_full_worker_keeps_its_idle_connections_while_others_have_room() {
    let config = "admin_listen = [\"127.0.0.1:0\"]\n\
                  [limits]\nconnections = 20\n[timeouts]\nhead = \"1s\"";
    let server = Setup::new().config(config).arguments(&["--workers", "2"]).start();
    let several_looks_for_idle_ones = || {
        let mut operator = Client::connect(admin(&server));
        operator.send("GET / HTTP/1.1\r\n");
        assert_eq!(operator.response().status, 408);
    };
    let mut idle: Vec<_> = (0..39).map(|_| server.client()).collect();
    idle.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    // One is full.
    several_looks_for_idle_ones();
    idle.push(server.client());
    idle.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    // Both are, and nobody waits.
    several_looks_for_idle_ones();
    idle.iter_mut().for_each(|client| assert_eq!(client.get("/").status, 200));
    assert_eq!(server.client().get("/").status, 200, "now somebody has to go");
}

/// Where operators connect.
fn admin(server: &TestServer) -> SocketAddr {
    let output = server.output();
    let line =
        output.lines().find_map(|line| line.strip_prefix("listening for operators on http://"));
    line.unwrap().trim_end_matches('/').parse().unwrap()
}

#[test]
fn an_operator_is_answered_when_nobody_else_is() {
    let config = "threads = 2\nadmin_listen = [\"127.0.0.1:0\"]\n\
                  [limits]\nconnections = 2\nqueue = 0\nconnections_per_address = 2";
    let server = Setup::new().plugin("features").config(config).start();
    let mut busy = server.client();
    busy.send("GET /features.py/sleep?ms=4000 HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut refused = server.client();
    assert_eq!(refused.get("/").status, 200);
    wait_until("the only seat is taken", || refused.get("/features.py/id").status == 503);
    // All places are taken, and the queue is full; not for an operator.
    refused.send("GET / HTTP/1.1\r\n");
    let mut operator = Client::connect(admin(&server));
    assert_eq!(operator.get("/").status, 200);
    assert_eq!(operator.get("/features.py/id").status, 200);
    assert_eq!(busy.response().text(), "slept");
}

/// Processor time of a process, in hundredths of a second (proc_pid_stat(5)).
fn processor_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn without_descriptors_accepting_pauses_and_resumes() {
    let server = Setup::new().start();
    let mut early = server.client();
    assert_eq!(early.get("/").status, 200);
    let worker = server.workers()[0];
    let open = process::descriptors(worker).unwrap() as u64;
    let limit = |limit| {
        let pid = Pid::from_raw(worker as i32);
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(20_000) })
            .unwrap()
    };
    limit(open + 1);
    let mut late: Vec<_> = (0..5).map(|_| server.client()).collect();
    for client in &mut late {
        // Needs no descriptor but its own.
        client.send("OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    server.wait_for_log("cannot accept connections");
    let before = processor_time(worker);
    std::thread::sleep(Duration::from_secs(1));
    let spent = processor_time(worker) - before;
    assert!(spent < 30, "it burns time: {spent} hundredths of a second");
    limit(10_000);
    for client in &mut late {
        assert_eq!(client.response().status, 204);
    }
    assert_eq!(early.get("/").status, 200, "and nobody was cut off");
    assert_eq!(server.log().matches("cannot accept connections").count(), 1, "it is said once");
}
