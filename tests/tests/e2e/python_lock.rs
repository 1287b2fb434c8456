//! Applications share Python's lock: those that compute take turns and keep nobody else waiting, and
//! those that wait do so side by side.

use tests::client::Client;
use tests::plugins::root;
use tests::server::{Setup, TestServer};

/// Three threads may be in the application, and one is always left.
fn server() -> TestServer {
    server_with("")
}

fn server_with(config: &str) -> TestServer {
    let setup = Setup::new().plugin("python").plugin("a").arguments(&["--threads", "4"]);
    let setup = setup.config(config);
    std::fs::copy(root().join("tests/python/lock.py"), setup.plugins().join("lock.py")).unwrap();
    setup.start()
}

fn ask(client: &mut Client, what: &str) {
    client.send(format!("GET /lock.py/{what} HTTP/1.1\r\nHost: t\r\n\r\n"));
}

/// `sum(range(20_000))`, by the formula.
const SUM: u64 = 20_000 * 19_999 / 2;

/// The server has learned by now that the application computes.
fn compute_for_a_while(server: &TestServer) {
    let mut client = server.client();
    for number in 0..100 {
        let answer = client.get(&format!("/lock.py/compute?{number}"));
        assert_eq!(answer.text(), format!("{number} {SUM}"));
    }
}

#[test]
fn those_who_wait_for_each_other_are_inside_together() {
    let server = server();
    compute_for_a_while(&server);
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    for _ in 0..100 {
        for client in &mut clients {
            ask(client, "together");
        }
        for client in &mut clients {
            assert_eq!(client.response().text(), "together");
        }
    }
}

#[test]
fn who_computes_delays_nobody_else() {
    let server = server();
    compute_for_a_while(&server);
    let mut spinning: Vec<_> = (0..2).map(|_| server.client()).collect();
    for client in &mut spinning {
        ask(client, "spin");
    }
    let mut client = server.client();
    for _ in 0..50 {
        assert_eq!(client.get("/a.py").status, 200);
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(client.get("/lock.py/stop?another").text(), "another", "Python itself, too");
    for client in &mut spinning {
        assert_eq!(client.response().text(), "stopped");
    }
}

#[test]
fn answers_that_leave_together_do_not_mix() {
    let server = server();
    compute_for_a_while(&server);
    let mut clients: Vec<_> = (0..32).map(|_| server.client()).collect();
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            for request in 0..3 {
                ask(client, &format!("compute?{round}-{number}-{request}"));
            }
        }
        assert_eq!(server.client().get("/a.py").status, 200);
        for (number, client) in clients.iter_mut().enumerate() {
            for request in 0..3 {
                let expected = format!("{round}-{number}-{request} {SUM}");
                assert_eq!(client.response().text(), expected);
            }
        }
    }
}

/// Who is in Python too when a thread crashes there never gets its lock: with three seats those are two
/// requests at the most. All that wait for their turn, or for others to leave with, lose nothing.
#[test]
fn a_crash_costs_those_who_are_inside() {
    let server = server_with("[timeouts]\ndrain = \"2s\"");
    compute_for_a_while(&server);
    let mut clients: Vec<_> = (0..16).map(|_| server.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        match number {
            8 => ask(client, "crash"),
            _ => ask(client, &format!("compute?{number}")),
        }
    }
    let mut lost = 0;
    for (number, client) in clients.iter_mut().enumerate() {
        match client.try_response() {
            Ok(answer) if number == 8 => assert_eq!(answer.status, 500),
            Ok(answer) => assert_eq!(answer.text(), format!("{number} {SUM}")),
            Err(_) => lost += 1,
        }
    }
    assert!(lost <= 2, "{lost} requests were lost");
}
