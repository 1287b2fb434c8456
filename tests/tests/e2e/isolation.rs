//! What an isolated plugin can do, seen by one that tries: `tests/plugins/escapes.c`. The list that it
//! succeeds with is compared by itself with `allowed`, in its trial.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use tests::server::{Setup, TestServer};

/// A server with this plugin, tried with `isolate` and expected to manage no more than `allowed`.
fn server(isolate: &str, allowed: &str) -> TestServer {
    let setup = Setup::new().plugin("a").plugin("escapes");
    let plugins = setup.plugins();
    let (other, mine) = (plugins.join("a.so"), setup.folder().join("mine"));
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("file"), "data").unwrap();
    let config = format!(
        "[plugin.escapes.config]\nother = {:?}\nmine = {:?}\nnew = {:?}\nport = \"9\"\n\
         allowed = {allowed:?}\n{isolate}",
        other,
        mine.join("file"),
        mine.join("new"),
    );
    // Reachable for another user.
    std::fs::set_permissions(setup.folder(), Permissions::from_mode(0o711)).unwrap();
    setup.config(&config).start()
}

#[track_caller]
fn assert_served(isolate: &str, allowed: &str) {
    let server = server(isolate, allowed);
    let log = server.log();
    let reason = log.lines().find(|line| line.contains("could: ")).unwrap_or_default();
    assert!(server.output().contains("escapes: http://"), "{isolate}: {reason}");
}

#[test]
fn the_default_is_next_to_nothing() {
    assert_served("[plugin.escapes]\nisolate = true", "");
}

#[test]
fn without_isolation_it_may_do_what_the_server_may() {
    let server = server("", "");
    let output = server.output();
    for deed in ["passwd", "other", "mine", "new", "socket", "connect", "start"] {
        assert!(output.contains("could: ") && output.contains(deed), "{deed}: {output}");
    }
    for attack in ["trace", "namespace", "bpf"] {
        assert!(!output.contains(attack), "no trial needs this: {output}");
    }
}

#[test]
fn what_is_allowed_works_and_nothing_else() {
    assert_served("[plugin.escapes.isolate]\nread = [\"mine\"]", "mine");
    assert_served("[plugin.escapes.isolate]\nwrite = [\"mine\"]", "mine new");
    assert_served("[plugin.escapes.isolate]\nconnect = [9]", "socket connect");
    assert_served("[plugin.escapes.isolate]\nconnect = [10]", "socket");
    let programs = "read = [\"/bin\", \"/usr/bin\"]";
    assert_served(&format!("[plugin.escapes.isolate]\n{programs}\nexec = true"), "exec start");
    assert_served(&format!("[plugin.escapes.isolate]\n{programs}"), "");
}

#[test]
fn another_user_reads_its_copy_and_nothing_of_ours() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    assert_served("[plugin.escapes.isolate]\nuser = \"nobody\"", "");
    let limits = "memory = \"512MiB\"\ndescriptors = 64\nprocesses = 64\ncpu = \"10s\"";
    let server = server(&format!("[plugin.escapes.isolate]\nuser = \"nobody\"\n{limits}"), "");
    assert!(server.output().contains("escapes: http://"), "{}", server.log());
}

/// What the plugin succeeds with in a worker, not in its trial.
#[track_caller]
fn deeds(isolate: &str, allowed: &str) -> String {
    let text = server(isolate, allowed).client().get("/escapes.py").text();
    let (_, deeds) = text.split_once(" could: ").expect("it says what it could do");
    deeds.trim().to_owned()
}

#[test]
fn a_worker_of_its_own_is_as_isolated_as_the_trial() {
    assert_eq!(deeds("[plugin.escapes]\nisolate = true", ""), "");
    assert_eq!(deeds("[plugin.escapes.isolate]\nread = [\"mine\"]", "mine"), "mine");
}

#[test]
fn an_isolated_plugin_serves_as_any_other_and_crashes_alone() {
    let server = Setup::new()
        .plugin("a")
        .plugin("crashes")
        .plugin("features")
        .config("[breaker]\ncrashes = 0\n[plugin.crashes]\nisolate = true\n[plugin.features]\nisolate = true")
        .start();
    let mut client = server.client();
    assert_eq!(client.get("/a.py").status, 200);
    let body = "x".repeat(1_000_000);
    client.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n");
    client.send(&body);
    assert_eq!(client.response().text(), body, "a body too large for memory, and an answer");
    assert!(client.get("/features.py/timer?n=2&ms=10").text().contains("data: 1"));
    for path in ["/null", "/abort", "/overflow", "/exit"] {
        let mut crashing = server.client();
        assert_eq!(crashing.get(&format!("/crashes.py{path}")).status, 500, "{path}");
        assert_eq!(client.get("/crashes.py").text(), "fine", "after {path}");
        assert_eq!(client.get("/a.py").status, 200, "after {path}");
    }
}
