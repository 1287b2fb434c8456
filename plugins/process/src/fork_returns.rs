//! Exercise 2: fork returns twice, the child's number in the parent and 0 in the child.

use lab::{Experiment, Fork, Limits, Outcome, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::{getpid, getppid, pipe, read, write};

pub const EXPERIMENT: Experiment = Experiment {
    name: "fork",
    title: text("fork 的两个返回值，pid 与 ppid", "fork and its two return values, pid and ppid"),
    lesson: text(
        "<p><code>fork()</code> 返回两次：在父进程里返回子进程号（大于 0），在子进程里返回 0。\
         <code>getpid()</code> 是自己的进程号，<code>getppid()</code> 是父进程的。\
         子进程把它看到的号码经管道告诉父进程，由父进程核对。",
        "<p><code>fork()</code> returns twice: in the parent with the number of the child (greater than 0), \
         in the child with 0. <code>getpid()</code> is one's own number, <code>getppid()</code> that of the \
         parent. The child tells the numbers it sees through a pipe, and the parent compares them.",
    ),
    parameters: &[],
    source: include_str!("fork_returns.rs"),
    python: "\
import os

ret = os.fork()

if ret == 0:
    print(\"子进程的pid: %s\" %(os.getpid()))
    print(\"子进程的ppid: %s\" %(os.getppid()))
else:
    print(\"父进程的pid: %s\" %(os.getpid()))
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let parent = getpid();
    let (reader, writer) = pipe()?;
    match fork()? {
        Fork::Child => {
            say!("子进程：fork 返回 0" | "child: fork returned 0");
            say!("子进程的pid: {}" | "the child's pid: {}", getpid());
            say!("子进程的ppid: {}" | "the child's ppid: {}", getppid());
            write(&writer, format!("{} {}", getpid(), getppid()).as_bytes())?;
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            say!("父进程：fork 返回 {child}" | "parent: fork returned {child}");
            say!("父进程的pid: {parent}" | "the parent's pid: {parent}");
            let mut buffer = [0; 64];
            let length = read(&reader, &mut buffer)?;
            waitpid(child, None)?;
            let told = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let (pid, ppid) = told.split_once(' ').unwrap_or_default();
            run.check(
                text(
                    "fork 在父进程里的返回值就是子进程的 pid",
                    "what fork returned in the parent is the child's pid",
                ),
                child,
                pid,
            );
            run.check(
                text("子进程的 ppid 就是父进程的 pid", "the child's ppid is the parent's pid"),
                parent,
                ppid,
            );
        }
    }
    Ok(())
}
