//! A process as an object: name, pid, is_alive, join with and without a timeout, arguments.

use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::Process;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "object",
    title: text("Process 对象", "A process as an object"),
    lesson: text(
        "<p><code>name</code> 是别名（默认 Process-N），<code>pid</code> 是进程号，<code>is_alive()</code> 判断是否还在，\
         <code>join()</code> 阻塞等待它结束并回收资源；<code>join(n)</code> 最多等 n 秒。参数在创建时交给它。",
        "<p><code>name</code> is another name for it (Process-N if none is given), <code>pid</code> its number, \
         <code>is_alive()</code> says whether it still runs, <code>join()</code> waits for its end and reaps \
         it, <code>join(n)</code> for n seconds at most. It takes its arguments when it is made.",
    ),
    parameters: &[
        Parameter::line("name", text("别名", "name"), 20, "Mary"),
        Parameter::line("argument", text("参数 name", "the argument name"), 40, "hello"),
        Parameter::integer("rounds", text("次数", "rounds"), 1, 10, 5),
    ],
    source: concat!(
        include_str!("object.rs"),
        "\n// ---- lab/src/multiprocessing/process.rs\n\n",
        include_str!("../../lab/src/multiprocessing/process.rs")
    ),
    python: "\
name = \"hello\"

def test(name):
    for i in range(5):
        time.sleep(1)
        print(\"name = %s \"%name)

p = Process(target = test, args = (name,), name = \"Mary\") # 运行时包含子进程资源回收
p.start()
print(p.name) # 若Process中未定义name = \"Mary\",输出process-n,n从1开始递增
print(p.pid) # 创建的子进程的进程号
print(p.is_alive()) # 判断子进程是否还存在
p.join() # 默认让父类无限等待(此时参数为None);传n,代表等待n秒
         # 此条语句作用为阻塞等待(当子进程结束后才继续执行)
print(\"父进程结束\")
",
    limits: Limits::DEFAULT,
    run,
};

const PAUSE: Duration = Duration::from_millis(200);

fn run(run: &mut Run) -> Outcome {
    let name = run.values.get("argument").to_owned();
    let rounds = run.values.count("rounds");
    let test = move || {
        for _ in 0..rounds {
            sleep(PAUSE);
            say!("name = {name}");
        }
        0
    };
    let unnamed = Process::new(test.clone());
    run.check(text("没有起名时", "without a name"), "Process-1", &unnamed.name);

    let mut p = Process::new(test).named(run.values.get("name"));
    run.check(text("start 之前没有 pid", "no pid before start"), "None", format!("{:?}", p.pid()));
    p.start()?;
    say!("{}", p.name);
    say!("{}", p.pid().map_or(0, nix::unistd::Pid::as_raw));
    let is_alive = p.is_alive()?;
    say!("{is_alive}");
    run.check(text("刚启动：is_alive()", "just started: is_alive()"), true, is_alive);
    let has_ended = p.join(Some(PAUSE / 2))?;
    run.check(
        text("join 超时返回，子进程还在", "join with a timeout returns, the child still runs"),
        false,
        has_ended,
    );
    p.join(None)?;
    run.check(text("join() 之后：is_alive()", "after join(): is_alive()"), false, p.is_alive()?);
    run.check(text("退出码", "exit code"), 0, p.exit_text());
    say!("父进程结束" | "the parent ends");
    Ok(())
}
