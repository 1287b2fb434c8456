//! The child ends first and nobody waits for it: a zombie, until it is waited for.

use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::fork::end_text;
use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::getpid;

use crate::procfs;

pub const EXPERIMENT: Experiment = Experiment {
    name: "zombie",
    title: text(
        "僵尸进程：子进程先结束而没有被回收",
        "A zombie: the child ends first and is not reaped",
    ),
    lesson: text(
        "<p>子进程先结束，父进程没有回收它的资源（pid 和退出状态），它就是僵尸，在 <code>ps</code> 里状态为 Z。\
         僵尸太多会占满 pid，系统就不能再创建进程。<code>wait()</code> 之后它才消失。",
        "<p>A child that has ended, and whose parent has not taken its exit status, is a zombie: state Z in \
         <code>ps</code>. It holds a process number; with too many of them no process can be made any more. \
         After <code>wait()</code> it is gone.",
    ),
    parameters: &[Parameter::integer("zombies", text("僵尸个数", "zombies"), 1, 20, 3)],
    source: concat!(
        include_str!("zombie.rs"),
        "\n// ---- procfs.rs\n\n",
        include_str!("procfs.rs")
    ),
    python: "",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let count = run.values.count("zombies");
    let mut children = Vec::new();
    for _ in 0..count {
        match fork()? {
            Fork::Child => std::process::exit(7),
            Fork::Parent(child) => children.push(child),
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut zombies = 0;
    while zombies < count && Instant::now() < deadline {
        sleep(Duration::from_millis(20));
        let is_zombie = |child| procfs::state(child) == Some(('Z', getpid()));
        zombies = children.iter().filter(|child| is_zombie(**child)).count();
    }
    for child in &children {
        let state = procfs::state(*child).map_or('-', |(state, _)| state);
        say!("/proc/{child}/stat: 状态 {state}" | "/proc/{child}/stat: state {state}");
    }
    run.check(
        text("没有 wait：都是僵尸（Z）", "not waited for: all are zombies (Z)"),
        count,
        zombies,
    );
    for child in &children {
        let status = waitpid(*child, None)?;
        say!("wait() -> ({child}, {})", end_text(status));
    }
    let left = children.iter().filter(|child| procfs::state(**child).is_some()).count();
    run.check(text("wait 之后：都消失了", "after wait: all are gone"), 0, left);
    Ok(())
}
