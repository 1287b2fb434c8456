//! `tenon ctl` against a running server.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;
use tests::plugins::library;
use tests::server::{Setup, TestServer, tenon};
use tests::wait_until;

fn ctl(server: &TestServer, arguments: &[&str]) -> Output {
    Command::new(tenon()).arg("ctl").args(arguments).current_dir(server.folder()).output().unwrap()
}

#[track_caller]
fn said(server: &TestServer, arguments: &[&str]) -> String {
    let output = ctl(server, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn json(server: &TestServer, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(server, arguments)).unwrap()
}

/// The control socket of a server in its usual place.
fn socket(server: &TestServer) -> PathBuf {
    let folder = std::fs::read_dir(server.plugins().join(".tenon")).unwrap();
    let mut paths = folder.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|end| end == "sock")).unwrap()
}

#[test]
fn status_says_what_is_served_and_why_not() {
    let server = Setup::new().plugin("a").plugin("wrong_major").start();
    let status = json(&server, &["status", "--json"]);
    assert_eq!(status["pid"], server.pid());
    assert_eq!(status["listening"][0], server.address().to_string());
    assert_eq!(status["generation"], 1);
    assert_eq!(status["workers"][0]["pid"], server.workers()[0]);
    assert_eq!(status["workers"][0]["phase"], "serving");
    let [a, wrong] = status["plugins"].as_array().unwrap().as_slice() else { panic!("{status}") };
    let sum = Command::new("sha256sum").arg(server.plugins().join("a.so")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(a["hash"], sum.split(' ').next().unwrap());
    assert_eq!((&a["name"], &a["version"]), (&"a".into(), &"1.0".into()));
    assert!(a["refusal"].is_null() && wrong["hash"].is_null());
    assert!(wrong["refusal"].as_str().unwrap().contains("it is made for CSGI 2"), "{wrong}");
    let text = said(&server, &["status"]);
    assert!(text.contains("generation 1") && text.contains("not served: "), "{text}");

    // A newer file that fails changes nothing, and is said.
    server.drop_in(&library("init_error"), "a");
    wait_until("the new file is refused", || {
        let status = json(&server, &["status", "--json"]);
        let refusal = status["plugins"][0]["refusal"].as_str().unwrap_or_default().to_owned();
        refusal.contains("no database")
            && status["plugins"][0]["hash"] == sum.split(' ').next().unwrap()
    });
    assert!(said(&server, &["status"]).contains("served, but not its newest file"));
}

#[test]
fn top_shows_what_is_in_flight() {
    let server = Setup::new().plugin("features").start();
    assert_eq!(json(&server, &["top", "--json"]), Value::Array(Vec::new()));
    let mut busy = server.client();
    busy.send("GET /features.py/sleep?ms=60000 HTTP/1.1\r\nHost: t\r\n\r\n");
    let mut shown = Value::Null;
    wait_until("it grows old", || {
        shown = json(&server, &["top", "--json"]);
        shown[0]["age_ms"].as_u64().is_some_and(|age| age >= 500)
    });
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!((&shown[0]["plugin"], &shown[0]["state"]), (&"features".into(), &"running".into()));
    assert_eq!(shown[0]["worker"], server.workers()[0]);
    let text = said(&server, &["top"]);
    assert!(text.starts_with("      AGE") && text.contains("features"), "{text}");
    // It ends without waiting for the request.
    server.signal(Signal::TERM);
    server.wait_for_log("finishing what runs");
    server.signal(Signal::TERM);
    assert!(server.wait_for_end().success());
}

#[test]
fn top_shows_what_waits_too() {
    let setup = Setup::new().plugin("features").arguments(&["--threads", "2"]);
    std::fs::write(setup.folder().join("html/large"), vec![b'x'; 32_000_000]).unwrap();
    let server = setup.start();
    let ask = |request: &str| {
        let mut client = server.client();
        client.send(format!("{request} HTTP/1.1\r\nHost: t\r\n"));
        client
    };
    let mut timer = ask("GET /features.py/timer?n=2&ms=60000");
    timer.send("\r\n");
    timer.assert_readable();
    let mut upload = ask("POST /features.py/count");
    upload.send("Content-Length: 9\r\n\r\nabc");
    let mut large = ask("GET /large");
    large.send("\r\n");
    large.assert_readable();
    // Two threads: one seat in plugins that may block.
    let mut sleepers = [(); 2].map(|()| ask("GET /features.py/sleep?ms=60000"));
    sleepers.iter_mut().for_each(|sleeper| sleeper.send("\r\n"));
    let expected = [
        ("features", "pending"),
        ("features", "queued"),
        ("features", "receiving"),
        ("features", "running"),
        ("null", "sending"),
    ];
    wait_until("all of them are shown", || {
        let shown = json(&server, &["top", "--json"]);
        let mut found: Vec<_> = shown.as_array().unwrap().iter().map(described).collect();
        found.sort_unstable();
        found == expected.map(|(plugin, state)| (plugin.to_owned(), state.to_owned()))
    });
    let text = said(&server, &["top"]);
    assert!(text.contains("(file)") && text.contains("queued"), "{text}");
    // Looking disturbed nobody.
    upload.send("defghi");
    large.response();
    server.signal(Signal::TERM);
    server.wait_for_log("finishing what runs");
    server.signal(Signal::TERM);
    assert!(server.wait_for_end().success());
}

fn described(request: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    (text(&request["plugin"]), text(&request["state"]))
}

#[test]
fn reload_comes_back_when_the_new_generation_serves() {
    let server = Setup::new().plugin("a").config("server_name = \"one\"").start();
    let file = server.folder().join("tenon.toml");
    std::fs::write(&file, "server_name = \"two\"").unwrap();
    assert_eq!(said(&server, &["reload"]), "generation 2 serves now\n");
    assert_eq!(server.client().get("/").header("server"), Some("two"));
    std::fs::write(&file, "plugins = 7").unwrap();
    let output = ctl(&server, &["--plugins", "plugins", "--config", "/dev/null", "reload"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("tenon.toml:1: "), "the server's own words: {error}");
    assert_eq!(server.client().get("/").header("server"), Some("two"));
    std::fs::write(&file, "").unwrap();
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let server = Setup::new().plugin("a").start();
    let socket = socket(&server);
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // Even where the file would let somebody in.
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    for folder in [server.folder().to_owned(), server.plugins(), server.plugins().join(".tenon")] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    if rustix::process::geteuid().is_root() {
        let program = server.folder().join("tenon");
        std::fs::copy(tenon(), &program).unwrap();
        let output = Command::new(&program)
            .args(["ctl", "--control"])
            .arg(&socket)
            .arg("status")
            .current_dir(server.folder())
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains("this server belongs to user 0"), "{error}");
    }
    drop(server);
    assert!(!socket.exists(), "it is removed at the end");
}

#[test]
fn two_servers_of_one_folder_are_told_apart() {
    let first = Setup::new().plugin("a").start();
    let plugins = first.plugins().display().to_string();
    let second = Setup::new().arguments(&["--plugins", &plugins]).start();
    let output = ctl(&first, &["status"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("several servers serve plugins"), "{error}");
    let name = format!("-{}.sock", second.pid());
    let path = error.split([' ', ',', '\n']).find(|word| word.ends_with(&name)).unwrap();
    assert_eq!(json(&first, &["--control", path, "status", "--json"])["pid"], second.pid());
    // One that was killed leaves a socket behind, which is no server.
    let second = second.unchecked();
    let workers = second.workers();
    second.signal(Signal::KILL);
    second.wait_for_end();
    wait_until("the workers are gone", || {
        !workers.iter().any(|worker| tests::server::is_running(*worker))
    });
    assert_eq!(json(&first, &["status", "--json"])["pid"], first.pid());
}

#[test]
fn the_place_of_the_socket_can_be_chosen() {
    let deep = "d".repeat(120);
    let config = format!("control = \"{deep}/ctl.sock\"");
    let setup = Setup::new().config(&config);
    std::fs::create_dir(setup.folder().join(&deep)).unwrap();
    let server = setup.start();
    assert!(server.folder().join(&deep).join("ctl.sock").exists(), "longer than the kernel takes");
    assert_eq!(json(&server, &["status", "--json"])["pid"], server.pid());
    let other = Setup::new()
        .config(&format!("control = \"{}/{deep}/ctl.sock\"", server.folder().display()))
        .spawn();
    wait_until("a second server with this socket ends", || other.has_ended());
    assert!(other.log().contains("another server may have it"), "{}", other.log());
    let other = other.unchecked();
    drop(other);

    let off = Setup::new().config("control = \"\"").start();
    let output = ctl(&off, &["status"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no control socket"));
    let folder = std::fs::read_dir(off.plugins().join(".tenon")).unwrap();
    let mut names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.ends_with(".sock")), "there is no socket");
}

#[test]
fn what_is_not_the_protocol_is_refused() {
    let server = Setup::new().start();
    let stream = UnixStream::connect(socket(&server)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |line: &str| {
        (&stream).write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        reader.read_line(&mut answer).unwrap();
        answer
    };
    assert!(ask("nonsense\n").starts_with(r#"{"version":1,"error":"cannot understand"#));
    assert!(ask("{\"version\":2,\"command\":\"status\"}\n").contains("speaks version 1"));
    assert!(ask("{\"version\":1,\"command\":\"dance\"}\n").contains("unknown variant `dance`"));
    assert!(ask("{\"version\":1,\"command\":\"top\"}\n").contains("\"result\":[]"), "still there");
    let long = format!("{}\n", "x".repeat(70_000));
    assert!(ask(&long).contains("one line of at most 64 KiB"));
}
