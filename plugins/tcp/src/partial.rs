//! send may take less than it is given: the other side reads too slowly.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::framing::pair;

pub const EXPERIMENT: Experiment = Experiment {
    name: "partial",
    title: text("send 只发出一部分", "send takes only a part"),
    lesson: text(
        "<p><code>send</code> 返回的是<strong>内核收下的字节数</strong>，可能比给它的少：对方不读，两边的缓冲区就会满。\
         阻塞的套接字这时等待，非阻塞的返回 EAGAIN。所以要循环发送（Python 的 <code>sendall</code>，Rust 的 <code>write_all</code>）。",
        "<p><code>send</code> returns <strong>how many bytes the kernel took</strong>, which may be fewer than it was given: if \
         the other side does not read, the buffers of both fill up. A blocking socket waits then, another one says EAGAIN. So \
         sending is a loop: <code>sendall</code> in Python, <code>write_all</code> in Rust.",
    ),
    parameters: &[Parameter::integer(
        "megabytes",
        text("要发送多少 MiB", "MiB to send"),
        8,
        64,
        16,
    )],
    source: include_str!("partial.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(30), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let (mut sender, mut receiver) = pair(run)?;
    let data: Vec<u8> =
        (0..run.values.count("megabytes") << 20).map(|place| (place % 251) as u8).collect();
    let total = data.len();
    sender.set_nonblocking(true)?;
    let first = sender.write(&data)?;
    say!("send({total}) = {first}");
    let mut taken = first;
    let refused = loop {
        match sender.write(&data[taken..]) {
            Ok(count) => {
                say!("send({}) = {count}", total - taken);
                taken += count;
                if taken == total {
                    break None;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break Some(error),
            Err(error) => return Err(error.into()),
        }
    };
    let why = refused.as_ref().map_or_else(String::new, ToString::to_string);
    say!("缓冲区满：{taken} 字节之后 {why}" | "the buffers are full: after {taken} bytes {why}");
    run.value("taken", text("内核收下的字节", "Bytes the kernel took"), taken);
    run.check(
        text("对方不读，内核没有全部收下", "While the other does not read, not all is taken"),
        true,
        taken < total && refused.is_some(),
    );

    sender.set_nonblocking(false)?;
    let expected = data.clone();
    let sending = std::thread::spawn(move || sender.write_all(&data[taken..]));
    let mut received = Vec::<u8>::with_capacity(total);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let length = receiver.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        received.extend(&buffer[..length]);
        if received.len() % (1 << 20) < length {
            lab::progress(received.len() as u64, total as u64);
        }
    }
    sending.join().map_err(|_| "the sending thread has panicked")??;
    run.check(
        text("循环发送，对方收到全部", "A loop sends the rest: all has arrived"),
        true,
        received == expected,
    );
    Ok(())
}
