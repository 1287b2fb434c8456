//! The concurrent server as an experiment: clients that speak at the same time.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::{Charset, Interface};

use super::hub;

pub const EXPERIMENT: Experiment = Experiment {
    name: "room",
    title: text("并发聊天服务器", "A concurrent chat server"),
    lesson: text(
        "<p><strong><a href=\"/tcp.py/room\">打开聊天室</a></strong>：几个浏览器和任何 TCP 程序（<code>nc 127.0.0.1 8009</code>，\
         课程的并发客户端）在同一个房间里说话。<p>服务器为每个客户端开两个线程：一个 <code>recv</code>，一个 <code>send</code>，\
         所以谁都可以随时说话。课程的并发服务器只 <code>accept</code> 一次，只能服务一个客户端；这里循环 <code>accept</code>。",
        "<p><strong><a href=\"/tcp.py/room\">Open the chat room</a></strong>: browsers and any TCP program \
         (<code>nc 127.0.0.1 8009</code>, the lesson's concurrent client) talk in one room.<p>The server has two threads for each \
         client, one that receives and one that sends, so that everybody may speak at any time. The lesson's concurrent server \
         calls <code>accept</code> once and so has one client; here it is a loop.",
    ),
    parameters: &[
        Parameter::integer("clients", text("客户端个数", "Clients"), 2, 16, 4),
        Parameter::integer("messages", text("每个说几句", "Messages of each"), 1, 10, 3),
    ],
    source: include_str!("hub.rs"),
    python: include_str!("../../lesson/room.py"),
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

/// What a client hears until it has heard so many messages.
fn listen(
    name: &str,
    stream: TcpStream,
    charset: Charset,
    wanted: usize,
) -> std::io::Result<Vec<String>> {
    let mut heard = Vec::new();
    let mut lines = BufReader::new(stream);
    while heard.len() < wanted {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = charset.decode(&line).text.trim_end().to_owned();
        say!("{name} >> {text}");
        if !text.starts_with('*') {
            heard.push(text);
        }
    }
    Ok(heard)
}

fn run(run: &mut Run) -> Outcome {
    let address = Interface::configured(&run.config)?.address;
    let (clients, messages) = (run.values.count("clients"), run.values.count("messages"));
    let port = std::net::TcpListener::bind((address, 0))?.local_addr()?.port();
    hub::open(address, port)?;
    let room = SocketAddr::from((address, port));
    say!(
        "服务器：bind({room})，listen，循环 accept"
            | "the server: bind({room}), listen, accept in a loop"
    );
    let mut people = Vec::new();
    for number in 1..=clients {
        let charset = Charset::ALL[number % 2];
        let mut stream = TcpStream::connect(room)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let name = format!("客户{number}");
        stream.write_all(format!("/charset {}\n", charset.name()).as_bytes())?;
        // The answer shows that the room knows this client: nobody's message is missed.
        let mut first = Vec::new();
        BufReader::with_capacity(1, &stream).read_until(b'\n', &mut first)?;
        stream.write_all(&charset.encode(&format!("/name {name}\n"))?)?;
        people.push((name, charset, stream));
    }
    let wanted = (clients - 1) * messages;
    let mut listening = Vec::new();
    for (name, charset, stream) in &people {
        let (name, charset, stream) = (name.clone(), *charset, stream.try_clone()?);
        listening.push(std::thread::spawn(move || listen(&name, stream, charset, wanted)));
    }
    let mut speaking = Vec::new();
    for (name, charset, mut stream) in people {
        speaking.push(std::thread::spawn(move || -> std::io::Result<()> {
            for number in 1..=messages {
                let line = charset.encode(&format!("{name} 说第 {number} 句\n"));
                stream.write_all(&line.unwrap_or_default())?;
            }
            Ok(())
        }));
    }
    for thread in speaking {
        thread.join().map_err(|_| "a speaking thread has panicked")??;
    }
    for (number, thread) in (1..).zip(listening) {
        let heard = thread.join().map_err(|_| "a listening thread has panicked")??;
        let mut numbers = vec![0; clients + 1];
        // Each speaker's messages come in order, whatever the others say between them.
        let in_order = heard.iter().all(|line| {
            let who = (1..=clients).find(|who| line.starts_with(&format!("客户{who} ")));
            who.is_some_and(|who| {
                numbers[who] += 1;
                line.ends_with(&format!("说第 {} 句", numbers[who]))
            })
        });
        run.check(
            text("每个客户端听到其他人的全部消息", "Each client hears all messages of the others"),
            format!("客户{number}: {wanted}"),
            format!("客户{number}: {}", heard.len()),
        );
        run.check_that(
            text("每个人的消息顺序不变", "Each speaker's messages in order"),
            in_order,
            format!("客户{number}: 1…{messages}"),
            if in_order { format!("客户{number}: 1…{messages}") } else { heard.join(" | ") },
        );
    }
    Ok(())
}
