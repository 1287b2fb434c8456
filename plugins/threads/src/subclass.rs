//! A thread by a type with a method `run`: the lesson's subclass of Thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "subclass",
    title: text("Thread 子类：run 方法", "A subclass of Thread: the method run"),
    lesson: text(
        "<p>子类的 <code>run</code> 在 <code>start()</code> 之后由新线程执行；名字默认是 Thread-N，N 从 1 递增。\
         Rust 里是实现 trait 的类型。",
        "<p>A new thread executes <code>run</code> after <code>start()</code>; the names are Thread-N, N from \
         1. In Rust it is a type that implements a trait.",
    ),
    parameters: &[Parameter::integer("threads", text("线程数", "threads"), 1, 8, 1)],
    source: include_str!("subclass.rs"),
    python: "\
class MyThread(Thread):
    def run(self):
        for i in range(3):
            msg = self.name + \"@\" + str(i)
            time.sleep(1)
            print(msg)

if __name__ == \"__main__\":
    t = MyThread()
    t.start()
",
    limits: Limits::DEFAULT,
    run,
};

/// What a thread does.
trait Thread: Send + Sized + 'static {
    fn run(&mut self);

    /// A method that every such type has.
    fn start(mut self) -> JoinHandle<()> {
        thread::spawn(move || self.run())
    }
}

struct MyThread {
    name: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl MyThread {
    fn new(said: &Arc<Mutex<Vec<String>>>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("Thread-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { name, said: said.clone() }
    }
}

impl Thread for MyThread {
    fn run(&mut self) {
        for i in 0..3 {
            let msg = format!("{}@{i}", self.name);
            sleep(Duration::from_millis(150));
            say!("{msg}");
            self.said.lock().unwrap_or_else(PoisonError::into_inner).push(msg);
        }
    }
}

fn run(run: &mut Run) -> Outcome {
    let threads = run.values.count("threads");
    let said = Arc::new(Mutex::new(Vec::new()));
    let started: Vec<_> = (0..threads).map(|_| MyThread::new(&said).start()).collect();
    for t in started {
        t.join().map_err(|_| "the thread panicked")?;
    }
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    for number in 1..=threads {
        let name = format!("Thread-{number}@");
        let own: Vec<_> = said.iter().filter(|msg| msg.starts_with(&name)).cloned().collect();
        run.check(
            text("这个线程的输出", "what this thread said"),
            format!("{name}0 {name}1 {name}2"),
            own.join(" "),
        );
    }
    Ok(())
}
