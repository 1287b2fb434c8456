//! Variables are not shared: after fork the child has a copy of everything.

use std::fs::File;
use std::io::{Read, Write};

use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::waitpid;
use nix::unistd::pipe;

pub const EXPERIMENT: Experiment = Experiment {
    name: "variables",
    title: text("fork 之后变量不共享", "Variables are not shared after fork"),
    lesson: text(
        "<p>子进程得到父进程内存的一份副本（写时复制）。子进程把 num 加一，父进程的 num 不变：父子进程互不影响，\
         全局变量也不共享。",
        "<p>The child gets a copy of its parent's memory (made when one of them writes). The child adds one to \
         num and the parent's num stays: they do not influence each other, not even by global variables.",
    ),
    parameters: &[Parameter::integer("num", text("num 的初值", "num at first"), -1000, 1000, 10)],
    source: include_str!("variables.rs"),
    python: "\
num = 10

ret = os.fork()

if ret == 0:
    global num
    num += 1
    print(\"子进程num = %d\" %num)

else:
    time.sleep(1)
    print(\"父进程num = %d\" %num)
    os.wait()
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let mut num = run.values.integer("num");
    let first = num;
    let (reader, writer) = pipe()?;
    match fork()? {
        Fork::Child => {
            num += 1;
            say!("子进程num = {num}" | "child: num = {num}");
            write!(File::from(writer), "{num}")?;
            std::process::exit(0);
        }
        Fork::Parent(child) => {
            drop(writer);
            // The child has changed its own by now.
            waitpid(child, None)?;
            say!("父进程num = {num}" | "parent: num = {num}");
            let mut told = String::new();
            File::from(reader).read_to_string(&mut told)?;
            run.check(text("子进程的 num", "num in the child"), first + 1, told);
            run.check(text("父进程的 num", "num in the parent"), first, num);
        }
    }
    Ok(())
}
