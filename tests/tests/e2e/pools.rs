//! Plugins with workers of their own: connections go where a request is answered, and come back.

use rustix::process::Signal;
use tests::load::Load;
use tests::server::{Setup, TestServer, is_running};
use tests::wait_until;

/// `crashes` has two workers of its own, the rest is served by one.
fn setup() -> Setup {
    Setup::new().plugin("crashes").plugin("features").config("[plugin.crashes]\nworkers = 2")
}

#[track_caller]
fn process(client: &mut tests::client::Client, plugin: &str) -> u32 {
    client.get(&format!("/{plugin}.py/pid")).text().parse().unwrap()
}

fn is_child(server: &TestServer, pid: u32) -> bool {
    server.workers().contains(&pid)
}

#[test]
fn one_connection_is_served_by_whoever_serves_what_it_asks_for() {
    let server = setup().start();
    assert_eq!(server.workers().len(), 3);
    let mut client = server.client();
    for _ in 0..5 {
        let (own, main) = (process(&mut client, "crashes"), process(&mut client, "features"));
        assert_ne!(own, main);
        assert!(is_child(&server, own) && is_child(&server, main));
        assert_eq!(client.get("/").text(), "<h1>index</h1>");
        assert_eq!(client.get("/nobody.py").status, 404);
    }
    // A pipeline over both, in order, with a body on the way.
    client.send(
        "GET /crashes.py/a HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n\
         POST /crashes.py/b HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n12",
    );
    assert_eq!(client.response().text(), "fine");
    assert_eq!(client.response().text(), "<h1>index</h1>");
    server.signal(Signal::HUP);
    server.wait_for_log("generation 2 serves now");
    client.send("34GET /features.py/id HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(client.response().text(), "fine", "half a body found its way to the new workers");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_crash_in_a_pool_touches_no_other_process() {
    let server = setup().config("[breaker]\ncrashes = 0").start();
    let mut others: Vec<_> = (0..20).map(|_| server.client()).collect();
    let main = process(&mut others[0], "features");
    for client in &mut others {
        process(client, "crashes");
    }
    for _ in 0..10 {
        let mut crashing = server.client();
        crashing.send("GET /crashes.py/null HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(crashing.response().status, 500);
        for client in &mut others {
            assert_eq!(client.get("/crashes.py").text(), "fine");
        }
    }
    assert_eq!(process(&mut others[0], "features"), main);
    assert!(is_running(main));
}

#[test]
fn under_load_connections_go_to_and_fro_and_none_is_lost() {
    let server = setup().start();
    let own = Load::start(server.address(), 32, 1, "/crashes.py", "fine");
    let files = Load::start(server.address(), 32, 4, "/", "<h1>index</h1>");
    for number in 2..12 {
        server.signal(Signal::HUP);
        server.wait_for_log(&format!("generation {number} serves now"));
    }
    let mut client = server.client();
    for _ in 0..50 {
        assert_eq!(client.get("/crashes.py").text(), "fine");
        assert_eq!(client.get("/").status, 200);
    }
    own.wait_for(100);
    files.wait_for(100);
    for outcome in [own.stop(), files.stop()] {
        assert!(outcome.wrong.is_empty(), "{outcome:?}");
    }
}

/// Idle connections of a full pool go home, where there is room.
#[test]
fn idle_connections_do_not_keep_others_from_a_pool() {
    let config = "[plugin.crashes]\nworkers = 1\n[limits]\nconnections = 8";
    let server = Setup::new().plugin("crashes").plugin("features").config(config).start();
    let mut idle: Vec<_> = (0..8).map(|_| server.client()).collect();
    let own = process(&mut idle[0], "crashes");
    for client in &mut idle {
        assert_eq!(process(client, "crashes"), own);
    }
    let mut late = server.client();
    assert_eq!(process(&mut late, "crashes"), own);
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200, "nobody was cut off");
        assert_eq!(process(client, "crashes"), own);
    }
}

#[test]
fn a_worker_is_replaced_after_so_many_requests_and_its_connections_stay() {
    let server = Setup::new()
        .plugin("a")
        .config("[recycle]\nrequests = 2000")
        .arguments(&["--workers", "2"])
        .start();
    let before = server.workers();
    let load = Load::start(server.address(), 64, 1, "/a.py", "<h1>hello a.py</h1>");
    wait_until("both are replaced", || {
        let now = server.workers();
        now.len() == 2 && !before.iter().any(|pid| now.contains(pid))
    });
    load.wait_for(100);
    let outcome = load.stop();
    assert!(outcome.wrong.is_empty(), "{outcome:?}");
    assert!(server.log().contains("is replaced: it has answered"));
}
