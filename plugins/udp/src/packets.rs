//! The packet view: what a capture sees of one exchange, layer by layer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, Text, same, say, text};
use wire::{Arrow, Capture, Frame, Interface, hex};

pub const EXPERIMENT: Experiment = Experiment {
    name: "packets",
    title: text("抓包：逐层查看数据帧", "Packet view: a frame, layer by layer"),
    lesson: text(
        "<p>像 Wireshark 一样，在回环接口上抓取本次实验的数据帧：网络接口层 Ethernet II、网络层 IPv4、传输层 UDP 或 TCP、\
         应用层数据，十六进制和每个字段的含义都列出来；结果可以下载为 pcap 文件，用 Wireshark、tshark、tcpdump 打开。\
         抓包用 AF_PACKET 套接字，需要 CAP_NET_RAW 权限；内核里的过滤器只放行本实验的端口。",
        "<p>As Wireshark does, this captures the frames of one exchange on the loopback: Ethernet II, IPv4, UDP or TCP, and \
         the data, in hexadecimal and field by field. They can be kept as a pcap file for Wireshark, tshark or tcpdump. \
         It takes an AF_PACKET socket and the privilege CAP_NET_RAW; a filter in the kernel lets only the ports of this \
         experiment through.",
    ),
    parameters: &[
        Parameter::choice("protocol", text("协议", "Protocol"), PROTOCOLS),
        Parameter::line("text", text("数据", "Data"), 300, "hello"),
        crate::CHARSET,
    ],
    source: include_str!("packets.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

const PROTOCOLS: &[(&str, Text)] = &[("udp", same("UDP")), ("tcp", same("TCP"))];
/// Frames that are shown in full.
const SHOWN: usize = 12;

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    let message = crate::charset(run).encode(run.values.get("text"))?;
    let is_tcp = run.values.get("protocol") == "tcp";
    let (frames, server) =
        if is_tcp { tcp(&interface, &message)? } else { udp(&interface, &message)? };
    show(&frames);
    for (number, frame) in (1..).zip(frames.iter().filter(|frame| !frame.data().is_empty()).take(2))
    {
        let title = match number {
            1 => text("第一个带数据的帧", "The first frame with data"),
            _ => text("第二个带数据的帧", "The second frame with data"),
        };
        run.picture(title, &lab::svg::bytes(&frame.parts(lab::run::lang())));
    }
    if is_tcp {
        let title = text("时序：三次握手、数据、四次挥手", "In order: opening, data, closing");
        run.picture(title, &wire::ladder(&arrows(&frames, server.port())));
    }
    run.file("capture.pcap", "application/vnd.tcpdump.pcap", &wire::pcap(&frames)?);

    let expected = if is_tcp { "SYN | SYN, ACK | ACK" } else { "2" };
    let found = match is_tcp {
        true => {
            let flags = frames.iter().filter_map(Frame::tcp).map(|facts| facts.flags.join(", "));
            flags.take(3).collect::<Vec<_>>().join(" | ")
        }
        false => frames.len().to_string(),
    };
    let what = match is_tcp {
        true => text("前三帧是三次握手", "The first three frames are the handshake"),
        false => text("一去一回两帧", "Two frames: there and back"),
    };
    run.check(what, expected, found);
    let first = frames.iter().find(|frame| !frame.data().is_empty());
    let data = first.map_or_else(String::new, |frame| hex::pairs(frame.data()));
    run.check(
        text("帧里的数据就是发送的", "The data in the frame are what was sent"),
        hex::pairs(&message),
        data,
    );
    let layers = first.map(Frame::layers).unwrap_or_default();
    let names: Vec<_> = layers.iter().map(|layer| layer.name.en).collect();
    let transport = if is_tcp { "Transmission Control Protocol" } else { "User Datagram Protocol" };
    let wanted = format!("Ethernet II, Internet Protocol Version 4, {transport}, Data");
    run.check(text("四层，由外到内", "Four layers, from the outside in"), wanted, names.join(", "));
    Ok(())
}

type Captured = (Vec<Frame>, SocketAddr);

/// Everything there was, and what comes until it has been quiet for a moment.
fn take(mut capture: Capture) -> Result<Vec<Frame>, Box<dyn std::error::Error>> {
    Ok(capture.take(Duration::from_millis(200), Duration::from_secs(3))?)
}

fn udp(interface: &Interface, message: &[u8]) -> Result<Captured, Box<dyn std::error::Error>> {
    let server = UdpSocket::bind((interface.address, 0))?;
    let client = UdpSocket::bind((interface.address, 0))?;
    server.set_read_timeout(Some(Duration::from_secs(3)))?;
    client.set_read_timeout(Some(Duration::from_secs(3)))?;
    let address = server.local_addr()?;
    let capture = Capture::start(interface, &[address.port()])?;
    client.send_to(message, address)?;
    let mut buffer = [0; 2048];
    let (length, from) = server.recv_from(&mut buffer)?;
    server.send_to(&buffer[..length], from)?;
    client.recv_from(&mut buffer)?;
    Ok((take(capture)?, address))
}

fn tcp(interface: &Interface, message: &[u8]) -> Result<Captured, Box<dyn std::error::Error>> {
    let listener = TcpListener::bind((interface.address, 0))?;
    let address = listener.local_addr()?;
    let capture = Capture::start(interface, &[address.port()])?;
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut connection, _) = listener.accept()?;
        let mut received = Vec::new();
        connection.read_to_end(&mut received)?;
        connection.write_all(&received)
    });
    let mut client = TcpStream::connect(address)?;
    client.write_all(message)?;
    client.shutdown(std::net::Shutdown::Write)?;
    client.read_to_end(&mut Vec::new())?;
    drop(client);
    server.join().map_err(|_| "the server thread has panicked")??;
    Ok((take(capture)?, address))
}

fn arrows(frames: &[Frame], server: u16) -> Vec<Arrow> {
    let arrow = |frame: &Frame| {
        let facts = frame.tcp()?;
        let mut label = format!("{} seq={}", facts.flags.join(","), facts.sequence);
        if facts.flags.contains(&"ACK") {
            label.push_str(&format!(" ack={}", facts.acknowledgment));
        }
        if facts.data > 0 {
            label.push_str(&format!(" len={}", facts.data));
        }
        Some(Arrow { is_from_left: facts.destination == server, label, is_lost: false })
    };
    frames.iter().filter_map(arrow).collect()
}

/// The list, and then each frame with its layers and its bytes.
fn show(frames: &[Frame]) {
    let begin = frames.first().map_or(Duration::ZERO, |frame| frame.time);
    say!("No.  Time       Source      Destination  Protocol  Length  Info");
    for (number, frame) in (1..).zip(frames) {
        let [source, destination, protocol, info] = frame.summary();
        let time = (frame.time - begin.min(frame.time)).as_secs_f64();
        let length = frame.bytes.len();
        say!(
            "{number:<4} {time:<10.6} {source:<11} {destination:<12} {protocol:<9} {length:<7} {info}"
        );
    }
    for (number, frame) in (1..).zip(frames).take(SHOWN) {
        let length = frame.bytes.len();
        say!("第 {number} 帧：{length} 字节" | "Frame {number}: {length} bytes");
        for layer in frame.layers() {
            say!("  {}", layer.name.get(lab::run::lang()));
            for field in &layer.fields {
                let name = field.name.get(lab::run::lang());
                say!("    {name}: {}", field.value);
            }
        }
        let dump = hex::dump(&frame.bytes[..length.min(512)]);
        say!("{}", dump.trim_end());
    }
}
