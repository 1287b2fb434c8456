//! A plugin crashes or hangs, and that costs one request: its own client's.

use std::time::Duration;

use tests::client::Client;
use tests::load::Load;
use tests::server::{Setup, TestServer, is_running};
use tests::wait_until;

const FINE: &str = "fine";

/// One worker, so that everybody is in the process that crashes.
fn setup() -> Setup {
    Setup::new().plugin("crashes").plugin("a").config("[breaker]\ncrashes = 0")
}

/// A request that brings its process down.
#[track_caller]
fn bring_down(server: &TestServer, path: &str) -> Client {
    let mut client = server.client();
    client.send(format!("GET /crashes.py{path} HTTP/1.1\r\nHost: t\r\n\r\n"));
    client
}

#[track_caller]
fn assert_500(client: &mut Client, path: &str) {
    let response = client.response();
    assert_eq!(response.status, 500, "{path}");
    assert_eq!(response.header("connection"), Some("close"), "{path}");
    assert!(response.text().contains("500 Internal Server Error"), "{path}");
    client.assert_closed();
}

#[test]
fn every_kind_of_crash_costs_its_own_client_a_500_and_nobody_else_anything() {
    let server = setup().start();
    let mut others: Vec<_> = (0..20).map(|_| server.client()).collect();
    others.iter_mut().for_each(|client| drop(client.get("/crashes.py")));
    let mut half = server.client();
    half.send("POST /crashes.py HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n12");
    for path in
        ["/null", "/abort", "/bus", "/fpe", "/ill", "/overflow", "/heap", "/exit", "/in-malloc"]
    {
        let mut running = server.client();
        running.send("GET /crashes.py/slow?ms=300 HTTP/1.1\r\nHost: t\r\n\r\n");
        let before = server.workers();
        let mut crashing = bring_down(&server, path);
        assert_500(&mut crashing, path);
        for client in &mut others {
            assert_eq!(client.get("/crashes.py").text(), FINE, "after {path}");
        }
        if !matches!(path, "/in-malloc" | "/heap") {
            assert_eq!(running.response().text(), FINE, "it ran during {path}");
            assert_eq!(running.get("/a.py").status, 200, "and its connection has moved");
        }
        if path != "/in-malloc" {
            wait_until("the process is replaced", || !before.iter().any(|pid| is_running(*pid)));
        }
    }
    half.send("34");
    assert_eq!(half.response().text(), FINE, "half a request has moved every time");
}

#[test]
fn a_crash_with_the_heap_locked_ends_in_bounded_time() {
    let server = setup().config("[timeouts]\ndrain = \"1s\"").start();
    let mut other = server.client();
    other.get("/a.py");
    let before = server.workers();
    let mut crashing = bring_down(&server, "/in-malloc");
    assert_500(&mut crashing, "/in-malloc");
    assert_eq!(other.get("/a.py").status, 200);
    wait_until("the process is replaced", || !before.iter().any(|pid| is_running(*pid)));
}

#[test]
fn two_threads_that_crash_at_once_cost_two_requests() {
    let server = setup().start();
    let mut other = server.client();
    other.get("/a.py");
    let before = server.workers();
    let mut first = bring_down(&server, "/two");
    let mut second = bring_down(&server, "/two");
    assert_500(&mut first, "/two");
    assert_500(&mut second, "/two");
    assert_eq!(other.get("/a.py").status, 200);
    wait_until("the process is replaced", || !before.iter().any(|pid| is_running(*pid)));
}

#[test]
fn an_answer_that_has_begun_is_cut_and_one_that_is_whole_arrives() {
    let server = setup().start();
    let mut late = bring_down(&server, "/late");
    let text = String::from_utf8(late.rest()).unwrap();
    assert!(text.ends_with("5\r\nbegun\r\n"), "no last chunk: {text:?}");
    let mut close = bring_down(&server, "/close");
    let text = String::from_utf8(close.rest()).unwrap();
    assert!(text.ends_with("5\r\nbegun\r\n0\r\n\r\n"), "{text:?}");
    let mut release = bring_down(&server, "/release");
    assert_eq!(release.response().body.len(), 32768);
    let mut thread = bring_down(&server, "/thread");
    assert_eq!(thread.response().text(), FINE, "a thread of the plugin's own has crashed");
    server.wait_for_log("was killed by SIGSEGV");
    assert_eq!(thread.get("/a.py").status, 200);
}

#[test]
fn what_was_pipelined_before_a_crash_is_answered() {
    let server = setup().start();
    let mut client = server.client();
    client.send(
        "GET /a.py HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n\
         GET /crashes.py/null HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n",
    );
    assert_eq!(client.response().text(), "<h1>hello a.py</h1>");
    assert_eq!(client.response().text(), "<h1>index</h1>");
    assert_eq!(client.response().status, 500);
    client.assert_closed();
    let mut head = server.client();
    head.send("HEAD /crashes.py/null HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(head.any_response(true).status, 500);
    head.assert_closed();
}

#[test]
fn a_hundred_crashes_under_load_cost_a_hundred_requests() {
    let server = setup().arguments(&["--workers", "2"]).start();
    let load = Load::start(server.address(), 1000, 1, "/a.py", "<h1>hello a.py</h1>");
    load.wait_for(1000);
    for number in 0..100 {
        let mut crashing = bring_down(&server, "/null");
        assert_eq!(crashing.response().status, 500, "crash {number}");
    }
    load.wait_for(1000);
    let outcome = load.stop();
    assert!(outcome.wrong.is_empty(), "{outcome:?}");
    assert!(outcome.right > 2000, "{outcome:?}");
}

#[test]
fn a_hang_costs_its_own_client_a_504_and_nobody_else_anything() {
    let server = setup().arguments(&["--request-timeout", "500ms"]).start();
    let mut other = server.client();
    let pid = other.get("/crashes.py/pid").text();
    let mut hanging = bring_down(&server, "/hang");
    let mut running = server.client();
    running.send("GET /crashes.py/slow?ms=300 HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(running.response().text(), FINE);
    let response = hanging.response();
    assert_eq!(response.status, 504);
    hanging.assert_closed();
    server.wait_for_log("it is past its deadline and is given up");
    assert_ne!(other.get("/crashes.py/pid").text(), pid, "the connection has moved");
    // Asleep in the kernel, it is reached too.
    let mut sleeping = bring_down(&server, "/slow?ms=60000");
    assert_eq!(sleeping.response().status, 504);
}

#[test]
fn a_route_and_a_plugin_have_deadlines_of_their_own() {
    let server = setup()
        .config(
            "[timeouts]\nrequest = \"1h\"\n[plugin.crashes]\nrequest_timeout = \"10s\"\n\
             [[routes]]\nprefix = \"/quick\"\nplugin = \"crashes\"\nrequest_timeout = \"300ms\"\n\
             [[routes]]\nprefix = \"/crashes.py\"\nplugin = \"crashes\"\n",
        )
        .start();
    let mut patient = bring_down(&server, "/slow?ms=1500");
    let mut quick = server.client();
    quick.send("GET /quick/slow?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(quick.response().status, 504);
    assert_eq!(patient.response().text(), FINE, "it ran on in the process that was given up");
    patient.assert_silent(Duration::from_millis(10));
}
