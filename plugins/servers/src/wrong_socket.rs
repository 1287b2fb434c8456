//! The lesson's non-blocking server, which reads the wrong socket, beside the right one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Run, Text, lang, say, text};

use crate::echo::{Log, listen};
use crate::load::PATIENCE;
use crate::models::{Model, NONBLOCKING, NONBLOCKING_LESSON};
use crate::running::Running;

const ANSWERED: Text = text("收到回显", "answered");
const UNANSWERED: Text = text("没有回显", "unanswered");
/// Messages of the second client; each has two characters.
const MESSAGES: usize = 20;

pub const EXPERIMENT: Experiment = Experiment {
    name: "wrong_socket",
    title: text("读错套接字的服务器", "The server that reads the wrong socket"),
    lesson: text(
        "<p>课程的非阻塞服务器在循环里写的是 <code>data = new_socket.recv(1024)</code>，应该是 \
         <code>cli_socket.recv(1024)</code>。<code>new_socket</code> 是最后连接的那个套接字，所以第二个客户端一来，\
         第一个客户端的话就再也没人读；第二个客户端的话也可能算到第一个头上，回显给错的人。</p>\
         <p>先运行课程的程序，再运行改正的程序：只差这一个名字。</p>",
        "<p>The lesson's non-blocking server says <code>data = new_socket.recv(1024)</code> in its loop; it \
         should be <code>cli_socket.recv(1024)</code>. <code>new_socket</code> is the socket that was accepted \
         last, so once a second client has come nobody reads what the first one says, and what the second \
         one says may be taken for the first one's and echoed to the wrong person.</p>\
         <p>The lesson's program runs first, the right one after it: the difference is that one name.</p>",
    ),
    parameters: &[],
    source: concat!(
        include_str!("models/nonblocking_lesson.rs"),
        "\n",
        include_str!("models/nonblocking.rs")
    ),
    python: include_str!("../lesson/nonblocking.txt"),
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let wrong = talk(&NONBLOCKING_LESSON)?;
    run.check(
        text(
            "课程的程序：第一个客户端的第二句话",
            "the lesson's program: the first client's second message",
        ),
        UNANSWERED.get(lang()),
        wrong.second_answer(),
    );
    let strays = wrong.strays.to_string();
    run.value("strays", text("回显给错的人的消息", "echoes that went to the wrong client"), strays);
    let right = talk(&NONBLOCKING)?;
    run.check(
        text(
            "改正后：第一个客户端的第二句话",
            "the right program: the first client's second message",
        ),
        ANSWERED.get(lang()),
        right.second_answer(),
    );
    run.check(
        text(
            "改正后：回显给错的人的消息",
            "the right program: echoes that went to the wrong client",
        ),
        0,
        right.strays,
    );
    Ok(())
}

struct Heard {
    /// Did the first client get its second message back?
    is_second_answered: bool,
    /// Messages of the second client that came to the first.
    strays: usize,
}

impl Heard {
    fn second_answer(&self) -> &'static str {
        if self.is_second_answered { ANSWERED.get(lang()) } else { UNANSWERED.get(lang()) }
    }
}

fn talk(model: &Model) -> io::Result<Heard> {
    say!("—— {}", model.title.get(lang()));
    let server = Running::start(model, listen(5)?, Log::Shown)?;
    let mut first = TcpStream::connect(server.address)?;
    first.set_read_timeout(Some(PATIENCE))?;
    first.write_all(b"A1")?;
    let mut back = [0; 2];
    first.read_exact(&mut back)?;
    let mut second = TcpStream::connect(server.address)?;
    // An echo to either of them says that the second one has been accepted.
    second.write_all(b"B.")?;
    let (mut at_first, mut at_second) = (Vec::new(), Vec::new());
    gather(&mut first, &mut second, &mut at_first, &mut at_second, 2)?;
    first.write_all(b"A2")?;
    // Each of these could only be answered after a look at the first client, who had spoken before.
    for number in 1..MESSAGES {
        let all = at_first.len() + at_second.len() + 2;
        second.write_all(format!("B{}", number % 10).as_bytes())?;
        gather(&mut first, &mut second, &mut at_first, &mut at_second, all)?;
    }
    let heard = String::from_utf8_lossy(&at_first).into_owned();
    Ok(Heard { is_second_answered: heard.contains("A2"), strays: heard.matches('B').count() })
}

/// Reads from both until so many bytes are there in all.
fn gather(
    first: &mut TcpStream,
    second: &mut TcpStream,
    at_first: &mut Vec<u8>,
    at_second: &mut Vec<u8>,
    all: usize,
) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while at_first.len() + at_second.len() < all {
        if Instant::now() > deadline {
            return Err(io::Error::other("the server answers nobody"));
        }
        for (client, heard) in [(&mut *first, &mut *at_first), (&mut *second, &mut *at_second)] {
            let mut buffer = [0; 64];
            client.set_read_timeout(Some(Duration::from_millis(1)))?;
            if let Ok(count) = client.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..count]);
            }
        }
    }
    Ok(())
}
