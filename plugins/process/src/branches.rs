//! Two forks and what each of the processes prints: both examples of the lesson.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};

use lab::{Experiment, Fork, Limits, Outcome, Parameter, Run, fork, same, say, text};
use nix::sys::wait::wait;
use nix::unistd::{getpid, pipe};

pub const EXPERIMENT: Experiment = Experiment {
    name: "branches",
    title: text("两次 fork 的分支", "Two forks and their branches"),
    lesson: text(
        "<p>例 1：两个进程都再 fork 一次，所以 333 和 444 各出现两次。例 2：只有父进程再 fork；子进程里的 pid 是 0，\
         所以它也走 333 的分支。先后次序由内核决定，次数不变。",
        "<p>Example 1: both processes fork again, so 333 and 444 come twice each. Example 2: only the parent \
         forks again; pid is 0 in the first child too, so it takes the branch of 333 as well. The order is \
         the kernel's, the counts are certain.",
    ),
    parameters: &[Parameter::choice(
        "example",
        text("例", "example"),
        &[("1", text("例 1", "example 1")), ("2", text("例 2", "example 2"))],
    )],
    source: include_str!("branches.rs"),
    python: "\
# 例1
ret = os.fork()
if ret > 0:
    print(\"111\")
else:
    print(\"222\")

ret = os.fork()
if ret > 0:
    print(\"333\")
else:
    print(\"444\")

# 例2
pid = os.fork()

if pid == 0:
    print(\"111\")
else:
    print(\"222\")
    pid = os.fork()
if pid == 0:
    print(\"333\")
else:
    print(\"444\")
time.sleep(1)
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let first = getpid();
    let (reader, writer) = pipe()?;
    let mut told = File::from(writer);
    let mut print = |text: &str| -> std::io::Result<()> {
        say!("{text}");
        told.write_all(format!("{text}\n").as_bytes())
    };
    let expected = match run.values.get("example") {
        "1" => {
            let is_parent = matches!(fork()?, Fork::Parent(_));
            print(if is_parent { "111" } else { "222" })?;
            let is_parent = matches!(fork()?, Fork::Parent(_));
            print(if is_parent { "333" } else { "444" })?;
            "111×1 222×1 333×2 444×2"
        }
        _ => {
            let mut pid = fork()?;
            if pid == Fork::Child {
                print("111")?;
            } else {
                print("222")?;
                pid = fork()?;
            }
            print(if pid == Fork::Child { "333" } else { "444" })?;
            "111×1 222×1 333×2 444×1"
        }
    };
    drop(told);
    while wait().is_ok() {}
    if getpid() != first {
        std::process::exit(0);
    }
    let mut text_told = String::new();
    File::from(reader).read_to_string(&mut text_told)?;
    let mut counts = BTreeMap::new();
    for line in text_told.lines() {
        *counts.entry(line).or_insert(0) += 1;
    }
    let found: Vec<_> = counts.iter().map(|(text, count)| format!("{text}×{count}")).collect();
    run.check(same("111 222 333 444"), expected, found.join(" "));
    Ok(())
}
