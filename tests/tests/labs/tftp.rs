//! Chapter 4.9 against the programs that people use: tftp-hpa, curl, tftpd-hpa, and with loss.

#[path = "../../../plugins/tftp/src/protocol/lossy.rs"]
mod lossy;

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lossy::{Fate, Lossy};
use tests::labs::{lines, pass, run, serve};
use tests::net::{Events, Program, free_udp_port};
use tests::server::TestServer;
use tests::wait_until;

const LOSS: Fate = Fate { lost: 5, doubled: 0, seed: 20_480 };

/// Bytes that differ from block to block.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place.wrapping_mul(2_654_435_761) >> 11) as u8).collect()
}

/// The lab's server while a test runs. The page is closed before its server is stopped.
struct Lab {
    events: Events,
    address: SocketAddr,
    server: TestServer,
}

fn lab() -> Lab {
    let server = serve(&["tftp"], "");
    let port = free_udp_port();
    let events =
        Events::open(&server, &format!("/tftp.py/run/server?port={port}&seconds=600&lang=en"));
    // Its own check is over.
    events.wait_for("check", "No name leads out");
    Lab { events, address: SocketAddr::from(([127, 0, 0, 1], port)), server }
}

/// Runs a program, which must succeed.
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {words}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("rror"), "{command:?}: {said}");
}

fn curl() -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "120"]);
    command.env("no_proxy", "*").env_remove("all_proxy").env_remove("ALL_PROXY");
    command
}

/// `tftp -m MODE HOST PORT -c …` of tftp-hpa.
fn tftp(folder: &Path, address: SocketAddr, mode: &str, what: &[&str]) -> Command {
    let mut command = Command::new("tftp");
    command.current_dir(folder).args(["-m", mode, "127.0.0.1", &address.port().to_string(), "-c"]);
    command.args(what);
    command
}

/// Up and down again through both clients, `copies` of each at the same time: most of a lossy transfer
/// is waiting for its clients' timers, which have whole seconds.
fn real_clients(lab: &Lab, way: SocketAddr, length: usize, copies: usize) {
    let folder = tempfile::tempdir().unwrap();
    let sent = content(length);
    std::fs::write(folder.path().join("sent.bin"), &sent).unwrap();
    let (folder, sent) = (folder.path(), &sent);
    std::thread::scope(|scope| {
        for copy in 0..copies {
            for block in ["512", "1432", "65464"] {
                scope.spawn(move || curl_up_and_down(folder, way, block, copy, sent));
            }
            scope.spawn(move || tftp_up_and_down(folder, way, copy, sent));
        }
    });
    lab.events.wait_for("line", "hpa-0.bin");
}

fn curl_up_and_down(folder: &Path, way: SocketAddr, block: &str, copy: usize, sent: &[u8]) {
    let url = format!("tftp://{way}/curl-{block}-{copy}.bin");
    succeed(curl().args(["--tftp-blksize", block, "-T"]).arg(folder.join("sent.bin")).arg(&url));
    let back = folder.join(format!("back-{block}-{copy}.bin"));
    succeed(curl().args(["--tftp-blksize", block, "-o"]).arg(&back).arg(&url));
    assert!(std::fs::read(&back).unwrap() == sent, "curl with blocks of {block}");
}

fn tftp_up_and_down(folder: &Path, way: SocketAddr, copy: usize, sent: &[u8]) {
    let (there, back) = (format!("hpa-{copy}.bin"), format!("back-hpa-{copy}.bin"));
    succeed(&mut tftp(folder, way, "octet", &["put", "sent.bin", &there]));
    succeed(&mut tftp(folder, way, "octet", &["get", &there, &back]));
    assert!(std::fs::read(folder.join(back)).unwrap() == sent, "tftp-hpa");
}

#[test]
fn real_clients_use_the_server() {
    let lab = lab();
    real_clients(&lab, lab.address, 200_000, 1);
    let folder = tempfile::tempdir().unwrap();
    // A text in netascii arrives as it was.
    std::fs::write(folder.path().join("text"), "one\ntwo\r\nthree\n").unwrap();
    succeed(&mut tftp(folder.path(), lab.address, "netascii", &["put", "text"]));
    succeed(&mut tftp(folder.path(), lab.address, "netascii", &["get", "text", "back"]));
    assert_eq!(std::fs::read(folder.path().join("back")).unwrap(), b"one\ntwo\r\nthree\n");
    // Refusals reach the client in its own words.
    let status = curl().arg(format!("tftp://{}/missing", lab.address)).status().unwrap();
    assert_eq!(status.code(), Some(68), "curl(1): file not found on the TFTP server");
    let escape = format!("tftp://{}/..%2f..%2f..%2f..%2fetc%2fpasswd", lab.address);
    let output = curl().args(["--path-as-is", &escape]).output().unwrap();
    assert_eq!(output.status.code(), Some(69), "curl(1): permission problem on the TFTP server");
    assert!(output.stdout.is_empty());
}

