//! A pipe in one direction: what goes in at one end comes out at the other, and not the other way.

use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::Process;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::errno::Errno;
use nix::unistd::{pipe, read, write};

pub const EXPERIMENT: Experiment = Experiment {
    name: "simplex",
    title: text("单工管道：只有一个方向", "A pipe in one direction"),
    lesson: text(
        "<p><code>pipe()</code> 返回两端：第一个是输出端（读），第二个是输入端（写），像广播电台，只有一个方向：\
         往输出端写会失败（EBADF）。管道有容量，没人读时写满就阻塞。",
        "<p><code>pipe()</code> gives two ends: the first is for reading, the second for writing. Like a radio \
         station it has one direction: writing to the reading end fails (EBADF). A pipe has room for so many \
         bytes; when nobody reads, writing blocks.",
    ),
    parameters: &[Parameter::integer("messages", text("消息数", "messages"), 1, 30, 5)],
    source: include_str!("simplex.rs"),
    python: "\
from multiprocessing import Pipe
pipe = Pipe(False) #参数：默认True：代表双工，Fasle:单工
#pipe是元组，(out_pipe, in_pipe)
#如果是单工，第一个out_pipe一定是输出端，第二个一定是输入端
out_pipe, in_pipe = pipe
in_pipe.send(obj)
value = out_pipe.recv()
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let messages = run.values.count("messages");
    let (out_pipe, in_pipe) = pipe()?;
    run.check(
        text("往输出端写", "writing to the reading end"),
        format!("{:?}", Errno::EBADF),
        format!("{:?}", write(&out_pipe, b"x").err().unwrap_or(Errno::UnknownErrno)),
    );
    run.check(
        text("从输入端读", "reading from the writing end"),
        format!("{:?}", Errno::EBADF),
        format!("{:?}", read(&in_pipe, &mut [0]).err().unwrap_or(Errno::UnknownErrno)),
    );

    let mut p = Process::new(|| {
        for i in 0..messages {
            // Each message has a length of its own: a pipe is a stream of bytes and knows no messages.
            let text = format!("message {i}");
            let message = [&[text.len() as u8], text.as_bytes()].concat();
            if write(&in_pipe, &message).is_err() {
                return 1;
            }
            sleep(Duration::from_millis(50));
        }
        0
    });
    p.start()?;
    let mut received = Vec::new();
    for _ in 0..messages {
        let mut length = [0];
        read(&out_pipe, &mut length)?;
        let mut text = vec![0; length[0].into()];
        let mut there = 0;
        while there < text.len() {
            there += read(&out_pipe, &mut text[there..])?;
        }
        let text = String::from_utf8(text)?;
        say!("recv: {text}");
        received.push(text);
    }
    p.join(None)?;
    let sent: Vec<_> = (0..messages).map(|i| format!("message {i}")).collect();
    run.check(text("收到的消息", "messages received"), sent.join(", "), received.join(", "));
    run.check(text("子进程正常结束", "the child ended well"), 0, p.exit_text());
    let capacity = rustix::pipe::fcntl_getpipe_size(&out_pipe)?;
    run.value("capacity", text("管道的容量（字节）", "room in the pipe (bytes)"), capacity);
    Ok(())
}
