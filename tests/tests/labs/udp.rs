//! Chapter 4: what the lesson, the standards, Python and a real analyser say.

use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tests::labs::{lines, pass, run, serve};
use tests::net::{Events, free_udp_port};
use tests::server::TestServer;
use tests::wait_until;

fn lab() -> TestServer {
    serve(&["udp"], "")
}

/// What a program prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn python(program: &str) -> String {
    output(Command::new("python3").args(["-c", program]))
}

#[test]
fn a_datagram_longer_than_the_buffer_loses_its_end() {
    let answer = pass(&lab(), "udp", "exchange?text=abcdefgh&buffer=4&lang=en");
    assert_eq!(answer["checks"][0]["found"], "61 62 63 64");
    assert!(lines(&answer).iter().any(|line| line.contains("4 are lost")), "{answer:#}");
}

/// The bytes are Python's.
#[test]
fn texts_have_the_bytes_that_python_gives() {
    let server = lab();
    for text in ["你好 hello", "飞秋", "ascii", "榫卯，2026"] {
        let query: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = pass(&server, "udp", &format!("encoding?text={query}"));
        for encoding in ["utf-8", "gbk"] {
            let program = format!("print('{text}'.encode('{encoding}').hex(' '))");
            let expected = format!("encode(\"{encoding}\"): {}", python(&program).trim());
            assert!(lines(&answer).contains(&&*expected), "{expected}: {answer:#}");
        }
    }
    let answer = run(&server, "udp", "encoding?text=%F0%9F%98%80&lang=en");
    assert_eq!(answer["outcome"], "error");
    assert!(lines(&answer).iter().any(|line| line.contains("gbk cannot encode")), "{answer:#}");
}

/// Formats and values of every kind, against Python's `struct`.
#[test]
fn structures_are_packed_as_python_packs_them() {
    let program = r#"
import random, struct
random.seed(4)
kinds = {'b': (-128, 127), 'B': (0, 255), 'h': (-2**15, 2**15-1), 'H': (0, 2**16-1),
         'i': (-2**31, 2**31-1), 'I': (0, 2**32-1), 'q': (-2**63, 2**63-1), 'Q': (0, 2**64-1)}
for _ in range(40):
    format, values = '', []
    for _ in range(random.randint(1, 6)):
        letter = random.choice(list(kinds) + ['s', 'x'])
        if letter == 's':
            text = ''.join(random.choices('abcXYZ ', k=random.randint(1, 6)))
            format += f'{random.randint(1, 8)}s'
            values.append(text)
        elif letter == 'x':
            format += f'{random.randint(1, 3)}x'
        else:
            format += letter
            values.append(random.choice([random.randint(*kinds[letter]), *kinds[letter]]))
    packed = [struct.pack(order + format, *(v.encode() if isinstance(v, str) else v for v in values))
              for order in ('', '!')]
    shown = ', '.join(f'"{v}"' if isinstance(v, str) else str(v) for v in values)
    print(format, shown, *(p.hex(' ') for p in packed), sep='|')
"#;
    let server = lab();
    let cases = python(program);
    for case in cases.lines() {
        let [format, values, native, network] = case.split('|').collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let values: String = values.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = pass(&server, "udp", &format!("byte_order?format={format}&values={values}"));
        let lines = lines(&answer);
        assert!(lines[1].ends_with(&format!("    {native}")), "{case}: {lines:#?}");
        assert!(lines[3].ends_with(&format!("    {network}")), "{case}: {lines:#?}");
    }
    assert_eq!(cases.lines().count(), 40);
}

/// The lesson's own program sends, this lab listens.
#[test]
fn a_message_of_the_lessons_program_is_decoded() {
    let server = lab();
    let port = free_udp_port();
    let events = Events::open(&server, &format!("/udp.py/run/ipmsg?port={port}&listen=60&lang=en"));
    events.wait_for("line", "bind(");
    python(&format!(
        "import socket\n\
         udpSocket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         sendData = '1.0:100:李白:192.168.2.155:288:你好'\n\
         udpSocket.sendto(sendData.encode('gbk'), ('127.0.0.1', {port}))\n\
         udpSocket.settimeout(20)\n\
         assert udpSocket.recv(1024).decode('gbk').split(':')[4:] == ['33', '100']\n"
    ));
    events.wait_for("line", "user 李白");
    events.wait_for("line", "IPMSG_SENDMSG  text “你好”");
    // The browser goes away, and the port is free.
    drop(events);
    wait_until("the experiment has ended", || UdpSocket::bind(("127.0.0.1", port)).is_ok());
}

