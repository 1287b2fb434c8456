//! A pipe in both directions: a pair of connected sockets, as Python's Pipe() is.

use lab::fork::end_text;
use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::{read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

pub const EXPERIMENT: Experiment = Experiment {
    name: "duplex",
    title: text("双工管道：两个方向", "A pipe in both directions"),
    lesson: text(
        "<p><code>Pipe()</code> 默认是双工，像手机，两边随时都可以收发。内核里它是一对相连的套接字：\
         <code>socketpair()</code>。父进程发一个数，子进程送回它的平方。",
        "<p><code>Pipe()</code> is for both directions if nothing else is said: like a phone, both sides may \
         speak at any time. To the kernel it is a pair of connected sockets, <code>socketpair()</code>. The \
         parent sends a number, the child sends back its square.",
    ),
    parameters: &[Parameter::integer("numbers", text("个数", "numbers"), 1, 100, 5)],
    source: include_str!("duplex.rs"),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let numbers = run.values.count("numbers") as u64;
    // Messages stay apart (SEQPACKET), as Python's send and recv keep them.
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let child = match fork()? {
        Fork::Child => {
            // The other end is the parent's: with a copy of it here, its closing would not be seen.
            drop(ours);
            let mut buffer = [0; 8];
            while let Ok(8) = read(&theirs, &mut buffer) {
                let number = u64::from_ne_bytes(buffer);
                say!("子进程收到 {number}" | "the child received {number}");
                write(&theirs, &(number * number).to_ne_bytes())?;
            }
            std::process::exit(0);
        }
        Fork::Parent(child) => child,
    };
    drop(theirs);
    let mut squares = Vec::new();
    for number in 0..numbers {
        write(&ours, &number.to_ne_bytes())?;
        let mut buffer = [0; 8];
        read(&ours, &mut buffer)?;
        let square = u64::from_ne_bytes(buffer);
        say!("父进程收到 {square}" | "the parent received {square}");
        squares.push(square);
    }
    drop(ours);
    let status = waitpid(child, None)?;
    let expected: Vec<_> = (0..numbers).map(|number| number * number).collect();
    run.check(
        text("送回的平方", "the squares that came back"),
        format!("{expected:?}"),
        format!("{squares:?}"),
    );
    run.check(
        text("子进程看到另一端关闭，正常结束", "the child saw the other end close and ended well"),
        "exit 0",
        end_text(status),
    );
    Ok(())
}
