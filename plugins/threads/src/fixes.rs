//! The race mended: by polling a flag, by a mutex around the loop, by a mutex for each step, and by
//! an atomic addition.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lab::svg::bars;
use lab::{Experiment, Limits, Outcome, Parameter, Run, Text, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "fixes",
    title: text("避免竞争的几种办法和用时", "The race mended in four ways, with times"),
    lesson: text(
        "<p>课程的办法：轮询标志（等的线程白白占着 CPU）、互斥锁锁住整个循环（等于一个接一个）、每次加一都上锁\
         （临界区短，但上锁百万次）。另外还有原子加法：一条指令，不用锁。结果都对，用时不同。",
        "<p>The lesson's ways: to poll a flag (who waits keeps a processor busy for nothing), a mutex around the \
         whole loop (one thread after the other), a mutex for each addition (held briefly, but a million \
         times). And an atomic addition: one instruction, no lock. All give the right result, in different \
         times.",
    ),
    parameters: &[Parameter::integer(
        "times",
        text("每个线程加的次数", "additions of each thread"),
        1000,
        5_000_000,
        1_000_000,
    )],
    source: include_str!("fixes.rs"),
    python: "\
# 轮询
def test2():
    global n
    global flag
    while True: #轮询
        if flag == 0:
            for i in range(100000):
                n += 1
            print(\"test2:n = %d\" %n)
            flag = 1
            break

# 互斥锁
mutex = Lock()

def test1():
    global n
    mutex.acquire()
    for i in range(100000):
        n += 1
    mutex.release()
    print(\"test1:n = %d\" %n)

def test2():
    global n
    for i in range(100000):
        mutex.acquire()
        n += 1 # 操作共有资源时,时间越短越好
        mutex.release()
    print(\"test2:n = %d\" %n)
",
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

/// One round of a loop that is safe only while no other thread is in one.
fn add(n: &AtomicU64) {
    n.store(n.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// `false` is the first thread, which goes first.
fn by_flag(n: &AtomicU64, flag: &AtomicBool, is_second: bool, times: u64) {
    // Acquire and release: what the first thread wrote before is seen by who reads the flag.
    while flag.load(Ordering::Acquire) != is_second {
        std::hint::spin_loop();
    }
    (0..times).for_each(|_| add(n));
    flag.store(!is_second, Ordering::Release);
}

fn around_the_loop(n: &AtomicU64, mutex: &Mutex<()>, times: u64) {
    let _held = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    (0..times).for_each(|_| add(n));
}

fn for_each_step(n: &AtomicU64, mutex: &Mutex<()>, times: u64) {
    for _ in 0..times {
        let _held = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        add(n);
    }
}

fn atomic(n: &AtomicU64, times: u64) {
    for _ in 0..times {
        n.fetch_add(1, Ordering::Relaxed);
    }
}

fn run(run: &mut Run) -> Outcome {
    let times = run.values.count("times") as u64;
    let (mutex, flag) = (Mutex::new(()), AtomicBool::new(false));
    let mut rows = Vec::new();
    let mut measure = |name: &str, what: Text, work: &(dyn Fn(&AtomicU64, bool) + Sync)| {
        let (n, time) = two_threads(work);
        run.check(what, 2 * times, n);
        let seconds = time.as_secs_f64();
        run.value(name, what, format!("{:.1} ms", seconds * 1000.0));
        rows.push((what.get(lab::lang()).to_owned(), seconds * 1000.0));
    };
    measure("flag", text("轮询标志", "polling a flag"), &|n, second| {
        by_flag(n, &flag, second, times)
    });
    measure("around", text("锁住整个循环", "a mutex around the loop"), &|n, _| {
        around_the_loop(n, &mutex, times)
    });
    measure("step", text("每次加一上锁", "a mutex for each step"), &|n, _| {
        for_each_step(n, &mutex, times)
    });
    measure("atomic", text("原子加法", "an atomic addition"), &|n, _| atomic(n, times));
    run.picture(text("用时", "Time"), &bars(&rows, "ms"));
    Ok(())
}

/// Runs both threads from the same moment; gives n and the time.
fn two_threads(work: &(dyn Fn(&AtomicU64, bool) + Sync)) -> (u64, Duration) {
    let n = AtomicU64::new(0);
    let start = Barrier::new(2);
    let began = Instant::now();
    thread::scope(|scope| {
        for is_second in [false, true] {
            let (n, start) = (&n, &start);
            scope.spawn(move || {
                start.wait();
                work(n, is_second);
                let name = if is_second { "test2" } else { "test1" };
                say!("{name}:n = {}", n.load(Ordering::Relaxed));
            });
        }
    });
    (n.load(Ordering::Relaxed), began.elapsed())
}
