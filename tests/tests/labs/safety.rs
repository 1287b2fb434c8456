//! What an experiment does wrong stays its own: it is told, and nothing is left of it.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::client::Client;
use tests::labs::{LAB_PATIENCE, lines, run, serve};
use tests::server::{TestServer, is_running};
use tests::{PATIENCE, wait_until};

/// Processes that an answer's lines name: `pid N`.
fn pids(answer: &Value) -> Vec<u32> {
    lines(answer).iter().filter_map(|line| line.strip_prefix("pid ")?.parse().ok()).collect()
}

#[test]
fn what_exceeds_a_limit_is_ended_and_told() {
    let server = serve(&["unruly"], "");
    let answer = run(&server, "unruly", "endless");
    assert_eq!(answer["outcome"], "limit");
    assert!(answer["message"].as_str().unwrap().contains("longer than 1 s"), "{answer:#}");
    let [pid] = pids(&answer)[..] else { panic!("{answer:#}") };
    assert!(!is_running(pid));

    let answer = run(&server, "unruly", "forks");
    assert_eq!(answer["outcome"], "limit", "{answer:#}");
    assert!(answer["message"].as_str().unwrap().contains("12 are allowed"), "{answer:#}");

    let answer = run(&server, "unruly", "flood?lang=zh");
    assert_eq!(answer["outcome"], "limit");
    assert!(answer["message"].as_str().unwrap().contains("8 MiB"), "{}", answer["message"]);

    assert_eq!(run(&server, "unruly", "memory")["outcome"], "passed");
    assert_eq!(run(&server, "unruly", "elsewhere")["outcome"], "passed");
    let answer = run(&server, "unruly", "file");
    assert_eq!(answer["outcome"], "error");
    assert!(answer["message"].as_str().unwrap().contains("SIGXFSZ"), "{answer:#}");
}

#[test]
fn every_end_is_told_in_words() {
    let server = serve(&["unruly"], "");
    for (experiment, outcome, words) in [
        ("crash", "error", "SIGABRT"),
        ("panic", "error", "on purpose"),
        ("error", "error", "not possible"),
        ("unchecked", "error", "has checked nothing"),
        ("quits", "error", "status 5"),
        ("wrong", "failed", "not what the lesson says"),
    ] {
        let answer = run(&server, "unruly", experiment);
        assert_eq!(answer["outcome"], outcome, "{experiment}: {answer:#}");
        assert_eq!(answer["ok"], false);
        assert!(answer.to_string().contains(words), "{experiment}: {answer:#}");
    }
    let answer = run(&server, "unruly", "wrong");
    let check = serde_json::json!({"what": "sum", "expected": "4", "found": "5", "ok": false});
    assert_eq!(answer["checks"], serde_json::json!([check]));
    let answer = run(&server, "unruly", "prints");
    for line in ["to standard output", "to standard error", "an unfinished line"] {
        assert!(lines(&answer).contains(&line), "{line}: {answer:#}");
    }
}

#[test]
fn nothing_survives_its_experiment() {
    let server = serve(&["unruly"], "");
    let answer = run(&server, "unruly", "daemons");
    let daemons = pids(&answer);
    assert_eq!(daemons.len(), 3, "{answer:#}");
    for pid in daemons {
        assert!(!is_running(pid), "{pid} had a session of its own and two forks");
    }
}

/// Starts `sleeps` as a browser does; gives the connection and the experiment's process.
fn start_sleeping(server: &TestServer) -> (Client, u32) {
    let mut client = server.client();
    client
        .send("GET /unruly.py/run/sleeps HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n");
    let event = client.take_until(b"\"text\":\"pid ");
    assert!(event.contains("text/event-stream") && event.contains("event: line"), "{event}");
    let pid = client.take_until(b"\"").parse().unwrap();
    assert!(is_running(pid));
    (client, pid)
}

#[test]
fn a_browser_that_goes_away_ends_its_experiment() {
    let server = serve(&["unruly"], "");
    let (client, pid) = start_sleeping(&server);
    drop(client);
    wait_until("the experiment is gone", || !is_running(pid));
}

