//! Two forks in a row leave no zombie: the grandchild is an orphan and is not the parent's to bury.

use std::fs::File;
use std::io::{Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::{Experiment, Fork, Limits, Outcome, Run, fork, say, text};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid, getppid, pipe};

use crate::procfs;

pub const EXPERIMENT: Experiment = Experiment {
    name: "double-fork",
    title: text("两次 fork 避免僵尸", "Forking twice leaves no zombie"),
    lesson: text(
        "<p>父进程 fork 出子进程，子进程再 fork 出孙子进程后立刻退出，父进程马上回收它。孙子成为孤儿，\
         由收养者（init 或 subreaper）回收：父进程不必等它，也没有僵尸。",
        "<p>The parent forks a child, which forks a grandchild and ends at once; the parent reaps it right \
         away. The grandchild is an orphan that init (or a subreaper) will bury: the parent need not wait for \
         it, and there is no zombie.",
    ),
    parameters: &[],
    source: include_str!("double_fork.rs"),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let adopter = getppid();
    let (reader, writer) = pipe()?;
    match fork()? {
        Fork::Child => {
            // The child: forks, and ends at once.
            if fork()? == Fork::Child {
                work_as_grandchild(File::from(writer))?;
            }
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            drop(writer);
            waitpid(child, None)?;
            say!("父进程：已回收子进程 {child}" | "parent: reaped the child {child}");
            let mut told = String::new();
            File::from(reader).read_to_string(&mut told)?;
            let (pid, ppid) = told.split_once(' ').unwrap_or_default();
            run.check(
                text("孙子进程的父进程是收养者", "the grandchild's parent is who adopts"),
                adopter,
                ppid,
            );
            let grandchild = Pid::from_raw(pid.parse()?);
            let deadline = Instant::now() + Duration::from_secs(10);
            while procfs::state(grandchild).is_some() && Instant::now() < deadline {
                sleep(Duration::from_millis(10));
            }
            run.check(
                text(
                    "孙子进程结束后被回收，没有僵尸",
                    "the grandchild has ended and is buried: no zombie",
                ),
                "None",
                format!("{:?}", procfs::state(grandchild)),
            );
            run.check(
                text(
                    "父进程没有要等的子进程（ECHILD）",
                    "the parent has no child to wait for (ECHILD)",
                ),
                format!("{:?}", Errno::ECHILD),
                format!(
                    "{:?}",
                    waitpid(None, Some(WaitPidFlag::WNOHANG)).err().unwrap_or(Errno::UnknownErrno)
                ),
            );
        }
    }
    Ok(())
}

fn work_as_grandchild(mut told: File) -> std::io::Result<()> {
    sleep(Duration::from_millis(200));
    say!("孙子进程 {} 在工作, ppid = {}" | "grandchild {} works, ppid = {}", getpid(), getppid());
    write!(told, "{} {}", getpid(), getppid())
}
