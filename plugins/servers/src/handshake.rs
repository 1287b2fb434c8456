//! Three-way handshake and four-way close, captured on the loopback and drawn as a ladder.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use lab::svg::Svg;
use lab::{Experiment, Limits, Outcome, Parameter, Run, lang, say, text};
use wire::{Capture, Frame, Interface, TcpFacts};

use crate::echo::listen;
use crate::load::PATIENCE;

/// When nothing has come for so long, the conversation is over.
const QUIET: Duration = Duration::from_millis(300);

pub const EXPERIMENT: Experiment = Experiment {
    name: "handshake",
    title: text("三次握手与四次挥手", "Three-way handshake and four-way close"),
    lesson: text(
        "<p>三次握手发生在 connect 与 accept 之间：SYN，SYN+ACK，ACK。关闭时每个方向各有一个 FIN 和一个 ACK。\
         这里真的在回环接口上抓包（AF_PACKET，需要 CAP_NET_RAW 权限），画出每个报文段的标志、seq 和 ack\
         （相对值，像 Wireshark 那样）。SYN 和 FIN 各占一个序号。</p>\
         <p>课程图中最后一行的 <code>ACK=1,seq=N+1</code> 应为 <code>ack=N+1</code>。若服务器收到 FIN 时\
         立刻也关闭，它的 ACK 和 FIN 常常合成一个报文段，四次就成了三次：用参数试试。</p>",
        "<p>The three-way handshake happens between connect and accept: SYN, SYN+ACK, ACK. To close, each \
         direction has a FIN and an ACK. Here the segments really are captured on the loopback (AF_PACKET, \
         which needs the privilege CAP_NET_RAW) and drawn with their flags, seq and ack (relative, as \
         Wireshark shows them). SYN and FIN take one number each.</p>\
         <p>In the last line of the lesson's figure <code>ACK=1,seq=N+1</code> should be \
         <code>ack=N+1</code>. A server that closes at once when it gets the FIN often sends its ACK and its \
         FIN in one segment, and four become three: try it with the parameter.</p>",
    ),
    parameters: &[
        Parameter::choice(
            "server",
            text("服务器收到 FIN 后", "when the server gets the FIN"),
            &[
                (
                    "later",
                    text("先确认，过一会儿才关闭", "it acknowledges, and closes a little later"),
                ),
                ("at_once", text("立刻关闭", "it closes at once")),
            ],
        ),
        Parameter::line("message", text("发送的内容", "what is sent"), 100, "hello"),
    ],
    source: include_str!("handshake.rs"),
    python: include_str!("../lesson/handshake.txt"),
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let closes_later = run.values.get("server") == "later";
    let message = run.values.get("message").to_owned();
    let listener = listen(5)?;
    let port = listener.local_addr()?.port();
    // The privilege is missing on many machines: the reason is said in words.
    let mut capture = Capture::start(&Interface::named("lo")?, &[port])?;
    say!("在 lo 上抓取端口 {port} 的报文段" | "capturing the segments of port {port} on lo");
    converse(&listener, &message, closes_later)?;
    let frames = capture.take(QUIET, PATIENCE)?;
    let segments: Vec<TcpFacts> = frames.iter().filter_map(Frame::tcp).collect();
    let named = relative(&segments, port);
    named.iter().for_each(|segment| say!("{} {}", segment.arrow(), segment.label));
    run.picture(text("报文段", "Segments"), &draw(&named));
    run.file("handshake.pcap", "application/vnd.tcpdump.pcap", &wire::pcap(&frames)?);
    check(run, &named, closes_later);
    Ok(())
}