#[test]
fn a_server_that_dies_ends_its_experiments() {
    let server = serve(&["unruly"], "").unchecked();
    let (_client, pid) = start_sleeping(&server);
    for worker in server.workers() {
        tests::server::send_signal(worker, rustix::process::Signal::KILL);
    }
    wait_until("the experiment is gone", || !is_running(pid));
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let server = serve(&["unruly"], "");
    let mut client = server.client();
    let refusal = |client: &mut Client, target: &str| {
        let response = client.get(target);
        let json: Value = serde_json::from_slice(&response.body).unwrap();
        (response.status, json)
    };
    let (status, json) = refusal(&mut client, "/unruly.py/run/parameter?n=9&x=1&lang=zh");
    assert_eq!((status, &json["error"]), (400, &"parameters".into()));
    assert_eq!(
        (&json["fields"][0]["name"], &json["fields"][1]["name"]),
        (&"n".into(), &"x".into())
    );
    assert!(json["fields"][0]["message"].as_str().unwrap().contains("1 到 3"), "{json:#}");
    let (status, json) = refusal(&mut client, "/unruly.py/run/nothing");
    assert_eq!((status, &json["error"]), (404, &"not-found".into()));
    assert!(json["message"].as_str().unwrap().contains("sleeps"), "it says what there is");

    for (head, status) in [
        ("POST /unruly.py/run/parameter HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", 405),
        (
            "GET /unruly.py/run/parameter HTTP/1.1\r\nHost: t\r\nSec-Fetch-Site: cross-site\r\n\r\n",
            403,
        ),
        (
            "GET /unruly.py/run/parameter HTTP/1.1\r\nHost: t\r\nSec-Fetch-Site: same-origin\r\n\r\n",
            200,
        ),
    ] {
        client.send(head);
        assert_eq!(client.response().status, status, "{head}");
    }
    let list = client.get("/unruly.py/experiments");
    let list: Value = serde_json::from_slice(&list.body).unwrap();
    let last = list["experiments"].as_array().unwrap().last().unwrap();
    let expected =
        serde_json::json!([{"name": "n", "label": "n", "default": "2", "least": 1, "most": 3}]);
    assert_eq!(last["parameters"], expected);
}

/// Fifty clients start experiments over and over while another asks for /a.py.
#[test]
fn fifty_clients_pressing_every_button_leave_a_py_unharmed() {
    let server = serve(&["a", "process", "threads", "unruly"], "");
    let is_over = AtomicBool::new(false);
    let buttons = [
        "process.py/run/eight",
        "process.py/run/zombie",
        "process.py/run/pool",
        "process.py/run/bank",
        "threads.py/run/race",
        "threads.py/run/fixes",
        "threads.py/run/deadlock",
        "unruly.py/run/forks",
        "unruly.py/run/flood",
        "unruly.py/run/crash",
        "unruly.py/run/daemons",
    ];
    let mut answered = 0;
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        for number in 0..50 {
            let (server, is_over, buttons) = (&server, &is_over, &buttons);
            scope.spawn(move || press(server, is_over, &buttons[number % buttons.len()..]));
        }
        let end = Instant::now() + Duration::from_secs(8);
        let mut client = server.client();
        while Instant::now() < end || answered < 200 {
            let start = Instant::now();
            let response = client.get("/a.py");
            assert_eq!((response.status, response.text().as_str()), (200, "<h1>hello a.py</h1>"));
            slowest = slowest.max(start.elapsed());
            answered += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    eprintln!("{answered} answers of /a.py, the slowest after {slowest:?}");
    assert!(slowest < PATIENCE);
    let worker = server.workers()[0];
    // Experiments whose clients have gone end by themselves.
    wait_until("no experiment is left", || tests::server::children_of(worker).is_empty());
}

/// Presses one button after the other, and leaves every third answer unread.
fn press(server: &TestServer, is_over: &AtomicBool, buttons: &[&str]) {
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(LAB_PATIENCE)).unwrap();
        let target = buttons[round % buttons.len()];
        let head = format!(
            "GET /{target} HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        if round % 3 == 2 {
            continue;
        }
        let mut answer = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        while !is_over.load(Ordering::Relaxed) {
            match std::io::Read::read(&mut stream, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
            }
        }
        if !is_over.load(Ordering::Relaxed) {
            let answer = String::from_utf8_lossy(&answer);
            assert!(
                answer.contains("event: end") || answer.contains(" 503 "),
                "{target}: {answer}"
            );
        }
    }
}