/// Decodes base64, as the answer has files.
fn file_of(answer: &Value) -> tempfile::NamedTempFile {
    let base64 = answer["files"][0]["base64"].as_str().unwrap();
    let program =
        format!("import base64, sys; sys.stdout.buffer.write(base64.b64decode('{base64}'))");
    let output = Command::new("python3").args(["-c", &program]).output().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), output.stdout).unwrap();
    file
}

#[test]
fn a_real_analyser_reads_the_capture() {
    let server = lab();
    let answer = pass(&server, "udp", "packets?protocol=udp&text=hello");
    let file = file_of(&answer);
    let fields = |fields: &[&str]| {
        let mut command = Command::new("tshark");
        command.args(["-r", file.path().to_str().unwrap(), "-T", "fields"]);
        for field in fields {
            command.args(["-e", field]);
        }
        output(&mut command)
    };
    let found = fields(&["ip.src", "ip.dst", "udp.length", "udp.payload", "ip.proto"]);
    let line = "127.0.0.1\t127.0.0.1\t13\t68656c6c6f\t17\n";
    assert_eq!(found, format!("{line}{line}"));
    // There and back: the ports are exchanged.
    let ports = fields(&["udp.srcport", "udp.dstport"]);
    let ports: Vec<_> = ports.split_whitespace().collect();
    assert_eq!((ports[0], ports[1]), (ports[3], ports[2]));
    let shown = format!("{} → {} Len=5", ports[0], ports[1]);
    assert!(lines(&answer).iter().any(|line| line.contains(&shown)), "{shown}");

    let answer = pass(&server, "udp", "packets?protocol=tcp&text=hello");
    let file = file_of(&answer);
    let flags = output(Command::new("tshark").args(["-r", file.path().to_str().unwrap()]).args([
        "-T",
        "fields",
        "-e",
        "tcp.flags.syn",
        "-e",
        "tcp.flags.ack",
        "-e",
        "tcp.flags.fin",
    ]));
    let flags: Vec<_> =
        flags.lines().map(|line| line.replace("True", "1").replace("False", "0")).collect();
    assert_eq!(flags[..3], ["1\t0\t0", "1\t1\t0", "0\t1\t0"], "the handshake");
    assert_eq!(flags.iter().filter(|flags| flags.ends_with("\t1")).count(), 2, "two FIN");
}

/// Without the privilege the page says so in words, and the rest goes on.
#[test]
fn a_server_without_the_privilege_says_that_it_cannot_capture() {
    let server = tests::server::Setup::new()
        .plugin("udp")
        .wrapped(Path::new("setpriv"), &["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"])
        .start();
    let answer = run(&server, "udp", "packets?lang=en");
    assert_eq!(answer["outcome"], "error");
    let is_told = lines(&answer).iter().any(|line| line.contains("CAP_NET_RAW"));
    assert!(is_told, "{answer:#}");
    pass(&server, "udp", "exchange");
}

#[test]
fn everybody_hears_a_broadcast() {
    let server = lab();
    let answer = pass(&server, "udp", "broadcast?receivers=8");
    let checks = answer["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["found"] == "24"), "{answer:#}");
    pass(&server, "udp", "room");
    pass(&server, "udp", "talk");
    pass(&server, "udp", "binding");
}

#[test]
fn wrong_parameters_are_told_with_their_field() {
    let server = lab();
    for (target, field) in [
        ("run/exchange?buffer=0", "buffer"),
        ("run/broadcast?receivers=9", "receivers"),
        ("run/binding?port=65536", "port"),
        ("run/packets?protocol=icmp", "protocol"),
        ("room/events?name=%20", "name"),
        ("room/events?name=%F0%9F%98%80&charset=gbk", "name"),
        ("talk/events?peer=8.8.8.8:53", "peer"),
        ("talk/events?peer=127.255.255.255:53", "peer"),
        ("talk/events?peer=nobody", "peer"),
        ("talk/events?port=x", "port"),
    ] {
        let response = server.client().get(&format!("/udp.py/{target}"));
        assert_eq!(response.status, 400, "{target}: {}", response.text());
        let refusal: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(refusal["fields"][0]["name"], field, "{target}: {refusal:#}");
    }
}

/// Where the configuration names an interface, that is used, or its absence told.
#[test]
fn the_configured_interface_is_the_only_one() {
    let server = serve(&["udp"], "[plugin.udp]\nconfig = { interface = \"nosuch0\" }");
    let answer = run(&server, "udp", "exchange?lang=en");
    assert_eq!(answer["outcome"], "error");
    assert!(lines(&answer).iter().any(|line| line.contains("nosuch0")), "{answer:#}");
    let server = serve(&["udp"], "[plugin.udp]\nconfig = { interface = \"lo\" }");
    pass(&server, "udp", "exchange");
}
