//! What is kept of a crash, and trying its request again.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use serde_json::Value;
use tests::plugins::root;
use tests::server::{Setup, TestServer, tenon};
use tests::wait_until;

fn ctl(server: &TestServer, arguments: &[&str]) -> Output {
    Command::new(tenon()).arg("ctl").args(arguments).current_dir(server.folder()).output().unwrap()
}

#[track_caller]
fn json(server: &TestServer, arguments: &[&str]) -> Value {
    let output = ctl(server, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {error}"))
}

/// Waits for so many records, and gives the newest.
#[track_caller]
fn record(server: &TestServer, count: usize) -> Value {
    let mut list = Value::Null;
    wait_until("there is a record", || {
        list = json(server, &["crashes", "--json"]);
        list.as_array().is_some_and(|list| list.len() == count)
    });
    json(server, &["crash", list[0]["id"].as_str().unwrap(), "--json"])
}

#[track_caller]
fn crash(server: &TestServer, request: &str) {
    let mut client = server.client();
    client.send(request);
    assert_eq!(client.response().status, 500);
}

/// The line of a source file with this text, from 1.
fn line_of(file: &str, text: &str) -> usize {
    let source = std::fs::read_to_string(root().join(file)).unwrap();
    source.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn a_record_says_what_happened_in_which_request_and_where() {
    let server = Setup::new().plugin("crashes").start();
    crash(&server, "GET /crashes.py/null?x=1 HTTP/1.1\r\nHost: t\r\nCookie: secret-1\r\n\r\n");
    let record = record(&server, 1);
    assert_eq!((&record["event"], &record["address"]), (&"SIGSEGV".into(), &"0x0".into()));
    assert_eq!(record["plugin"]["name"], "crashes");
    let status = json(&server, &["status", "--json"]);
    assert_eq!(record["plugin"]["library"]["Ok"]["hash"], status["plugins"][0]["hash"]);
    assert_eq!(record["plugin"]["library"]["Ok"]["version"], status["plugins"][0]["version"]);
    assert_eq!(record["request"]["line"], "GET /crashes.py/null?x=1 HTTP/1.1");
    assert_eq!(record["lines"], serde_json::json!([["info", "called"]]));
    let frame = |index: usize| &record["frames"][index];
    assert_eq!(frame(0)["function"], "read_null");
    let line = line_of("tests/plugins/crashes.c", "static int read_null(void)");
    let location = frame(0)["location"].as_str().unwrap();
    assert!(location.ends_with(&format!("tests/plugins/crashes.c:{line}")), "{location}");
    assert_eq!(frame(1)["function"], "application");
    let line = line_of("tests/plugins/crashes.c", "is(env, \"/null\")");
    let location = frame(1)["location"].as_str().unwrap();
    assert!(location.ends_with(&format!("tests/plugins/crashes.c:{line}")), "{location}");
    let notes = Command::new("readelf").arg("-n").arg(server.plugins().join("crashes.so")).output();
    let notes = String::from_utf8(notes.unwrap().stdout).unwrap();
    let build_id = notes.split("Build ID: ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(frame(0)["build_id"], build_id);

    let id = record["id"].as_str().unwrap();
    let file = server.plugins().join(format!(".tenon/crashes/{id}.json"));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("Cookie") || text.contains("cookie"));
    assert!(!text.contains("secret-1"), "values are not kept");
    let headline =
        "plugin crashes crashed with SIGSEGV (nothing is mapped there) at 0x0 in read_null";
    assert_eq!(server.log().matches(headline).count(), 1, "{}", server.log());
    let shown = String::from_utf8(ctl(&server, &["crash", id]).stdout).unwrap();
    for part in [headline, "called", "application at ", "cookie: ********"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let list = String::from_utf8(ctl(&server, &["crashes"]).stdout).unwrap();
    assert!(list.contains(id) && list.contains("read_null (plugins/crashes.c:"), "{list}");
}

#[test]
fn other_ends_leave_a_record_too() {
    let server = Setup::new().plugin("crashes").start();
    for (count, (path, event)) in
        [("abort", "SIGABRT"), ("fpe", "SIGFPE"), ("overflow", "SIGSEGV"), ("exit", "exit")]
            .into_iter()
            .enumerate()
    {
        crash(&server, &format!("GET /crashes.py/{path} HTTP/1.1\r\nHost: t\r\n\r\n"));
        let record = record(&server, count + 1);
        assert_eq!(record["event"], event, "{path}: {record:#}");
        let frames = record["frames"].as_array().unwrap();
        let is_in = |name: &str| frames.iter().any(|frame| frame["function"] == name);
        let expected = if path == "overflow" { "recurse" } else { "application" };
        assert!(is_in(expected), "{path}: {record:#}");
    }
}

#[test]
fn a_request_is_run_again_against_the_library_that_crashed() {
    let server = Setup::new().plugin("crashes").start();
    crash(&server, "GET /crashes.py/null HTTP/1.1\r\nHost: t\r\n\r\n");
    let id = record(&server, 1)["id"].as_str().unwrap().to_owned();
    // The plugin has been replaced meanwhile.
    server.drop_in(&tests::plugins::library("a"), "crashes");
    wait_until("it is replaced", || {
        server.client().get("/crashes.py").text() == "<h1>hello a.py</h1>"
    });
    let output = ctl(&server, &["crash", "replay", &id]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}{error}");
    assert!(text.contains("-- it crashed with SIGSEGV"), "{text}");

    let output = ctl(&server, &["crash", "replay", &id, "--gdb"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("SIGSEGV") && text.contains("in application ("), "{text}");
    let output = ctl(&server, &["crash", "replay", &id, "--valgrind"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("Invalid read of size 4") && error.contains("read_null"), "{error}");
    let output = ctl(&server, &["crash", "replay", "no-such-record"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no record no-such-record"));
}
