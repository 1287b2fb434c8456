//! Workers that die, generations that change, an end in order.

use std::time::Duration;

use rustix::process::Signal;
use tests::plugins::library;
use tests::server::{Setup, children_of, is_running, send_signal, tenon, zombies_of};
use tests::wait_until;

#[test]
fn a_dead_worker_is_named_and_replaced() {
    let server = Setup::new().plugin("features").arguments(&["--workers", "2"]).start();
    let before = server.workers();
    let mut crashing = server.client();
    crashing.send("GET /features.py/crash HTTP/1.1\r\nHost: t\r\n\r\n");
    crashing.rest();
    server.wait_for_log("was killed by SIGSEGV; it was running plugin features");
    wait_until("there are two workers again, one of them new", || {
        let now = server.workers();
        now.len() == 2 && now != before
    });
    assert_eq!(server.client().get("/features.py/id").status, 200);
    wait_until("who has ended is waited for", || zombies_of(server.pid()).is_empty());
}

#[test]
fn a_worker_that_dies_again_and_again_is_replaced_ever_more_slowly() {
    let server = Setup::new().plugin("a").start();
    for _ in 0..4 {
        let mut worker = None;
        wait_until("there is a worker", || {
            worker = server.workers().into_iter().find(|worker| is_running(*worker));
            worker.is_some()
        });
        let worker = worker.unwrap();
        send_signal(worker, Signal::KILL);
        wait_until("it is gone", || !is_running(worker));
    }
    wait_until("the server answers", || server.client().get("/a.py").status == 200);
    let log = server.log();
    assert_eq!(log.matches("was killed by SIGKILL").count(), 4, "{log}");
}

/// Whether it ends before it is told what to do, or while it is being told, or after that.
#[test]
fn a_worker_that_cannot_live_is_named() {
    for _ in 0..10 {
        let server = Setup::new().environment("TENON_UNDER", "false").spawn().unchecked();
        assert_eq!(server.wait_for_end().code(), Some(111));
        server.wait_for_log("ended with exit status: 1");
        server.wait_for_log("tenon: a worker could not start; the log says why");
    }
}

#[test]
fn sigterm_finishes_what_runs() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Setup::new().plugin("features").start();
        let mut idle = server.client();
        idle.get("/");
        let mut busy = server.client();
        busy.send("GET /features.py/sleep?ms=500 HTTP/1.1\r\nHost: t\r\n\r\n");
        let mut streaming = server.client();
        streaming.send("GET /features.py/timer?n=3&ms=200 HTTP/1.1\r\nHost: t\r\n\r\n");
        streaming.take_until(b"data: 0\n\n");
        server.signal(signal);
        idle.assert_closed();
        let response = busy.response();
        assert_eq!(response.text(), "slept");
        busy.assert_closed();
        streaming.take_until(b"data: 2\n\n");
        assert!(server.wait_for_end().success());
        assert!(!server.log().contains("has not finished in time"));
    }
}

