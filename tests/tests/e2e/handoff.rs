//! Connections move to the workers of a new generation, and their clients see nothing of it.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use rustix::process::Signal;
use tests::client::Client;
use tests::load::Load;
use tests::process;
use tests::server::{Setup, TestServer, is_running};
use tests::wait_until;

/// Begins a new generation, and waits until the workers of the old one are gone.
#[track_caller]
fn reload(server: &TestServer, number: usize) {
    let before = server.workers();
    server.signal(Signal::HUP);
    server.wait_for_log(&format!("generation {number} serves now"));
    wait_until("the old workers are gone", || !before.iter().any(|worker| is_running(*worker)));
}

#[test]
fn an_idle_connection_goes_on() {
    let server = Setup::new().plugin("a").arguments(&["--workers", "2"]).start();
    let mut used = server.client();
    assert_eq!(used.get("/a.py").status, 200);
    let mut fresh = server.client();
    for number in 2..5 {
        reload(&server, number);
        assert_eq!(used.get("/a.py").text(), "<h1>hello a.py</h1>");
        assert_eq!(used.get("/").text(), "<h1>index</h1>");
    }
    assert_eq!(fresh.get("/").status, 200, "nothing had been asked on it");
}

#[test]
fn half_a_request_goes_on() {
    let server = Setup::new().plugin("features").start();
    let mut head = server.client();
    head.send("GET /features.py/id HT");
    let mut body = server.client();
    body.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n01234");
    let mut chunked = server.client();
    chunked.send(
        "POST /features.py/echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5;x=",
    );
    let large = "x".repeat(1_000_000);
    let mut file = server.client();
    file.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n");
    file.send(&large[..500_000]);
    reload(&server, 2);
    head.send("TP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(head.response().status, 200);
    body.send("56789");
    assert_eq!(body.response().text(), "0123456789");
    chunked.send("y\r\n01234\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(chunked.response().text(), "01234");
    assert_eq!(chunked.response().text(), "<h1>index</h1>", "what was pipelined behind it");
    file.send(&large[500_000..]);
    assert_eq!(file.response().text(), large);
}

/// Asks for `target` and reads no more than the head before the reload.
#[track_caller]
fn half_read(server: &TestServer, target: &str) -> Client {
    let mut client = server.client();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n"));
    client.assert_readable();
    client
}

#[test]
fn half_an_answer_goes_on_if_no_plugin_is_needed_for_it() {
    let setup = Setup::new().plugin("features");
    let content: Vec<u8> = (0..8_000_000_u32).map(|number| (number >> 3) as u8).collect();
    std::fs::write(setup.folder().join("html/large"), &content).unwrap();
    let server = setup.start();
    let mut file = half_read(&server, "/large");
    let mut lent = half_read(&server, "/features.py/bytes?n=8000000");
    let mut sent = half_read(&server, "/features.py/file?n=4000000");
    // A stream of the plugin's own stays with the old worker to its end.
    let mut stream = half_read(&server, "/features.py/timer?n=3&ms=200");
    let before = server.workers();
    server.signal(Signal::HUP);
    server.wait_for_log("generation 2 serves now");
    stream.take_until(b"data: 2\n\n");
    wait_until("the old worker is gone", || !before.iter().any(|worker| is_running(*worker)));
    assert!(file.response().body == content);
    assert_eq!(lent.response().body.len(), 8_000_000);
    assert_eq!(sent.response().status, 200);
    for client in [&mut file, &mut lent, &mut sent] {
        assert_eq!(client.get("/").status, 200, "and the connection with it");
    }
}

/// What all processes of the server have for themselves, in KiB, and how many descriptors.
fn holdings(server: &TestServer) -> (u64, usize) {
    let mut processes = server.workers();
    processes.push(server.pid());
    let private = |pid: &u32| process::private(*pid).unwrap();
    let descriptors = |pid: &u32| process::descriptors(*pid).unwrap();
    (processes.iter().map(private).sum(), processes.iter().map(descriptors).sum())
}

/// Begins generations under load, none of which costs a request; what the server holds afterwards.
fn reload_under_load(server: &TestServer, generations: Range<usize>) -> (u64, usize) {
    let load = Load::start(server.address(), 128, 1, "/a.py", "<h1>hello a.py</h1>");
    let pipelines = Load::start(server.address(), 64, 8, "/", "<h1>index</h1>");
    for number in generations {
        server.signal(Signal::HUP);
        server.wait_for_log(&format!("generation {number} serves now"));
    }
    for load in [load, pipelines] {
        load.wait_for(5000);
        let outcome = load.stop();
        assert!(outcome.wrong.is_empty(), "{outcome:?}");
    }
    wait_until("the clients are forgotten", || holdings(server).1 < 128);
    holdings(server)
}

#[test]
fn a_hundred_reloads_under_load_lose_nothing() {
    let server = Setup::new().plugin("a").arguments(&["--workers", "2"]).start();
    let before = reload_under_load(&server, 2..22);
    let after = reload_under_load(&server, 22..122);
    assert!(after.0 < before.0 + before.0 / 10 + 1024, "KiB: {before:?}, {after:?}");
    assert!(after.1 <= before.1 + 2, "descriptors: {before:?}, {after:?}");
}

#[test]
fn a_worker_that_is_told_to_end_hands_its_connections_over() {
    let server = Setup::new().plugin("a").arguments(&["--workers", "2"]).start();
    let mut clients: Vec<_> = (0..40).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| drop(client.get("/a.py")));
    for worker in server.workers() {
        tests::server::send_signal(worker, Signal::TERM);
        wait_until("it is gone", || !is_running(worker));
    }
    for client in &mut clients {
        assert_eq!(client.get("/a.py").status, 200);
    }
}

#[test]
fn a_client_that_closes_meanwhile_is_forgotten() {
    let server = Setup::new().plugin("a").start();
    let mut leaving = server.client();
    leaving.get("/a.py");
    leaving.stream().shutdown(std::net::Shutdown::Write).unwrap();
    reload(&server, 2);
    leaving.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(leaving.stream().read(&mut [0]).unwrap(), 0, "the server has closed too");
}