#[test]
fn real_clients_use_the_server_while_packets_are_lost() {
    let lab = lab();
    let way = Lossy::start(lab.address, LOSS).unwrap();
    // About 240 packets: none lost is less likely than 1 in 100,000.
    real_clients(&lab, way.address(), 3_000, 3);
    let (passed, lost) = way.counts();
    assert!(lost > 0, "{lost} of {} packets were lost", passed + lost);
}

/// A page that is closed ends its server.
#[test]
fn the_server_ends_with_its_page() {
    let lab = lab();
    assert!(UdpSocket::bind(lab.address).is_err(), "the port is the server's");
    drop(lab.events);
    wait_until("the port is free", || UdpSocket::bind(lab.address).is_ok());
    drop(lab.server);
}

/// tftpd-hpa for a folder; gives its port and ends with the program.
fn tftpd(folder: &Path) -> (Program, u16) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let port = free_udp_port();
    let folder = folder.to_str().unwrap();
    let address = format!("127.0.0.1:{port}");
    let arguments = ["--foreground", "--listen", "--address", &address, "--create", "--secure"];
    // It sends again after 0.2 s what has not been heard.
    let program =
        Program::start("in.tftpd", &[&arguments[..], &["--retransmit", "200000", folder]].concat());
    let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
    probe.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    wait_until("tftpd answers", || {
        let _ = probe.send_to(b"\x00\x01no-such-file\x00octet\x00", &address);
        probe.recv(&mut [0; 600]).is_ok()
    });
    (program, port)
}

fn with_tftpd(loss: u32, length: usize) {
    let folder = tempfile::tempdir().unwrap();
    let sent = content(length);
    let name = folder.path().join("file.bin");
    std::fs::write(&name, &sent).unwrap();
    std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_program, port) = tftpd(folder.path());
    let server = serve(&["tftp"], "");
    let hash = |bytes: &[u8]| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let output = Command::new("sha256sum").arg(file.path()).output().unwrap();
        String::from_utf8_lossy(&output.stdout)[..32].to_owned()
    };
    for block in [512, 1432] {
        let query = format!("port={port}&blksize={block}&loss={loss}&lang=en");
        let answer = pass(&server, "tftp", &format!("download?file=file.bin&{query}"));
        assert_eq!(answer["values"]["sha256"], hash(&sent), "{answer:#}");
        assert_eq!(answer["values"]["blksize"], block.to_string(), "tftpd grants it");
        let name = format!("up-{block}.bin");
        let query = format!("kilobytes={}&{query}", length / 1024);
        let answer = pass(&server, "tftp", &format!("upload?file={name}&{query}"));
        let stored = std::fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(stored.len(), length / 1024 * 1024);
        assert_eq!(answer["values"]["sha256"], hash(&stored), "{answer:#}");
    }
    let answer = run(&server, "tftp", &format!("download?file=missing&port={port}&lang=en"));
    assert_eq!(answer["outcome"], "error");
    assert!(lines(&answer).iter().any(|line| line.contains("error 1")), "{answer:#}");
}

#[test]
fn the_client_uses_a_real_server() {
    with_tftpd(0, 200_000);
}

#[test]
fn the_client_uses_a_real_server_while_packets_are_lost() {
    with_tftpd(5, 40_000);
}

#[test]
fn the_lessons_mistakes_are_as_they_are_told() {
    let server = serve(&["tftp"], "");
    // 70,000 bytes are 137 blocks: the signed byte fails at block 128.
    let answer = pass(&server, "tftp", "lesson?bytes=70000");
    assert_eq!(answer["checks"][1]["found"], (127 * 512).to_string());
    // 1,000 bytes: the last block, of 488, is never written.
    let answer = pass(&server, "tftp", "lesson?bytes=1000");
    assert_eq!(answer["checks"][1]["found"], "512");
    let answer = pass(&server, "tftp", "apprentice?blocks=30");
    assert_eq!(answer["values"]["apprentice"], "59");
    pass(&server, "tftp", "errors?name=/etc/passwd");
}
