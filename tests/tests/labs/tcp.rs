//! Chapter 5: what the lesson and the standards say.

use tests::labs::{lines, pass, serve};
use tests::server::TestServer;

fn lab() -> TestServer {
    serve(&["tcp"], "")
}

/// RFC 9293: three segments open a connection, a FIN closes each half of it.
#[test]
fn a_connection_opens_with_three_segments_and_closes_with_two_fins() {
    let server = lab();
    let answer = pass(&server, "tcp", "server");
    let picture = answer["pictures"][0]["svg"].as_str().unwrap();
    assert!(picture.contains("SYN,ACK"), "{picture}");
    let answer = pass(&server, "tcp", "close?lang=en&reads=50");
    let checks = answer["checks"].as_array().unwrap();
    let found: Vec<_> = checks.iter().map(|check| check["found"].as_str().unwrap()).collect();
    assert_eq!(found, ["CLOSE_WAIT", "FIN_WAIT2", "answer", "50", "TIME_WAIT", "2"]);
    assert!(lines(&answer).iter().any(|line| line.contains("50 empty lines")));
}

#[test]
fn a_stream_has_no_borders() {
    let server = lab();
    let answer =
        pass(&server, "tcp", "framing?messages=ab%0Acd%0Aef&long=5000&charset=gbk&lang=en");
    let texts = lines(&answer);
    assert!(
        texts.iter().any(|line| line.contains("one recv(4096) = 6 bytes: “abcdef”")),
        "{texts:#?}"
    );
    assert!(texts.iter().any(|line| line.contains("a long message of 10001 bytes")), "{texts:#?}");
    let answer = pass(&server, "tcp", "partial?megabytes=8");
    let taken: usize = answer["values"]["taken"].as_str().unwrap().parse().unwrap();
    assert!(taken < 8 << 20, "{taken}");
}

#[test]
fn resets_and_restarts_are_as_the_manual_says() {
    let server = lab();
    pass(&server, "tcp", "reset");
    pass(&server, "tcp", "reuse");
    // listen(2): the queue of Linux holds one more than the number.
    let answer = pass(&server, "tcp", "backlog?backlog=3");
    assert_eq!(answer["checks"][0]["found"], "4");
}

/// As many as the lesson's program, which has one, could not serve.
#[test]
fn many_clients_speak_at_the_same_time() {
    let answer = pass(&lab(), "tcp", "room?clients=12&messages=5");
    let checks = answer["checks"].as_array().unwrap();
    let found: Vec<_> = checks.iter().filter_map(|check| check["found"].as_str()).collect();
    let have_heard_all =
        (1..=12).filter(|number| found.contains(&format!("客户{number}: 55").as_str()));
    assert_eq!(have_heard_all.count(), 12, "{answer:#}");
}
