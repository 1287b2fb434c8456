//! Deadlock: two locks taken in opposite orders; detected, and avoided by a timeout.

use std::sync::{Arc, Barrier};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use parking_lot::Mutex;

pub const EXPERIMENT: Experiment = Experiment {
    name: "deadlock",
    title: text("死锁：检测，以及用超时避免", "Deadlock: detected, and avoided by a timeout"),
    lesson: text(
        "<p>线程 1 拿着 A 等 B，线程 2 拿着 B 等 A：谁也走不下去。先让它真的发生，由锁库的检测器找出来\
         （等待关系成环）；再照课程给第二把锁加超时：等不到就放开手里的锁，另一个就能继续（A1 B2 之后是 A2 或 B1）。",
        "<p>Thread 1 holds A and waits for B, thread 2 holds B and waits for A: neither can go on. First it \
         really happens, and the lock library's detector finds it (who waits for whom is a circle). Then, as \
         in the lesson, the second lock has a timeout: who does not get it lets go of the first, and the other \
         goes on (after A1 and B2 comes A2 or B1).",
    ),
    parameters: &[Parameter::integer(
        "timeout",
        text("超时（毫秒）", "timeout (ms)"),
        50,
        2000,
        300,
    )],
    source: include_str!("deadlock.rs"),
    python: "\
mutexA = Lock()
mutexB = Lock()

class Thread1(Thread):
    def run(self):
        if mutexA.acquire():
            print(\"A1\")
            time.sleep(1)
            if mutexB.acquire(timeout=1):
                print(\"B1\")
                mutexB.release()
        mutexA.release()

class Thread2(Thread):
    def run(self):
        if mutexB.acquire():
            print(\"B2\")
            time.sleep(1)
            if mutexA.acquire(timeout=1):
                print(\"A2\")
                mutexA.release()
        mutexB.release()
",
    limits: Limits::DEFAULT,
    run,
};

type Locks = Arc<(Mutex<()>, Mutex<()>)>;

fn run(run: &mut Run) -> Outcome {
    let timeout = Duration::from_millis(run.values.count("timeout") as u64);
    let avoided = with_timeout(timeout)?;
    let got: usize = avoided.iter().map(|(_, got)| usize::from(*got)).sum();
    run.check_that(
        text(
            "有超时：至少一个线程拿到了两把锁",
            "with a timeout: at least one thread got both locks",
        ),
        got >= 1,
        "≥ 1",
        got,
    );
    run.check(
        text("有超时：两个线程都结束了", "with a timeout: both threads ended"),
        2,
        avoided.len(),
    );
    let circle = without_timeout();
    run.check(
        text("没有超时：检测到互相等待的线程", "without: threads found waiting for each other"),
        2,
        circle,
    );
    Ok(())
}

/// Both take their first lock before either tries the second.
fn with_timeout(timeout: Duration) -> Result<Vec<(usize, bool)>, &'static str> {
    say!("-- 有超时" | "-- with a timeout");
    let locks = Locks::default();
    let both = Arc::new(Barrier::new(2));
    let threads: Vec<_> = [1, 2]
        .map(|number| {
            let (locks, both) = (locks.clone(), both.clone());
            thread::spawn(move || {
                let (a, b) = &*locks;
                let (first, second, names) =
                    if number == 1 { (a, b, ["A1", "B1"]) } else { (b, a, ["B2", "A2"]) };
                let _held = first.lock();
                say!("{}", names[0]);
                both.wait();
                // Not both at the same moment: then both would give up.
                let patience = timeout * number;
                let got = second.try_lock_for(patience).is_some();
                if got {
                    say!("{}", names[1]);
                } else {
                    say!(
                        "线程 {number}：{patience:.1?} 没等到，放开"
                            | "thread {number}: not within {patience:.1?}, lets go"
                    );
                }
                (number as usize, got)
            })
        })
        .into();
    threads.into_iter().map(|t| t.join().map_err(|_| "a thread panicked")).collect()
}

/// How many threads the detector finds in the circle. They stay there until the process ends.
fn without_timeout() -> usize {
    say!("-- 没有超时" | "-- without a timeout");
    let locks = Locks::default();
    let both = Arc::new(Barrier::new(2));
    let threads = [1, 2].map(|number| {
        let (locks, both) = (locks.clone(), both.clone());
        let t = thread::spawn(move || {
            let (a, b) = &*locks;
            let (first, second) = if number == 1 { (a, b) } else { (b, a) };
            let _held = first.lock();
            say!("{}", if number == 1 { "A1" } else { "B2" });
            both.wait();
            let _never = second.lock();
            say!("线程 {number} 拿到了两把锁？" | "thread {number} has both locks?");
        });
        t.thread().id()
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let circles = parking_lot::deadlock::check_deadlock();
        if let Some(circle) = circles.first() {
            for (number, id) in (1..).zip(threads) {
                if circle.iter().any(|found| found.thread_id() == id) {
                    say!("死锁：线程 {number} 在等" | "deadlock: thread {number} waits");
                }
            }
            return circle.len();
        }
        sleep(Duration::from_millis(20));
    }
    0
}
