//! The access log: what its lines say, where they go, and that no request waits for it.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tests::server::{Setup, TestServer};
use tests::{PATIENCE, wait_until};

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_for_lines(path: &Path, count: usize) -> Vec<String> {
    wait_until("the lines are written", || lines(path).len() >= count);
    lines(path)
}

fn logging(format: &str) -> TestServer {
    let config = format!("access_log = \"access\"\naccess_log_format = {format}");
    Setup::new().plugin("features").plugin("a").config(&config).start()
}

#[test]
fn json_says_everything() {
    let server = logging("\"json\"");
    let path = server.folder().join("access");
    let mut client = server.client();
    client.send(
        "GET /features.py/sleep?ms=30 HTTP/1.1\r\nHost: h\r\nUser-Agent: a\"b\\\x1f\r\n\r\n"
            .replace('\x1f', "\t"),
    );
    client.response();
    client.get("/");
    let lines = wait_for_lines(&path, 2);
    // Each thread gathers its own, and there may have been two.
    let find = |name: &str| -> serde_json::Value {
        let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
        let mut found = lines.filter(|line: &serde_json::Value| line["plugin"] == name);
        found.next().unwrap_or_else(|| panic!("nothing of {name}"))
    };
    let (plugin, file) = (find("features"), find("-"));
    assert_eq!((&plugin["generation"], &plugin["worker"]), (&1.into(), &0.into()));
    assert_eq!((&plugin["status"], &plugin["bytes"]), (&200.into(), &5.into()));
    assert_eq!(plugin["user_agent"], "a\"b\\");
    assert_eq!(plugin["request_id"].as_str().unwrap().len(), 32);
    let (in_plugin, total) =
        (plugin["time_plugin"].as_f64().unwrap(), plugin["time_total"].as_f64().unwrap());
    assert!(in_plugin >= 0.03 && total >= in_plugin, "{plugin}");
    assert_eq!(file["target"], "/");
}

#[test]
fn requests_that_come_again_have_a_line_and_an_id_each() {
    let server = logging("\"json\"");
    let mut client = server.client();
    let sizes: Vec<_> = (0..5).map(|_| client.get("/a.py").body.len() as u64).collect();
    let lines = wait_for_lines(&server.folder().join("access"), 5);
    let lines: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, size) in lines.iter().zip(sizes) {
        assert_eq!((&line["status"], &line["bytes"]), (&200.into(), &size.into()), "{line}");
        assert_eq!((&line["target"], &line["plugin"]), (&"/a.py".into(), &"a".into()), "{line}");
    }
    let ids = lines.iter().map(|line| line["request_id"].as_str().unwrap());
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), 5, "{lines:?}");
}

#[test]
fn time_in_the_queue_is_told_from_time_in_the_plugin() {
    let config = "threads = 2\naccess_log = \"access\"\n\
                  access_log_format = \"$target $time_queue $time_plugin\"";
    let server = Setup::new().plugin("features").config(config).start();
    let mut first = server.client();
    first.send("GET /features.py/sleep?ms=600 HTTP/1.1\r\nHost: t\r\n\r\n");
    first.assert_silent(Duration::from_millis(100));
    let mut second = server.client();
    second.send("GET /features.py/sleep?ms=1 HTTP/1.1\r\nHost: t\r\n\r\n");
    second.response();
    let lines = wait_for_lines(&server.folder().join("access"), 2);
    let line = lines.iter().find(|line| line.contains("ms=1 ")).unwrap();
    let times: Vec<f64> = line.split(' ').skip(1).map(|time| time.parse().unwrap()).collect();
    assert!(times[0] > 0.1, "it has waited: {line}");
}

#[test]
fn what_was_refused_shows_its_first_line() {
    let server = logging("\"$request|$status\"");
    let post = "POST /features.py/echo HTTP/1.1\r\nHost: t\r\n";
    let requests = [
        ("GET /none HTTP/1.1\r\nHost: t u\r\n\r\n", "GET /none HTTP/1.1|400"),
        ("GET /a\"b HTTP/1.0\r\n\r\n", "GET /a\\x22b HTTP/1.0|400"),
        ("HEAD /x HTTP/2.0\r\n\r\n", "HEAD /x HTTP/2.0|505"),
        (&format!("{post}Content-Length: 99999999\r\n\r\n"), "POST /features.py/echo HTTP/1.1|413"),
        (
            &format!("{post}Transfer-Encoding: chunked\r\n\r\nx"),
            "POST /features.py/echo HTTP/1.1|400",
        ),
        ("\u{16}\u{3}\u{1}\r\n", "-|400"),
    ];
    for (request, _) in requests {
        let mut client = server.client();
        client.send(request);
        client.rest();
    }
    let lines = wait_for_lines(&server.folder().join("access"), requests.len());
    for (_, line) in requests {
        assert!(lines.iter().any(|found| found == line), "{line}: {lines:?}");
    }
}

#[test]
fn a_line_cannot_be_forged() {
    let server = logging("\"$http_x|$request\"");
    let mut client = server.client();
    client.send(b"GET /a?\"'x HTTP/1.1\r\nHost: t\r\n\r\n".as_slice());
    client.response();
    let mut client = server.client();
    client.send(b"GET /a HTTP/1.1\r\nHost: t\r\nX: \"\\\t\xff\r\n\r\n".as_slice());
    client.response();
    let lines = wait_for_lines(&server.folder().join("access"), 2);
    // The first request is refused: a quotation mark must be encoded.
    assert_eq!(lines, ["-|GET /a?\\x22'x HTTP/1.1", "\\x22\\x5c\\x09\\xff|GET /a HTTP/1.1"]);
}

#[test]
fn a_file_that_was_moved_away_is_left_alone_after_the_signal() {
    let server = logging("\"$target\"");
    let (path, old) = (server.folder().join("access"), server.folder().join("access.1"));
    server.client().get("/before");
    wait_for_lines(&path, 1);
    std::fs::rename(&path, &old).unwrap();
    server.signal(Signal::USR1);
    wait_until("there is a new file", || path.exists());
    server.client().get("/after");
    assert_eq!(wait_for_lines(&path, 1), ["/after"]);
    assert_eq!(lines(&old), ["/before"]);
}

#[test]
fn lines_go_to_syslog() {
    let setup = Setup::new()
        .config("access_log = \"syslog:log.socket\"\naccess_log_format = \"$request $status\"");
    let socket = UnixDatagram::bind(setup.folder().join("log.socket")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = setup.start();
    server.client().get("/");
    let mut buffer = [0; 1000];
    let count = socket.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..count]);
    let worker = server.workers()[0];
    assert!(line.starts_with("<30>"), "{line}");
    assert!(line.ends_with(&format!(" tenon[{worker}]: GET / HTTP/1.1 200")), "{line}");
}

#[test]
fn no_request_waits_for_a_reader_that_has_stopped() {
    // A socket whose buffer is soon full.
    let setup = Setup::new().plugin("a").config("access_log = \"syslog:log.socket\"");
    let _socket = UnixDatagram::bind(setup.folder().join("log.socket")).unwrap();
    let server = setup.start();
    let mut client = server.client();
    let request = format!("GET /a.py HTTP/1.1\r\nHost: t\r\nReferer: {}\r\n\r\n", "x".repeat(4000));
    for _ in 0..50 {
        client.send(request.repeat(20));
        for _ in 0..20 {
            assert_eq!(client.response().status, 200);
        }
    }
    server.wait_for_log("lines are dropped");
}
