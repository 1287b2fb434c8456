//! Several forks in a row: every process there is forks again, so n forks make 2ⁿ processes.

use std::fs::File;
use std::io::{Read, Write};

use lab::svg::{Node, tree};
use lab::{Experiment, Limits, Outcome, Parameter, Run, fork, say, text};
use nix::sys::wait::wait;
use nix::unistd::{getpid, getppid, pipe};

pub const EXPERIMENT: Experiment = Experiment {
    name: "eight",
    title: text("三次 fork = 8 个进程", "Three forks make 8 processes"),
    lesson: text(
        "<p>每个进程都执行剩下的 <code>fork()</code>，所以三次 fork 之后有 2×2×2 = 8 个进程，“*”输出 8 次。\
         下面的进程树由各进程自己报告的 pid 和 ppid 画出。",
        "<p>Every process runs the forks that are left, so after three of them there are 2×2×2 = 8 processes, \
         and “*” is printed 8 times. The tree below is drawn from the pid and ppid that each process told.",
    ),
    parameters: &[Parameter::integer("forks", text("fork 次数", "forks"), 1, 5, 3)],
    source: include_str!("eight.rs"),
    python: "\
import os

os.fork()
os.fork()
os.fork()

print\"*\" #输出8次
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let forks = run.values.count("forks");
    let first = getpid();
    let (reader, writer) = pipe()?;
    for _ in 0..forks {
        fork()?;
    }
    say!("*");
    // One write of a few bytes: a pipe does not mix it with those of the others (pipe(7)).
    File::from(writer).write_all(format!("{} {}\n", getpid(), getppid()).as_bytes())?;
    // A parent that ended now would make its children orphans of another parent.
    while wait().is_ok() {}
    if getpid() != first {
        std::process::exit(0);
    }
    let mut told = String::new();
    File::from(reader).read_to_string(&mut told)?;
    let stars = told.lines().count();
    run.check(text("“*”输出的次数", "how often “*” was printed"), 1 << forks, stars);
    let nodes = family(&told, first.as_raw());
    run.check(text("都是同一棵树上的进程", "all are processes of one tree"), stars, nodes.len());
    run.picture(text("进程树", "The tree of processes"), &tree(&nodes));
    Ok(())
}

/// The processes as a tree, each after its parent.
fn family(told: &str, first: i32) -> Vec<Node> {
    let pairs = told.lines().filter_map(|line| line.split_once(' '));
    let pairs: Vec<(i32, i32)> =
        pairs.filter_map(|(pid, ppid)| Some((pid.parse().ok()?, ppid.parse().ok()?))).collect();
    let mut known = vec![first];
    let mut nodes = vec![Node { label: first.to_string(), parent: None, class: "s0".to_owned() }];
    let mut index = 0;
    while index < known.len() {
        let depth = nodes[index].class.trim_start_matches('s').parse::<usize>().unwrap_or(0);
        let mut children: Vec<_> =
            pairs.iter().filter(|(_, ppid)| *ppid == known[index]).map(|(pid, _)| *pid).collect();
        children.sort_unstable();
        for pid in children {
            known.push(pid);
            let class = format!("s{}", (depth + 1) % 8);
            nodes.push(Node { label: pid.to_string(), parent: Some(index), class });
        }
        index += 1;
    }
    nodes
}
