//! Asynchronous: the main process goes on, and is told by a callback when the work is done.

use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::Pool;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::{getpid, getppid};

pub const EXPERIMENT: Experiment = Experiment {
    name: "async",
    title: text("异步：回调", "Asynchronous: a callback"),
    lesson: text(
        "<p>主进程把任务交给池就继续做自己的事；任务做完，回调函数在主进程里执行，收到返回值 hello。",
        "<p>The main process gives the task to a pool and goes on with its own work; when the task is done, the \
         callback runs in the main process and gets what was returned: hello.",
    ),
    parameters: &[Parameter::integer("rounds", text("任务的轮数", "rounds of the task"), 1, 10, 3)],
    source: include_str!("asynchronous.rs"),
    python: "\
def test():
    print(\"子进程: pid = %d, ppid = %d\" %(os.getpid(), os.getppid()))
    for i in range(3):
        print(\"%d\" %i)
        time.sleep(1)
    return \"hello\"

def fun(args):
    print(\"fun: args = %s\" %args)
    print(\"fun: %d\" %os.getpid())

if __name__ == \"__main__\":
    pool = Pool(3)
    pool.apply_async(func = test, callback = fun)
    while True:
        print(\"主进程: %d\" %os.getpid())
        time.sleep(1)
",
    limits: Limits::DEFAULT,
    run,
};

const PAUSE: Duration = Duration::from_millis(200);

fn test(rounds: &str) -> String {
    say!("子进程: pid = {}, ppid = {}" | "child: pid = {}, ppid = {}", getpid(), getppid());
    for i in 0..rounds.parse().unwrap_or(0) {
        say!("{i}");
        sleep(PAUSE);
    }
    "hello".to_owned()
}

fn run(run: &mut Run) -> Outcome {
    let rounds = run.values.count("rounds");
    let told = Arc::new(Mutex::new(None));
    let mut pool = Pool::new(3, test)?;
    let fun = {
        let told = told.clone();
        move |args: String| {
            say!("fun: args = {args}");
            say!("fun: {}", getpid());
            if let Ok(mut told) = told.lock() {
                *told = Some((args, getpid()));
            }
        }
    };
    pool.apply_async(&rounds.to_string(), fun)?;
    let mut own_work = 0;
    // The lesson goes on for ever; here until the callback has come.
    while told.lock().is_ok_and(|told| told.is_none()) {
        say!("主进程: {}" | "main process: {}", getpid());
        own_work += 1;
        sleep(PAUSE / 2);
    }
    pool.close();
    pool.join()?;
    let told = told.lock().map(|mut told| told.take()).unwrap_or_default();
    let (args, pid) = told.ok_or("the callback never came")?;
    run.check(text("回调收到的返回值", "what the callback got"), "hello", args);
    run.check(text("回调在主进程里执行", "the callback ran in the main process"), getpid(), pid);
    run.check_that(
        text("等结果时主进程在做自己的事", "meanwhile the main process did work of its own"),
        own_work >= 1,
        "≥ 1",
        own_work,
    );
    Ok(())
}
