//! A stream has no borders: what recv gives, and two ways to find the messages again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::{Charset, Interface};

pub const EXPERIMENT: Experiment = Experiment {
    name: "framing",
    title: text("粘包与拆包：消息的边界", "Messages in a stream: framing"),
    lesson: text(
        "<p>三次 <code>send</code> 可能一次 <code>recv</code> 就全部取到（粘包）；一条长消息要很多次 <code>recv(1024)</code> 才能取完，\
         <strong>课程的程序只取一次，多出的部分留在后面</strong>，而且可能把一个汉字切成两半。办法：在每条消息前写上长度（<code>!I</code>），\
         或者用换行分隔。",
        "<p>Three calls of <code>send</code> may arrive in one <code>recv</code>; one long message takes many calls of \
         <code>recv(1024)</code>. <strong>The lesson's programs call it once, and the rest stays behind</strong>; a Chinese \
         character may even be cut in two. What helps: the length before each message (<code>!I</code>), or a line end behind it.",
    ),
    parameters: &[
        Parameter::lines(
            "messages",
            text("消息（每行一条）", "Messages, a line each"),
            500,
            "第一条\nsecond\n第三条",
        ),
        Parameter::integer(
            "long",
            text("长消息的汉字个数", "Characters of the long message"),
            1,
            20_000,
            1000,
        ),
        crate::CHARSET,
    ],
    source: include_str!("framing.rs"),
    python: include_str!("../lesson/client.py"),
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

/// Two ends of a connection.
pub fn pair(run: &Run) -> Result<(TcpStream, TcpStream), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind((Interface::configured(&run.config)?.address, 0))?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (receiver, _) = listener.accept()?;
    for end in [&sender, &receiver] {
        end.set_read_timeout(Some(Duration::from_secs(5)))?;
        end.set_write_timeout(Some(Duration::from_secs(5)))?;
        end.set_nodelay(true)?;
    }
    Ok((sender, receiver))
}

/// Before each message its length, as `struct.pack("!I", length)`.
fn send_with_length(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(&(message.len() as u32).to_be_bytes())?;
    stream.write_all(message)
}

/// The longest message that a receiver believes in.
const LONGEST: u32 = 1 << 20;

fn receive_with_length(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(std::io::Error::other(format!("a message of {length} bytes is too long")));
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn run(run: &mut Run) -> Outcome {
    let charset = crate::charset(run);
    let lines: Vec<String> = run
        .values
        .get("messages")
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    let messages = lines.iter().map(|line| charset.encode(line)).collect::<Result<Vec<_>, _>>()?;

    if messages.is_empty() {
        return Err(text("请至少写一条消息", "give at least one message")
            .get(lab::run::lang())
            .into());
    }
    glued(run, charset, &messages)?;
    // An odd byte first: the border at 1024 falls into a character of GBK.
    let long = charset.encode(&format!("a{}", "汉".repeat(run.values.count("long"))))?;
    cut(run, charset, &long)?;

    let (mut sender, mut receiver) = pair(run)?;
    for message in messages.iter().chain([&long]) {
        send_with_length(&mut sender, message)?;
    }
    let mut found = Vec::new();
    for _ in 0..=messages.len() {
        found.push(receive_with_length(&mut receiver)?);
    }
    let is_right = found.iter().eq(messages.iter().chain([&long]));
    say!("带长度：{} 条消息，逐条取出" | "with lengths: {} messages, one by one", found.len());
    run.check(text("带长度：每条消息完整", "With lengths: every message whole"), true, is_right);

    let (mut sender, receiver) = pair(run)?;
    for message in &messages {
        sender.write_all(&[message, &b"\n"[..]].concat())?;
    }
    drop(sender);
    let found = BufReader::new(receiver).split(b'\n').collect::<Result<Vec<_>, _>>()?;
    say!("按行：{} 条消息" | "by lines: {} messages", found.len());
    run.check(text("按行：每条消息完整", "By lines: every message whole"), true, found == messages);
    Ok(())
}

/// Several sends, then one recv.
fn glued(run: &mut Run, charset: Charset, messages: &[Vec<u8>]) -> Outcome {
    let (mut sender, mut receiver) = pair(run)?;
    for message in messages {
        let count = sender.write(message)?;
        say!("send(“{}”) = {count}", charset.decode(message).text);
    }
    let all = messages.concat();
    // All of it is there before anything is read.
    let mut buffer = vec![0; 4096];
    while receiver.peek(&mut buffer)? < all.len().min(4096) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let length = receiver.read(&mut buffer)?;
    let text_of_it = charset.decode(&buffer[..length]).text;
    say!(
        "一次 recv(4096) = {length} 字节：“{text_of_it}”"
            | "one recv(4096) = {length} bytes: “{text_of_it}”"
    );
    run.check(
        text("几次 send，一次 recv 全部取到", "Several sends, and one recv has them all"),
        all.len().min(4096),
        length,
    );
    Ok(())
}

/// One long message, and recv(1024) as the lesson has it.
fn cut(run: &mut Run, charset: Charset, long: &[u8]) -> Outcome {
    let (mut sender, mut receiver) = pair(run)?;
    let message = long.to_vec();
    let sending = std::thread::spawn(move || sender.write_all(&message));
    let mut buffer = [0; 1024];
    receiver.read_exact(&mut buffer[..1024.min(long.len())])?;
    let first = &buffer[..1024.min(long.len())];
    let decoded = charset.decode(first);
    let (total, left) = (long.len(), long.len() - first.len());
    say!(
        "长消息 {total} 字节；课程的 recv(1024) 取到 {}，还有 {left} 字节没有取"
            | "a long message of {total} bytes; the lesson's recv(1024) gets {}, {left} bytes stay behind",
        first.len()
    );
    let end: String =
        decoded.text.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect();
    let verdict = if decoded.is_valid { "" } else { " UnicodeDecodeError" };
    say!("decode → …{end}{verdict}");
    let (mut calls, mut received) = (1, first.to_vec());
    while received.len() < total {
        let length = receiver.read(&mut buffer)?;
        received.extend(&buffer[..length]);
        calls += 1;
    }
    sending.join().map_err(|_| "the sending thread has panicked")??;
    say!("共 {calls} 次 recv" | "{calls} calls of recv in all");
    run.value("calls", text("recv 的次数", "Calls of recv"), calls);
    run.check(
        text("继续 recv 才得到完整的消息", "Only more calls give the whole message"),
        true,
        received == long,
    );
    run.check_that(
        text("至少需要的次数", "At least so many calls"),
        calls >= total.div_ceil(1024),
        total.div_ceil(1024),
        calls,
    );
    if charset == Charset::Gbk && total > 1024 {
        run.check(
            text("第 1024 字节落在一个汉字中间", "Byte 1024 falls into a character"),
            "UnicodeDecodeError",
            if decoded.is_valid { "OK" } else { verdict.trim() },
        );
    }
    Ok(())
}
