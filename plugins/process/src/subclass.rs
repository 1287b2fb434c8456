//! A process by a type of one's own with a method `run`: the lesson's subclass.

use std::fs::File;
use std::io::{Read, Write};

use lab::multiprocessing::{Process, Target};
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::pipe;

pub const EXPERIMENT: Experiment = Experiment {
    name: "subclass",
    title: text("Process 子类：run 方法", "A subclass of Process: the method run"),
    lesson: text(
        "<p>课程里从 <code>Process</code> 派生子类，<code>start()</code> 时执行 <code>run</code>。Rust 没有继承：\
         有 <code>run</code> 方法的类型实现 trait。<code>start()</code> 之前改名，子进程看得到；之后改名，\
         只改了父进程自己的那份。",
        "<p>The lesson derives from <code>Process</code>, and <code>start()</code> runs its <code>run</code>. \
         Rust has no inheritance: a type with a method <code>run</code> implements a trait. A name that is \
         changed before <code>start()</code> is the child's too; one that is changed after it is only the \
         parent's.",
    ),
    parameters: &[
        Parameter::line("before", text("start 之前的名字", "name before start"), 20, "xiaowang"),
        Parameter::line("after", text("start 之后的名字", "name after start"), 20, "xiaoli"),
    ],
    source: include_str!("subclass.rs"),
    python: "\
class MyProcess(Process):

    def __init__(self, name): #创建对象时执行
        Process.__init__(self)
        #super(MyProcess, self).__init__()
        self.name = name

    def run(self): #start时执行
        print(\"子进程\")
        print(\"name = %s\" %self.name)

p = MyProcess(\"2\")
print(\"父进程 name = %s\" %p.name)
p.name = \"xiaowang\"
p.start()
p.name = \"xiaoli\"
print(\"父进程 name = %s\" %p.name)

print(\"父进程\")
",
    limits: Limits::DEFAULT,
    run,
};

struct MyProcess {
    name: String,
    told: File,
}

impl Target for MyProcess {
    fn run(&mut self) -> i32 {
        say!("子进程" | "the child");
        say!("name = {}", self.name);
        i32::from(self.told.write_all(self.name.as_bytes()).is_err())
    }
}

fn run(run: &mut Run) -> Outcome {
    let (reader, writer) = pipe()?;
    let mut p = Process::new(MyProcess { name: "2".to_owned(), told: File::from(writer) });
    say!("父进程 name = {}" | "parent: name = {}", p.target.name);
    run.values.get("before").clone_into(&mut p.target.name);
    p.start()?;
    run.values.get("after").clone_into(&mut p.target.name);
    say!("父进程 name = {}" | "parent: name = {}", p.target.name);
    say!("父进程" | "the parent");
    p.join(None)?;
    let (parents, exit_text) = (p.target.name.clone(), p.exit_text());
    // With it goes our writing end of the pipe, so that reading comes to an end.
    drop(p);
    let mut told = String::new();
    File::from(reader).read_to_string(&mut told)?;
    run.check(
        text("子进程的 name", "name in the child"),
        run.values.get("before").to_owned(),
        told,
    );
    run.check(
        text("父进程的 name", "name in the parent"),
        run.values.get("after").to_owned(),
        parents,
    );
    run.check(text("退出码", "exit code"), 0, exit_text);
    Ok(())
}