/// A client that connects, speaks, and closes; a server that answers and then closes too.
fn converse(listener: &TcpListener, message: &str, closes_later: bool) -> std::io::Result<()> {
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.set_read_timeout(Some(PATIENCE))?;
    server.set_read_timeout(Some(PATIENCE))?;
    if !message.is_empty() {
        client.write_all(message.as_bytes())?;
        let mut data = vec![0; message.len()];
        server.read_exact(&mut data)?;
        server.write_all(&data)?;
        client.read_exact(&mut data)?;
    }
    // FIN: the client says nothing more.
    client.shutdown(Shutdown::Write)?;
    // `recv` gives nothing: that is how a program sees a FIN.
    let left = server.read(&mut [0; 1])?;
    say!(
        "服务器的 recv 返回 {left} 字节：客户端已关闭"
            | "the server's recv gives {left} bytes: the client has closed"
    );
    if closes_later {
        // The kernel acknowledges the FIN by itself meanwhile.
        std::thread::sleep(QUIET / 2);
    }
    drop(server);
    // Waits for the server's FIN.
    let _ = client.read(&mut [0; 1])?;
    Ok(())
}

/// A segment with numbers that begin at 0 in both directions.
struct Segment {
    is_from_client: bool,
    flags: String,
    label: String,
}

impl Segment {
    fn arrow(&self) -> &'static str {
        if self.is_from_client { "c ─→ s" } else { "c ←─ s" }
    }
}

fn relative(segments: &[TcpFacts], port: u16) -> Vec<Segment> {
    let first = |is_from_client: bool| {
        let mut of_side = segments.iter().filter(|s| (s.destination == port) == is_from_client);
        of_side.next().map_or(0, |segment| segment.sequence)
    };
    let starts = [first(false), first(true)];
    let segment = |facts: &TcpFacts| {
        let is_from_client = facts.destination == port;
        let seq = facts.sequence.wrapping_sub(starts[usize::from(is_from_client)]);
        let flags = facts.flags.join("+");
        let mut label = format!("{flags}  seq={seq}");
        if facts.flags.contains(&"ACK") {
            let start = starts[usize::from(!is_from_client)];
            label += &format!(" ack={}", facts.acknowledgment.wrapping_sub(start));
        }
        if facts.data > 0 {
            label += &format!(" [{} B]", facts.data);
        }
        Segment { is_from_client, flags, label }
    };
    segments.iter().map(segment).collect()
}

fn draw(segments: &[Segment]) -> Svg {
    const LEFT: f64 = 40.0;
    const RIGHT: f64 = 310.0;
    const STEP: f64 = 40.0;
    let bottom = 50.0 + segments.len() as f64 * STEP;
    let mut svg = Svg::new(350.0, bottom + 10.0);
    for (x, name) in [(LEFT, text("客户端", "client")), (RIGHT, text("服务器", "server"))] {
        svg.text(x, 18.0, "middle", name.get(lang()));
        svg.line((x, 28.0), (x, bottom), "soft");
    }
    for (number, segment) in segments.iter().enumerate() {
        let y = 50.0 + number as f64 * STEP;
        let (from, to) = if segment.is_from_client { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
        svg.text((LEFT + RIGHT) / 2.0, y - 2.0, "middle", &segment.label);
        svg.arrow((from, y + 4.0), (to, y + 16.0), "line");
    }
    svg
}

fn check(run: &mut Run, segments: &[Segment], closes_later: bool) {
    let side = |segment: &Segment| if segment.is_from_client { "c" } else { "s" };
    let named = |part: &[Segment]| {
        let names: Vec<_> = part.iter().map(|s| format!("{} {}", side(s), s.flags)).collect();
        names.join(", ")
    };
    run.check(
        text("三次握手", "three-way handshake"),
        "c SYN, s SYN+ACK, c ACK",
        named(&segments[..segments.len().min(3)]),
    );
    let fin = segments.iter().position(|segment| segment.flags.starts_with("FIN"));
    let found = named(&segments[fin.unwrap_or(segments.len())..]);
    let what = text("挥手", "close");
    const FOUR: &str = "c FIN+ACK, s ACK, s FIN+ACK, c ACK";
    const THREE: &str = "c FIN+ACK, s FIN+ACK, c ACK";
    if closes_later {
        run.check(what, FOUR, found);
    } else {
        // Whether the kernel joins ACK and FIN depends on who is faster.
        let is_allowed = found == THREE || found == FOUR;
        run.check_that(what, is_allowed, format!("{THREE} / {FOUR}"), &found);
    }
}
