//! Browsers, `nc`, `socat` and the lesson's programs in one room.

use std::net::{TcpStream, UdpSocket};

use serde_json::Value;
use tests::browser::Browser;
use tests::labs::names;
use tests::net::{Events, Program, free_tcp_port, free_udp_port};
use tests::plugins::root;
use tests::server::{Setup, TestServer};
use tests::{PATIENCE, wait_until};

/// Two workers: requests of one browser reach either.
fn serve(lab: &str, port: u16) -> TestServer {
    assert!(names().contains(&lab.to_owned()));
    let html = root().join("html").canonicalize().unwrap();
    Setup::new()
        .plugin(lab)
        .arguments(&["--html", html.to_str().unwrap(), "--workers", "2"])
        .config(&format!("[plugin.{lab}]\nconfig = {{ room_port = {port} }}"))
        .start()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// A script in the room.
fn join(server: &TestServer, lab: &str, name: &str, charset: &str) -> Events {
    let name = encoded(name);
    let events =
        Events::open(server, &format!("/{lab}.py/room/events?name={name}&charset={charset}"));
    events.wait_for("joined", "own");
    events
}

fn post(server: &TestServer, lab: &str, body: &str) -> (u16, Value) {
    let mut client = server.client();
    client.send(format!(
        "POST /{lab}.py/room/say HTTP/1.1\r\nHost: t\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let response = client.response();
    (response.status, serde_json::from_slice(&response.body).unwrap())
}

fn say(server: &TestServer, lab: &str, member: &Events, text: &str) {
    let session = member.of_kind("session")[0]["session"].as_str().unwrap().to_owned();
    let (status, answer) = post(server, lab, &format!("session={session}&text={}", encoded(text)));
    assert_eq!(status, 202, "{answer:#}");
}

#[test]
fn browsers_and_plain_programs_meet_in_the_udp_room() {
    let port = free_udp_port();
    let server = serve("udp", port);
    let (first, second) =
        (join(&server, "udp", "李白", "utf-8"), join(&server, "udp", "Bob", "gbk"));
    // The lesson's program speaks GBK; netcat what its terminal speaks.
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    plain.connect(("127.0.0.1", port)).unwrap();
    let mut netcat = Program::start("nc", &["-u", "127.0.0.1", &port.to_string()]);
    netcat.type_in("/name 网猫\n".as_bytes());
    netcat.wait_for("网猫".as_bytes());
    plain.send(b"\xc4\xe3\xba\xc3").unwrap();
    for member in [&first, &second] {
        member.wait_for("message", "你好");
        member.wait_for("message", "网猫 加入");
    }
    netcat.wait_for("你好".as_bytes());
    // Ten requests, so that both workers have some.
    for number in 0..10 {
        say(&server, "udp", &first, &format!("第{number}句"));
    }
    let last = second.wait_for("message", "第9句");
    assert!(last["text"].as_str().unwrap().starts_with("李白 <127.0.0.1:"), "{last}");
    assert!(last["bytes"].as_str().unwrap().starts_with("c0 ee b0 d7"), "GBK on the wire: {last}");
    netcat.wait_for("第9句".as_bytes());
    let mut buffer = [0; 2048];
    // 第9句 in GBK.
    wait_until("the plain program hears it in GBK", || {
        let length = plain.recv(&mut buffer).unwrap();
        buffer[..length].windows(5).any(|part| part == b"\xb5\xda9\xbe\xe4")
    });
    netcat.type_in("从 nc 来\n".as_bytes());
    first.wait_for("message", "网猫 <");
    second.wait_for("message", "从 nc 来");
    // A browser that goes away leaves the room.
    drop(second);
    first.wait_for("message", "Bob 离开");
}

#[test]
fn netcat_socat_and_browsers_meet_in_the_tcp_room() {
    let port = free_tcp_port();
    let server = serve("tcp", port);
    let member = join(&server, "tcp", "李白", "utf-8");
    let address = format!("TCP:127.0.0.1:{port}");
    let mut netcat = Program::start("nc", &["127.0.0.1", &port.to_string()]);
    let mut socat = Program::start("socat", &["-", &address]);
    netcat.type_in("/name netcat\n".as_bytes());
    socat.type_in("/name socat\n".as_bytes());
    member.wait_for("message", "netcat 加入");
    member.wait_for("message", "socat 加入");
    netcat.type_in("你好，socat\n".as_bytes());
    socat.wait_for("netcat <127.0.0.1:".as_bytes());
    socat.wait_for("你好，socat".as_bytes());
    member.wait_for("message", "你好，socat");
    say(&server, "tcp", &member, "大家好");
    netcat.wait_for("大家好".as_bytes());
    socat.wait_for("大家好".as_bytes());
    // The lesson's client sends no line end, in GBK.
    let lesson = TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut &lesson, b"\xce\xd2\xca\xc7\xbf\xcd\xbb\xa7\xb6\xcb").unwrap();
    member.wait_for("message", "我是客户端");
    drop(lesson);
    drop(netcat);
    member.wait_for("message", "netcat 离开");
}

/// When the worker that has the room ends, the others take it over.
#[test]
fn a_room_outlives_its_worker() {
    for (lab, port) in [("udp", free_udp_port()), ("tcp", free_tcp_port())] {
        let server = serve(lab, port).unchecked();
        let members: Vec<_> =
            (0..6).map(|number| join(&server, lab, &format!("member{number}"), "utf-8")).collect();
        let workers = server.workers();
        assert_eq!(workers.len(), 2);
        tests::server::send_signal(workers[0], rustix::process::Signal::KILL);
        wait_until("the worker is gone", || !tests::server::is_running(workers[0]));
        // Newcomers find a room, and whoever was in the other worker is in it again.
        let (one, other) =
            (join(&server, lab, "one", "utf-8"), join(&server, lab, "other", "utf-8"));
        let has_heard = |member: &Events| {
            let events = member.of_kind("message");
            events.iter().any(|event| event.to_string().contains("anybody?"))
        };
        let mut round = 0;
        wait_until("everybody who is left hears the newcomer", || {
            // Once in a while: a room does not take too much of one member.
            round += 1;
            if round % 50 == 1 {
                say(&server, lab, &one, "anybody?");
            }
            has_heard(&other)
                && members.iter().all(|member| member.has_ended() || has_heard(member))
        });
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let server = serve("udp", free_udp_port());
    let (status, _) = post(&server, "udp", "session=nobody&text=x");
    assert_eq!(status, 410);
    let (status, answer) = post(&server, "udp", "session=x&charset=gbk&text=%F0%9F%98%80");
    assert_eq!((status, &answer["fields"][0]["name"]), (400, &Value::from("text")));
    let (status, answer) = post(&server, "udp", &format!("session=x&text={}", "y".repeat(1001)));
    assert_eq!((status, &answer["fields"][0]["name"]), (400, &Value::from("text")));
    let (status, _) = post(&server, "udp", "session=x&text=%20");
    assert_eq!(status, 400);
    assert_eq!(server.client().get("/udp.py/room/say").status, 405);
}

/// Two people with a browser each, and one with a terminal.
#[test]
fn two_browsers_talk_on_the_page() {
    let port = free_tcp_port();
    let server = serve("tcp", port);
    let url = format!("http://{}/tcp.py/room", server.address());
    let people = [("zh-CN", "李白"), ("en", "Ann")].map(|(tag, name)| {
        let browser = Browser::start(tag);
        browser.open(&url);
        assert_eq!(browser.run("return document.documentElement.lang"), tag);
        browser.run(&format!(
            "const join = document.querySelector('.join'); join.elements.name.value = '{name}'; \
             join.requestSubmit();"
        ));
        let state = "return document.querySelector('.chat').dataset.state";
        wait_until("it has joined", || browser.run(state) == "joined");
        browser
    });
    let mut netcat = Program::start("nc", &["127.0.0.1", &port.to_string()]);
    netcat.type_in(b"hello from nc\n");
    let talk = "return document.querySelector('.talk').innerText";
    let has = |browser: &Browser, words: &str| browser.run(talk).as_str().unwrap().contains(words);
    for browser in &people {
        wait_until("both see netcat's line", || has(browser, "hello from nc"));
    }
    people[0].run(
        "const say = document.querySelector('.say'); say.elements.text.value = '床前明月光'; \
         say.requestSubmit();",
    );
    wait_until("the other browser sees it", || has(&people[1], "床前明月光"));
    wait_until("with its bytes", || has(&people[1], "e5 ba 8a"));
    netcat.wait_for("李白 <".as_bytes());
    people[1].run("document.querySelector('.join .stop').click();");
    wait_until("he is told that she has left", || has(&people[0], "Ann 离开"));
    people[0].run("document.querySelector('.join .stop').click();");
    for (browser, name) in people.iter().zip(["zh", "en"]) {
        let state = "return document.querySelector('.chat').dataset.state";
        wait_until("both have left", || browser.run(state) == "left");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
        browser.set_view(360, 740, false);
        let width = browser.run("return document.documentElement.scrollWidth");
        assert!(width.as_u64().is_some_and(|width| width <= 360), "{width} pixels wide");
        if let Some(folder) = std::env::var_os("TENON_SCREENSHOTS") {
            let folder = std::path::PathBuf::from(folder);
            browser.screenshot(&folder.join(format!("chat-{name}-narrow.png")));
            browser.set_view(1200, 900, name == "en");
            browser.screenshot(&folder.join(format!("chat-{name}-wide.png")));
        }
    }
}
