//! Client, server and a way that loses and doubles packets, all on sockets of this machine.
//! What must come out is said by RFC 1350, 2347 to 2349 and RFC 1123 §4.2.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::lossy::Fate;
use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

struct Shared {
    folder: tempfile::TempDir,
    address: SocketAddr,
    news: Receiver<News>,
}

/// A server in a thread, for a folder with one file.
fn serve(name: &str, content: &[u8]) -> Shared {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let root = Root::open(folder.path(), 2 << 20, 20).unwrap();
    let (sender, news) = channel();
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let server = Server::bind(any, root, move |news| drop(sender.send(news))).unwrap();
    let address = server.address().unwrap();
    std::thread::spawn(move || server.serve_until(Instant::now() + 2 * PATIENCE));
    Shared { folder, address, news }
}

fn client(server: SocketAddr, block_size: usize) -> Client {
    let options = Options { block_size, timeout: None, size: Some(0) };
    let dally = Duration::from_millis(100);
    Client { local: Ipv4Addr::LOCALHOST, server, mode: Mode::Octet, options, dally }
}

/// Bytes that are not the same in two blocks.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn files_of_every_length_around_a_block_arrive() {
    for length in [0, 1, 511, 512, 513, 1024, 5000] {
        let shared = serve("f", &content(length));
        for block_size in [512, 8, 1432] {
            let mut received = Vec::new();
            let mut last = 0;
            let mut watch = |event: Event<'_>| {
                if let Event::Progress(bytes) = event {
                    last = bytes;
                }
            };
            let client = client(shared.address, block_size);
            let report = client.download("f", &mut received, &mut watch).unwrap();
            assert!(received == content(length), "{length} in blocks of {block_size}");
            assert_eq!((report.bytes, last), (length as u64, length as u64));
            assert_eq!(report.agreed.block_size, block_size);
            assert_eq!(report.agreed.size, Some(length as u64));
            let name = format!("up-{length}-{block_size}");
            let sent = content(length);
            client.upload(&name, &mut &sent[..], length as u64, &mut |_| {}).unwrap();
            assert!(std::fs::read(shared.folder.path().join(name)).unwrap() == sent);
        }
    }
}

/// 70,000 blocks: the number starts again at 0 after 65,535.
#[test]
fn block_numbers_wrap() {
    let long = content(70_000 * 8);
    let shared = serve("long", &long);
    let mut received = Vec::new();
    client(shared.address, 8).download("long", &mut received, &mut |_| {}).unwrap();
    assert!(received == long);
    client(shared.address, 8)
        .upload("back", &mut &long[..], long.len() as u64, &mut |_| {})
        .unwrap();
    assert!(std::fs::read(shared.folder.path().join("back")).unwrap() == long);
}

#[test]
fn a_way_that_loses_and_doubles_packets_is_overcome() {
    let long = content(120_000);
    let shared = serve("long", &long);
    let way = Lossy::start(shared.address, Fate { lost: 10, doubled: 5, seed: 7 }).unwrap();
    let mut received = Vec::new();
    client(way.address(), 1024).download("long", &mut received, &mut |_| {}).unwrap();
    assert!(received == long);
    client(way.address(), 1024)
        .upload("back", &mut &long[..], long.len() as u64, &mut |_| {})
        .unwrap();
    assert!(std::fs::read(shared.folder.path().join("back")).unwrap() == long);
    let (passed, lost) = way.counts();
    assert!(lost > 10, "{lost} of {} packets were lost", passed + lost);
}