#[test]
fn what_does_not_finish_is_ended() {
    let server = Setup::new().plugin("features").config("[timeouts]\ndrain = \"300ms\"").start();
    let mut stuck = server.client();
    stuck.send("GET /features.py/sleep?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
    stuck.assert_silent(Duration::from_millis(100));
    server.signal(Signal::TERM);
    assert!(server.wait_for_end().success());
    assert!(server.log().contains("has not finished in time; it was running plugin features"));
    stuck.assert_closed();
}

#[test]
fn sighup_begins_a_generation_and_loses_nothing() {
    let server = Setup::new().plugin("features").config("server_name = \"one\"").start();
    let mut busy = server.client();
    busy.send("GET /features.py/sleep?ms=500 HTTP/1.1\r\nHost: t\r\n\r\n");
    busy.assert_silent(Duration::from_millis(50));
    let before = server.workers();
    std::fs::write(server.folder().join("tenon.toml"), "server_name = \"two\"").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("generation 2 serves now");
    assert_eq!(server.client().get("/").header("server"), Some("two"));
    assert_eq!(busy.response().text(), "slept");
    wait_until("the old worker is gone", || !before.iter().any(|worker| is_running(*worker)));

    std::fs::write(server.folder().join("tenon.toml"), "\nserver = 1").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("tenon.toml:2: unknown field `server`");
    assert_eq!(server.client().get("/").header("server"), Some("two"), "the old one stays");
}

#[test]
fn plugins_come_change_and_go_while_it_serves() {
    let server = Setup::new().start();
    assert_eq!(server.client().get("/p.py").status, 404);
    server.drop_in(&library("a"), "p");
    wait_until("it is served", || server.client().get("/p.py").text() == "<h1>hello a.py</h1>");
    server.drop_in(&library("b"), "p");
    wait_until("it is replaced", || server.client().get("/p.py").text() == "<h1>hello b.py</h1>");
    // Half a library never goes live.
    let whole = std::fs::read(library("a")).unwrap();
    std::fs::write(server.plugins().join("p.so"), &whole[..whole.len() / 2]).unwrap();
    server.wait_for_log("it is cut off, or still being written");
    assert_eq!(server.client().get("/p.py").text(), "<h1>hello b.py</h1>", "the good one stays");
    std::fs::write(server.plugins().join("p.so"), &whole).unwrap();
    wait_until("it is whole", || server.client().get("/p.py").text() == "<h1>hello a.py</h1>");
    std::fs::remove_file(server.plugins().join("p.so")).unwrap();
    wait_until("it is gone", || server.client().get("/p.py").status == 404);
    wait_until("who has ended is waited for", || zombies_of(server.pid()).is_empty());
}

#[test]
fn a_plugin_that_fails_its_trial_does_not_replace_a_good_one() {
    let server = Setup::new().plugin("a").start();
    server.drop_in(&library("init_crash"), "a");
    server.wait_for_log("it crashed with SIGSEGV in csgi_init");
    assert_eq!(server.client().get("/a.py").text(), "<h1>hello a.py</h1>");
}

#[test]
fn no_watch_looks_only_when_told_to() {
    let server = Setup::new().arguments(&["--no-watch"]).start();
    server.drop_in(&library("a"), "p");
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(server.client().get("/p.py").status, 404);
    server.signal(Signal::HUP);
    wait_until("it is served", || server.client().get("/p.py").status == 200);
}

#[test]
fn a_second_start_on_the_same_port_says_so() {
    let server = Setup::new().start();
    let address = server.address().to_string();
    let output = std::process::Command::new(tenon())
        .args(["serve", "--listen", &address])
        .current_dir(server.folder())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(111));
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(error.contains("another program listens there"), "{error}");
    assert_eq!(server.client().get("/").status, 200);
}

#[test]
fn nothing_outlives_the_supervisor() {
    let server = Setup::new()
        .plugin("features")
        .config("[timeouts]\ndrain = \"500ms\"")
        .arguments(&["--workers", "2"])
        .start()
        .unchecked();
    let workers = server.workers();
    assert_eq!(workers.len(), 2);
    let mut stuck = server.client();
    stuck.send("GET /features.py/sleep?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
    stuck.assert_silent(Duration::from_millis(50));
    server.signal(Signal::KILL);
    wait_until("the workers are gone", || !workers.iter().any(|worker| is_running(*worker)));
}

#[test]
fn a_worker_has_only_the_descriptors_it_needs() {
    let server = Setup::new().plugin("a").start();
    server.client().get("/a.py");
    let worker = server.workers()[0];
    wait_until("only what it needs is open", || {
        let folder = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
        let mut links: Vec<_> = folder
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|link| link.display().to_string())
            .map(|link| link.split(':').next().unwrap_or_default().to_owned())
            .collect();
        links.sort();
        // Standard output and error; standard input, which is the control socket, and a duplicate of
        // it; the listener; both ends of the channel; epoll, eventfd and the monitor's timer; the root of
        // the files, the crash area and the list of mappings that a crash is recorded with.
        let sockets = links.iter().filter(|link| *link == "socket").count();
        let pipes = links.iter().filter(|link| *link == "pipe").count();
        let others = links.iter().filter(|link| *link == "anon_inode").count();
        let files = links.iter().filter(|link| link.starts_with('/')).count();
        (sockets, pipes, others, files) == (5, 2, 3, 3)
    });
    assert!(children_of(worker).is_empty());
}
