//! Two programs of the lesson talk to each other.

use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::{Charset, Interface, hex};

pub const EXPERIMENT: Experiment = Experiment {
    name: "talk",
    title: text("模拟 QQ：两个人聊天", "Two people talk (the QQ lesson)"),
    lesson: text(
        "<p><strong><a href=\"/udp.py/talk\">打开两人聊天</a></strong>：在两个浏览器窗口里各选一个端口，填上对方的端口；\
         对方也可以是 <code>nc -u -p 8001 127.0.0.1 8000</code>。<p>每个人有一个套接字和两个线程：一个发送（<code>&lt;&lt;</code>），\
         一个接收（<code>&gt;&gt;</code>），所以谁都不必等对方说完。下面的实验让两个这样的程序对话。",
        "<p><strong><a href=\"/udp.py/talk\">Open a talk of two</a></strong>: choose a port in each of two browser windows and \
         give it the other's; the other may also be <code>nc -u -p 8001 127.0.0.1 8000</code>.<p>Each has one socket and two \
         threads, one that sends (<code>&lt;&lt;</code>) and one that receives (<code>&gt;&gt;</code>), so that nobody waits \
         for the other to finish. This experiment lets two such programs talk.",
    ),
    parameters: &[
        Parameter::lines(
            "first",
            text("甲说（每行一条）", "One says, a line each"),
            500,
            "nihao\n在吗？\nzaijian",
        ),
        Parameter::lines(
            "second",
            text("乙说（每行一条）", "The other says"),
            500,
            "你好\n在\n再见",
        ),
        crate::GBK_FIRST,
    ],
    source: include_str!("experiment.rs"),
    python: include_str!("../../lesson/talk.py"),
    limits: Limits { time: Duration::from_secs(15), ..Limits::DEFAULT },
    run,
};

/// One of the two, as the lesson has it: `send_infos` and `recv_infos`.
struct Person {
    sending: JoinHandle<std::io::Result<()>>,
    heard: Receiver<String>,
}

fn begin(
    name: &'static str,
    socket: UdpSocket,
    to: SocketAddr,
    lines: Vec<Vec<u8>>,
    charset: Charset,
) -> std::io::Result<Person> {
    let receiving = socket.try_clone()?;
    let sending = std::thread::spawn(move || {
        for line in lines {
            socket.send_to(&line, to)?;
            say!("{name} << {}    {}", charset.decode(&line).text, hex::some_pairs(&line, 32));
        }
        Ok(())
    });
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = receiving.recv_from(&mut buffer) {
            let text = charset.decode(&buffer[..length]).text;
            say!("{name} >> {from}: {text}");
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    Ok(Person { sending, heard })
}

fn run(run: &mut Run) -> Outcome {
    let address = Interface::configured(&run.config)?.address;
    let charset = crate::charset(run);
    let lines = |name: &str| -> Vec<String> {
        run.values.get(name).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    let (first, second) = (lines("first"), lines("second"));
    let encode = |lines: &[String]| {
        lines.iter().map(|line| charset.encode(line)).collect::<Result<Vec<_>, _>>()
    };
    let sockets = (UdpSocket::bind((address, 0))?, UdpSocket::bind((address, 0))?);
    let (one, other) = (sockets.0.local_addr()?, sockets.1.local_addr()?);
    say!("甲 {one}，乙 {other}" | "one {one}, the other {other}");
    let (first_name, second_name) = match lab::run::lang() {
        lab::Lang::Zh => ("甲", "乙"),
        lab::Lang::En => ("one", "other"),
    };
    let (first_bytes, second_bytes) = (encode(&first)?, encode(&second)?);
    let people = [
        (begin(first_name, sockets.0, other, first_bytes, charset)?, second),
        (begin(second_name, sockets.1, one, second_bytes, charset)?, first),
    ];
    for (person, expected) in people {
        person.sending.join().map_err(|_| "the sending thread has panicked")??;
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            heard.push(person.heard.recv_timeout(Duration::from_secs(3))?);
        }
        // Datagrams may overtake each other on a network; on the loopback they do not.
        run.check(
            text("对方说的每一句都收到", "Everything that the other said is heard"),
            expected.join(" | "),
            heard.join(" | "),
        );
    }
    Ok(())
}