/// RFC 1123 §4.2.3.1: every packet is doubled on the way, and still each block is sent once.
#[test]
fn a_doubled_acknowledgement_sends_nothing_again() {
    let long = content(100 * 512 + 1);
    let shared = serve("long", &long);
    let way = Lossy::start(shared.address, Fate { lost: 0, doubled: 100, seed: 1 }).unwrap();
    let mut received = Vec::new();
    let plain = Client { options: Options::default(), ..client(way.address(), 512) };
    plain.download("long", &mut received, &mut |_| {}).unwrap();
    assert!(received == long);
    let again = loop {
        match shared.news.recv_timeout(PATIENCE).unwrap() {
            News::Done { again, bytes, .. } => {
                assert_eq!(bytes, long.len() as u64);
                break again;
            }
            News::Begun { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    // Only a busy machine makes a packet late; the apprentice would send all 101 again.
    assert!(again < 20, "{again} of 101 blocks were sent again");
}

#[test]
fn texts_arrive_as_texts() {
    let shared = serve("text", b"one\ntwo\r\nthree");
    let ascii = Client { mode: Mode::Netascii, ..client(shared.address, 8) };
    let mut received = Vec::new();
    let report = ascii.download("text", &mut received, &mut |_| {}).unwrap();
    assert_eq!(received, b"one\ntwo\r\nthree");
    assert_eq!(report.bytes, 17, "one\\r\\ntwo\\r\\0\\r\\nthree");
    ascii.upload("back", &mut &b"a\nb\r"[..], 4, &mut |_| {}).unwrap();
    assert_eq!(std::fs::read(shared.folder.path().join("back")).unwrap(), b"a\nb\r");
}

fn refused(result: Result<Report, Failure>) -> Code {
    match result {
        Err(Failure::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let shared = serve("f", b"x");
    let folder = shared.folder.path();
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::write(folder.join("sub/g"), "deep").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("..", folder.join("up")).unwrap();
    let client = client(shared.address, 512);
    for name in [
        "../f",
        "../../etc/passwd",
        "sub/../../f",
        "link",
        "up/f",
        "/../etc/passwd",
        "sub",
        "",
        "/",
    ] {
        let code = refused(client.download(name, &mut Vec::new(), &mut |_| {}));
        assert_eq!(code, Code::ACCESS_VIOLATION, "{name:?}");
    }
    let mut received = Vec::new();
    client.download("/sub/g", &mut received, &mut |_| {}).unwrap();
    assert_eq!(received, b"deep");
    for name in ["../new", "up/new", "sub/..", "..", ""] {
        let code = refused(client.upload(name, &mut &b"x"[..], 1, &mut |_| {}));
        assert_eq!(code, Code::ACCESS_VIOLATION, "{name:?}");
    }
    assert!(!folder.join("../new").exists());
}

#[test]
fn a_server_says_why_it_does_not_serve() {
    let shared = serve("f", b"x");
    let client = client(shared.address, 512);
    let code = refused(client.download("missing", &mut Vec::new(), &mut |_| {}));
    assert_eq!(code, Code::NOT_FOUND);
    assert_eq!(refused(client.upload("f", &mut &b"y"[..], 1, &mut |_| {})), Code::FILE_EXISTS);
    assert_eq!(std::fs::read(shared.folder.path().join("f")).unwrap(), b"x");
    // Too large: at once when the size is told, on the way when it is not.
    let large = content((2 << 20) + 1);
    let length = large.len() as u64;
    let told = client.upload("big", &mut &large[..], length, &mut |_| {});
    assert_eq!(refused(told), Code::DISK_FULL);
    let untold = Client { options: Options { size: None, ..client.options }, ..client };
    let untold = Client { options: Options { block_size: 60_000, ..untold.options }, ..untold };
    let code = refused(untold.upload("big", &mut &large[..], length, &mut |_| {}));
    assert_eq!(code, Code::DISK_FULL);
    let is_clean = || std::fs::read_dir(shared.folder.path()).unwrap().count() == 1;
    let deadline = Instant::now() + PATIENCE;
    while !is_clean() {
        assert!(Instant::now() < deadline, "something unfinished is left");
        std::thread::yield_now();
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Packet, SocketAddr) {
    let mut buffer = [0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (Packet::parse(&buffer[..length]).unwrap(), from)
}

#[test]
fn what_is_no_request_is_an_illegal_operation() {
    let shared = serve("f", b"x");
    let socket = socket();
    for bytes in
        [&b"\x00\x04\x00\x01"[..], b"\x00\x09", b"\x00\x01f\x00mail\x00", b"", b"\x00\x01f"]
    {
        socket.send_to(bytes, shared.address).unwrap();
        let (answer, _) = receive(&socket);
        let is_right = matches!(answer, Packet::Error { code: Code::ILLEGAL_OPERATION, .. });
        assert!(is_right, "{bytes:?}: {answer:?}");
    }
}

/// RFC 1350 §4: a packet from another port gets error 5, and the transfer goes on.
#[test]
fn a_stranger_does_not_disturb_a_transfer() {
    let shared = serve("f", &content(600));
    let (mine, strange) = (socket(), socket());
    mine.send_to(b"\x00\x01f\x00octet\x00", shared.address).unwrap();
    let (first, port) = receive(&mine);
    assert!(matches!(first, Packet::Data { block: 1, .. }));
    strange.send_to(&Packet::Ack { block: 1 }.encode(), port).unwrap();
    let (answer, from) = receive(&strange);
    assert!(matches!(answer, Packet::Error { code: Code::UNKNOWN_TID, .. }), "{answer:?}");
    assert_eq!(from, port);
    mine.send_to(&Packet::Ack { block: 1 }.encode(), port).unwrap();
    // Block 1 again may have been under way.
    let second = loop {
        match receive(&mine).0 {
            Packet::Data { block: 2, data } => break data,
            Packet::Data { block: 1, .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(second, content(600)[512..]);
}

/// A request that comes twice, since nobody has answered yet, begins one transfer.
#[test]
fn a_repeated_request_is_one_transfer() {
    let shared = serve("f", &content(600));
    let mine = socket();
    for _ in 0..5 {
        mine.send_to(b"\x00\x01f\x00octet\x00", shared.address).unwrap();
    }
    let (_, port) = receive(&mine);
    mine.send_to(&Packet::Ack { block: 1 }.encode(), port).unwrap();
    loop {
        let (packet, from) = receive(&mine);
        assert_eq!(from, port, "a second transfer has begun");
        if matches!(packet, Packet::Data { block: 2, .. }) {
            break;
        }
    }
}
