//! Synchronisation: three locks make three threads speak in the order 1-2-3.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::lock::Lock;

pub const EXPERIMENT: Experiment = Experiment {
    name: "order",
    title: text(
        "同步：三把锁保证 1-2-3 的次序",
        "Synchronisation: three locks force the order 1-2-3",
    ),
    lesson: text(
        "<p>开始时锁 2、锁 3 已锁上，只有线程 1 能走。它说完打开锁 2，线程 2 说完打开锁 3，线程 3 说完打开锁 1。\
         每个线程等自己的锁，打开下一个的锁。",
        "<p>At first locks 2 and 3 are taken and only thread 1 can go. When it has spoken it opens lock 2, \
         thread 2 opens lock 3, thread 3 opens lock 1. Each waits for its own lock and opens the next one's.",
    ),
    parameters: &[
        Parameter::integer("threads", text("线程数", "threads"), 2, 8, 3),
        Parameter::integer("rounds", text("轮数", "rounds"), 1, 20, 3),
    ],
    source: concat!(include_str!("order.rs"), "\n// ---- lock.rs\n\n", include_str!("lock.rs")),
    python: "\
class Test1(Thread):
    def run(self):
        while True:
            if lock1.acquire():
                print(\"Test1\")
                time.sleep(1)
                lock2.release()

class Test2(Thread):
    def run(self):
        while True:
            if lock2.acquire():
                print(\"Test2\")
                time.sleep(1)
                lock3.release()

class Test3(Thread):
    def run(self):
        while True:
            if lock3.acquire():
                print(\"Test3\")
                time.sleep(1)
                lock1.release()

lock2.acquire()
lock3.acquire()

t1.start()
t2.start()
t3.start()
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let (threads, rounds) = (run.values.count("threads"), run.values.count("rounds"));
    let locks: Vec<_> = (0..threads).map(|_| Lock::default()).collect();
    locks[1..].iter().for_each(Lock::acquire);
    let said = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // Started backwards: it is the locks that make the order.
        for number in (0..threads).rev() {
            let (locks, said) = (&locks, &said);
            scope.spawn(move || {
                for _ in 0..rounds {
                    locks[number].acquire();
                    say!("Test{}", number + 1);
                    if let Ok(mut said) = said.lock() {
                        said.push((number + 1).to_string());
                    }
                    thread::sleep(Duration::from_millis(60));
                    locks[(number + 1) % threads].release();
                }
            });
        }
    });
    let one_round: Vec<_> = (1..=threads).map(|number| number.to_string()).collect();
    let expected = vec![one_round.join("-"); rounds].join("-");
    let said = said.into_inner().unwrap_or_default();
    run.check(text("次序", "order"), expected, said.join("-"));
    Ok(())
}
