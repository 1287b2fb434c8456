//! The lab of chapter 6: the models of servers, and that they leave nothing behind.

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::Value;
use tests::client::Client;
use tests::labs::{lines, pass, run, serve};
use tests::server::{TestServer, children_of};
use tests::wait_until;

#[test]
fn handshake_and_close_are_seen_on_the_wire() {
    let server = serve(&["servers"], "");
    let answer = pass(&server, "servers", "handshake?message=hello");
    let lines = lines(&answer);
    let segments: Vec<_> = lines.iter().filter(|line| line.starts_with("c ")).collect();
    // RFC 9293: SYN and FIN take a number each, five bytes take five.
    assert_eq!(*segments[0], "c ─→ s SYN  seq=0");
    assert_eq!(*segments[1], "c ←─ s SYN+ACK  seq=0 ack=1");
    assert_eq!(*segments[2], "c ─→ s ACK  seq=1 ack=1");
    assert_eq!(**segments.last().unwrap(), "c ─→ s ACK  seq=7 ack=7");
    assert_eq!(answer["pictures"].as_array().unwrap().len(), 1);
    assert_eq!(answer["files"][0]["name"], "handshake.pcap");
    pass(&server, "servers", "handshake?server=at_once&message=");
}

#[test]
fn a_missing_privilege_is_said_in_words() {
    // The bounding set is this thread's, and that of what it starts.
    let answer = std::thread::spawn(|| {
        let _ = remove_capability_from_bounding_set(CapabilitySet::NET_RAW);
        let server = serve(&["servers"], "");
        run(&server, "servers", "handshake")
    });
    let answer = answer.join().unwrap();
    assert_eq!(answer["outcome"], "error");
    assert!(lines(&answer).iter().any(|line| line.contains("CAP_NET_RAW")), "{answer:#}");
}

#[test]
fn every_model_serves_its_clients() {
    let server = serve(&["servers"], "");
    for model in ["one_by_one", "process", "thread", "nonblocking", "select", "poll", "epoll"] {
        let answer = pass(&server, "servers", &format!("talk?clients=4&model={model}&message=x"));
        for number in 1..=4 {
            let said =
                lines(&answer).into_iter().filter(|line| line.ends_with(&format!(">: x {number}")));
            assert_eq!(said.count(), 1, "{model} logs each message once");
        }
    }
}

#[test]
fn what_the_lesson_has_wrong_is_wrong_and_what_is_right_is_right() {
    let server = serve(&["servers"], "");
    for experiment in ["wrong_socket", "edge", "edge?size=1024", "edge?size=20000", "web"] {
        pass(&server, "servers", experiment);
    }
    let answer = run(&server, "servers", "web?lang=zh");
    assert_eq!(answer["checks"].as_array().unwrap().len(), 10);
    assert_eq!(answer["checks"][0]["found"], "HTTP/1.1200 OK (拒绝)");
}

#[test]
fn select_is_limited_by_the_number_of_a_descriptor() {
    let server = serve(&["servers"], "");
    let answer = pass(&server, "servers", "limit?clients=1100");
    let served = |index: usize| answer["checks"][index]["found"].as_str().unwrap().parse().unwrap();
    let [select, poll, epoll]: [usize; 3] = [served(1), served(2), served(3)];
    assert!((1000..1024).contains(&select), "1024 less those that are taken: {select}");
    assert_eq!((poll, epoll), (1100, 1100));
}

#[test]
fn one_load_runs_over_all_models() {
    let server = serve(&["servers"], "");
    let answer = pass(&server, "servers", "compare?window=20&most=1000");
    assert_eq!(answer["checks"].as_array().unwrap().len(), 7);
    assert_eq!(answer["pictures"].as_array().unwrap().len(), 3);
    let table = answer["files"][0]["base64"].as_str().unwrap();
    assert!(!table.is_empty());
    let measured = lines(&answer).into_iter().filter(|line| line.contains("messages/s"));
    assert_eq!(measured.count(), 7 * 4);
}

#[test]
fn wrong_parameters_are_refused() {
    let server = serve(&["servers"], "");
    for (query, field) in [
        ("talk?model=fork", "model"),
        ("talk?clients=11", "clients"),
        ("compare?window=0", "window"),
        ("limit?clients=100000", "clients"),
        ("edge?size=x", "size"),
    ] {
        let response = server.client().get(&format!("/servers.py/run/{query}"));
        assert_eq!(response.status, 400, "{query}");
        let refusal: Value = serde_json::from_str(&response.text()).unwrap();
        assert_eq!(refusal["fields"][0]["name"], field, "{refusal}");
    }
}

/// Starts an experiment as a browser does.
fn begin(server: &TestServer, path: &str) -> Client {
    let mut client = server.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n"));
    client
}

#[test]
fn a_browser_that_goes_away_ends_its_experiment() {
    let server = serve(&["servers"], "");
    let worker = server.workers()[0];
    let mut client = begin(&server, "/servers.py/run/compare?window=1000");
    // The second model has begun: processes of processes are there.
    client.take_until(b"process per connection");
    assert!(!children_of(worker).is_empty());
    drop(client);
    wait_until("the experiment and all its servers are gone", || children_of(worker).is_empty());
}

#[test]
fn fifty_clients_at_every_button_leave_other_plugins_unharmed() {
    let server = serve(&["servers", "regex", "a"], "");
    let paths = [
        "servers.py/run/compare",
        "servers.py/run/limit",
        "servers.py/run/talk",
        "servers.py/run/wrong_socket",
        "servers.py/run/edge",
        "servers.py/run/web",
        "servers.py/run/handshake",
        "regex.py/run/workbench",
        "regex.py/run/chapter",
        "regex.py/run/catastrophe",
        "regex.py/run/generated",
    ];
    let pressed: Vec<_> = (0..50)
        .map(|number| begin(&server, &format!("/{}", paths[number % paths.len()])))
        .collect();
    let mut client = server.client();
    for _ in 0..300 {
        assert_eq!(client.get("/a.py").text(), "<h1>hello a.py</h1>");
    }
    for mut client in pressed {
        // Each has been answered, with its experiment or a place in the queue; then it leaves.
        client.take_until(b"HTTP/1.1 200 OK");
    }
    let worker = server.workers()[0];
    wait_until("nothing is left of them", || children_of(worker).is_empty());
    assert_eq!(server.client().get("/a.py").text(), "<h1>hello a.py</h1>");
}
