//! fork returns twice: the child's number in the parent, 0 in the child.

use lab::{Experiment, Fork, Limits, Outcome, Run, fork, say, text};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{getpid, getppid};

pub const EXPERIMENT: Experiment = Experiment {
    name: "fork",
    title: text("fork 的两个返回值", "fork and its two return values"),
    lesson: text(
        "<p><code>fork()</code> 创建一个子进程，它从同一处继续运行。",
        "<p><code>fork()</code> makes a child process that goes on at the same place.",
    ),
    parameters: &[],
    source: include_str!("fork_returns.rs"),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    match fork()? {
        Fork::Child => {
            say!("子进程的pid: {}" | "the child's pid: {}", getpid());
            say!("子进程的ppid: {}" | "the child's ppid: {}", getppid());
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            say!("父进程的pid: {}" | "the parent's pid: {}", getpid());
            let status = waitpid(child, None)?;
            run.check(
                text("退出状态", "exit status"),
                format!("{:?}", WaitStatus::Exited(child, 0)),
                format!("{status:?}"),
            );
        }
    }
    Ok(())
}
