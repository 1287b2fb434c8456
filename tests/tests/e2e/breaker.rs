//! A plugin that crashes again and again is kept from its route, and nothing else changes.

use tests::server::{Setup, TestServer};
use tests::wait_until;

#[track_caller]
fn crash(server: &TestServer, path: &str) -> u16 {
    let mut client = server.client();
    client.get(&format!("/crashes.py{path}")).status
}

#[test]
fn a_breaker_opens_tries_and_closes() {
    let server = Setup::new()
        .plugin("crashes")
        .plugin("a")
        .config("[breaker]\ncrashes = 3\nwait = \"2s\"\npoison = \"1ms\"")
        .arguments(&["--workers", "2"])
        .start();
    for path in ["/null", "/abort", "/fpe"] {
        assert_eq!(crash(&server, path), 500);
    }
    server.wait_for_log("plugin crashes has crashed or hung too often");
    let mut client = server.client();
    let refused = client.get("/crashes.py");
    assert_eq!(refused.status, 503);
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(client.get("/a.py").status, 200, "on the same connection");
    wait_until("one is tried, and it is well", || client.get("/crashes.py").status == 200);
    assert_eq!(client.get("/crashes.py").status, 200, "the breaker is closed");
    // Now each crash opens it at once, for longer.
    assert_eq!(crash(&server, "/null"), 500);
    wait_until("it is open", || client.get("/crashes.py").status == 503);
    wait_until("and on trial", || client.get("/crashes.py").status == 200);
}

#[test]
fn a_request_that_has_crashed_twice_is_poison() {
    let server =
        Setup::new().plugin("crashes").config("[breaker]\ncrashes = 100\npoison = \"1h\"").start();
    assert_eq!(crash(&server, "/null?bad=1"), 500);
    assert_eq!(crash(&server, "/null?bad=1"), 500);
    server.wait_for_log("it is refused for");
    let mut client = server.client();
    let refused = client.get("/crashes.py/null?bad=1");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(client.get("/crashes.py").text(), "fine", "others pass");
    assert_eq!(crash(&server, "/null?bad=2"), 500, "another request is another matter");
}

#[test]
fn a_hang_counts_as_a_crash_and_a_new_file_begins_anew() {
    let server = Setup::new()
        .plugin("crashes")
        .config("[breaker]\ncrashes = 2\nwait = \"1h\"\n[timeouts]\nrequest = \"300ms\"")
        .start();
    assert_eq!(crash(&server, "/hang"), 504);
    assert_eq!(crash(&server, "/hang?2"), 504);
    server.wait_for_log("too often");
    assert_eq!(server.client().get("/crashes.py").status, 503);
    server.drop_in(&tests::plugins::library("a"), "crashes");
    wait_until("the new one is served", || server.client().get("/crashes.py").status == 200);
}
