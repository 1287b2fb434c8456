//! The parent ends first: its child is an orphan, and gets another parent.

use std::fs::File;
use std::io::{Read, Write};
use std::thread::sleep;
use std::time::Duration;

use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::{getppid, pipe};

pub const EXPERIMENT: Experiment = Experiment {
    name: "orphan",
    title: text("孤儿进程：父进程先结束", "An orphan: the parent ends first"),
    lesson: text(
        "<p>父进程先结束，子进程就成了孤儿，由 init（pid=1）收养并回收。今天的 Linux 里，收养者是最近的\
         “subreaper”（见 prctl(2)），没有时才是 1：在这里是看管实验的进程。课程的输出里 ppid 从 2994 变成 1，\
         这里变成收养者的 pid。",
        "<p>When the parent ends first, the child is an orphan; init (pid 1) adopts it and buries it. On \
         today's Linux the nearest “subreaper” (prctl(2)) does, and pid 1 only if there is none: here it is \
         the process that keeps the experiment. In the lesson the ppid turns from 2994 to 1, here to the \
         number of who adopts.",
    ),
    parameters: &[Parameter::integer(
        "rounds",
        text("子进程输出次数", "rounds of the child"),
        2,
        10,
        5,
    )],
    source: include_str!("orphan.rs"),
    python: "\
ret = os.fork()

# linux系统只有在父进程结束后才会给一个提示栏
if ret == 0:
    print(\"子进程开始\")
    for i in range(5):
        print(\"hello\")
        time.sleep(1)
        print(os.getppid())
    print(\"子进程结束\")

else:
    print(\"父进程\")
    time.sleep(1)
    print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let rounds = run.values.count("rounds");
    let adopter = getppid();
    let (reader, writer) = pipe()?;
    // The parent of the lesson, so that there is somebody left to look when it has ended.
    match fork()? {
        Fork::Child => parent_and_child(rounds, File::from(writer))?,
        Fork::Parent(parent) => {
            drop(writer);
            waitpid(parent, None)?;
            // Ends when the orphan has: then nobody holds the writing end any more.
            let mut told = String::new();
            File::from(reader).read_to_string(&mut told)?;
            let first = told.lines().next().unwrap_or_default();
            let last = told.lines().last().unwrap_or_default();
            run.check(
                text("开始时的 ppid 是父进程", "the ppid is the parent's at first"),
                parent,
                first,
            );
            run.check(
                text("父进程结束后的 ppid 是收养者", "after the parent's end it is who adopts"),
                adopter,
                last,
            );
        }
    }
    Ok(())
}

fn parent_and_child(rounds: usize, mut told: File) -> Outcome {
    match fork()? {
        Fork::Child => {
            say!("子进程开始" | "the child begins");
            for _ in 0..rounds {
                writeln!(told, "{}", getppid())?;
                say!("hello, ppid = {}", getppid());
                sleep(Duration::from_millis(200));
            }
            writeln!(told, "{}", getppid())?;
            say!("子进程结束, ppid = {}" | "the child ends, ppid = {}", getppid());
        }
        Fork::Parent(_) => {
            say!("父进程" | "the parent");
            sleep(Duration::from_millis(300));
            say!("父进程结束" | "the parent ends");
        }
    }
    Ok(())
}
