//! A version of a plugin becomes the one that is served as a whole or not at all, stays so over a
//! restart, and can be taken back.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tests::client::Client;
use tests::plugins::library;
use tests::server::{Setup, TestServer, send_signal, tenon};
use tests::wait_until;

const A: &str = "<h1>hello a.py</h1>";
const B: &str = "<h1>hello b.py</h1>";

#[track_caller]
fn wait_for(server: &TestServer, body: &str) {
    wait_until("that version is served", || server.client().get("/p.py").text() == body);
}

fn rollback(server: &TestServer) -> (bool, String) {
    let output = Command::new(tenon())
        .args(["ctl", "rollback", "p"])
        .current_dir(server.folder())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_rollback_takes_a_version_back_until_the_file_changes() {
    let server = Setup::new().start();
    server.drop_in(&library("a"), "p");
    wait_for(&server, A);
    let (is_done, text) = rollback(&server);
    assert!(!is_done && text.contains("no version of plugin p before"), "{text}");
    server.drop_in(&library("b"), "p");
    wait_for(&server, B);
    let (is_done, text) = rollback(&server);
    assert!(is_done, "{text}");
    wait_for(&server, A);
    server.signal(Signal::HUP);
    server.wait_for_log("this version was rolled back from");
    wait_for(&server, A);
    wait_until("and back again, when no change is being prepared", || rollback(&server).0);
    wait_for(&server, B);
    server.drop_in(&library("a"), "p");
    wait_for(&server, A);
}

#[test]
fn the_last_good_version_outlives_the_server() {
    let server = Setup::new().start();
    server.drop_in(&library("a"), "p");
    wait_for(&server, A);
    server.drop_in(&library("init_crash"), "p");
    server.wait_for_log("it crashed with SIGSEGV in csgi_init");
    server.stop();
    let mut child = Command::new(tenon())
        .args(["serve", "--listen", "127.0.0.1:0", "--workers", "1"])
        .current_dir(server.folder())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap();
    let address = address.strip_prefix("listening on http://").unwrap().trim_end_matches('/');
    let body = Client::connect(address.parse().unwrap()).get("/p.py").text();
    send_signal(child.id(), Signal::TERM);
    assert!(child.wait().unwrap().success());
    assert_eq!(body, A, "what is in the folder now cannot be served, and was not before");
}

#[test]
fn a_library_that_is_written_slowly_is_served_when_it_is_whole() {
    let server = Setup::new().plugin("a").start();
    server.drop_in(&library("a"), "p");
    wait_for(&server, A);
    let bytes = std::fs::read(library("b")).unwrap();
    let mut file = std::fs::File::create(server.plugins().join("p.so")).unwrap();
    let mut client = server.client();
    for part in bytes.chunks(bytes.len() / 4 + 1) {
        file.write_all(part).unwrap();
        file.sync_all().unwrap();
        // Longer than the quiet that is waited for after a change.
        std::thread::sleep(Duration::from_millis(300));
        let text = client.get("/p.py").text();
        assert!(text == A || text == B, "{text}");
    }
    drop(file);
    wait_for(&server, B);
    assert_eq!(client.get("/a.py").text(), A);
}

#[test]
fn a_version_that_fails_its_self_test_is_not_served() {
    let server = Setup::new().config("[plugin.p]\nself_test = \"/null\"").start();
    server.drop_in(&library("a"), "p");
    wait_for(&server, A);
    server.drop_in(&library("crashes"), "p");
    server.wait_for_log("it crashed with SIGSEGV");
    wait_for(&server, A);
    let server = Setup::new().config("[plugin.p]\nself_test = \"/none\"").start();
    server.drop_in(&library("features"), "p");
    server.wait_for_log("its self-test /none has failed: the plugin has failed");
    wait_until("it is refused", || server.client().get("/p.py").status == 503);
}
