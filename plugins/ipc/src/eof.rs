//! The end of a pipe: EOF when every writing end is closed, and the hang when one is not.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::{pipe, read, write};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub const EXPERIMENT: Experiment = Experiment {
    name: "eof",
    title: text(
        "管道的结束：EOF，以及忘了关闭就挂住",
        "The end of a pipe: EOF, and the hang without close",
    ),
    lesson: text(
        "<p>所有输入端都关闭、数据也读完之后，<code>read</code> 返回 0：EOF。fork 之后父子进程各有两端，\
         所以读的一方必须关闭自己的那个输入端，否则它等的正是自己：永远挂住。这里先做对的，再做错的（等到超时为止）。",
        "<p>When every writing end is closed and all is read, <code>read</code> returns 0: EOF. After a fork \
         both processes have both ends, so the reader must close its own writing end; if it does not, it waits \
         for itself, for ever. Done right first, then wrong (until a timeout).",
    ),
    parameters: &[
        Parameter::integer("messages", text("消息数", "messages"), 1, 50, 10),
        Parameter::integer(
            "patience",
            text("挂住时等多久（毫秒）", "how long the hang is watched (ms)"),
            100,
            5000,
            1000,
        ),
    ],
    source: include_str!("eof.rs"),
    python: "\
def test(out_pipe,in_pipe):
    while True:
        try:
            in_pipe.close()
            msg = out_pipe.recv()
            print(\"msg: %d\" %msg)
            time.sleep(1)
        except EOFError: # 文件以EOF表示结束,一行文件以\\n表示结束
            print(\"输入端已经关闭,退出!\")
            break

def main():
    out_pipe, in_pipe = Pipe() # Pipe()默认参数为True,代表双工;当为False,代表单工
    p = Process(target = test, args = (out_pipe, in_pipe))
    p.start()

    out_pipe.close()
    for i in range(10):
        in_pipe.send(i)
        time.sleep(1)

    in_pipe.close()
",
    limits: Limits::DEFAULT,
    run,
};

/// How the reading child ended, as its exit status.
const EOF: i32 = 0;
const HANG: i32 = 1;

fn run(run: &mut Run) -> Outcome {
    let messages = run.values.count("messages") as u8;
    let patience = Duration::from_millis(run.values.count("patience") as u64);
    say!("-- 读的一方关闭了自己的输入端" | "-- the reader closes its own writing end");
    let right = send_and_close(messages, true, patience)?;
    run.check(text("关闭了：读到 EOF", "closed: the reader sees EOF"), "EOF", right);
    say!("-- 读的一方没有关闭自己的输入端" | "-- the reader does not close its own writing end");
    let wrong = send_and_close(messages, false, patience)?;
    run.check(text("没有关闭：挂住", "not closed: the reader hangs"), "hang", wrong);
    Ok(())
}

fn send_and_close(
    messages: u8,
    closes: bool,
    patience: Duration,
) -> Result<&'static str, Box<dyn std::error::Error>> {
    let (out_pipe, in_pipe) = pipe()?;
    match fork()? {
        Fork::Child => {
            let mut in_pipe = Some(in_pipe);
            if closes {
                in_pipe = None;
            }
            let status = receive(&out_pipe, patience)?;
            // Open until here, or closed above.
            drop(in_pipe);
            std::process::exit(status);
        }
        Fork::Parent(child) => {
            drop(out_pipe);
            for i in 0..messages {
                write(&in_pipe, &[i])?;
            }
            drop(in_pipe);
            Ok(match waitpid(child, None)? {
                nix::sys::wait::WaitStatus::Exited(_, EOF) => "EOF",
                nix::sys::wait::WaitStatus::Exited(_, HANG) => "hang",
                _ => "?",
            })
        }
    }
}

/// Reads until the end, or until nothing has come for too long.
fn receive(out_pipe: &OwnedFd, patience: Duration) -> Result<i32, Box<dyn std::error::Error>> {
    loop {
        let start = Instant::now();
        let time =
            Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        if poll(&mut [PollFd::new(out_pipe, PollFlags::IN)], Some(&time))? == 0 {
            say!(
                "挂住：等了 {:.1?}，既没有数据也没有 EOF"
                    | "hangs: neither data nor EOF for {:.1?}",
                start.elapsed()
            );
            return Ok(HANG);
        }
        let mut byte = [0];
        if read(out_pipe, &mut byte)? == 0 {
            say!("输入端已经关闭,退出!" | "the writing end is closed: the end!");
            return Ok(EOF);
        }
        say!("msg: {}", byte[0]);
    }
}
