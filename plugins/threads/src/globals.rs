//! A global variable is the same for all threads of the process.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use lab::{Experiment, Limits, Outcome, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "globals",
    title: text("线程共享全局变量", "Threads share global variables"),
    lesson: text(
        "<p>test1 把 num 加一，test2 看到的就是 11：线程共享所在进程的资源。（fork 出来的进程看到的仍是 10，\
         见“进程”一章。）Rust 要求多个线程都写的全局变量是原子的或有锁，忘了就不能编译。",
        "<p>test1 adds one to num, and test2 sees 11: threads share what their process has. (A forked process \
         would still see 10, see the chapter on processes.) Rust wants a global variable that several threads \
         write to be atomic or locked; otherwise it does not compile.",
    ),
    parameters: &[],
    source: include_str!("globals.rs"),
    python: "\
num = 10

def test1():
    global num
    num += 1
    print(\"test1:num = %d\" %num)

def test2():
    global num
    print(\"test2:num = %d\" %num)

if __name__ == \"__main__\":
    t1 = Thread(target = test1)
    t1.start()
    time.sleep(1)
    t2 = Thread(target = test2)
    t2.start()
",
    limits: Limits::DEFAULT,
    run,
};

static NUM: AtomicI64 = AtomicI64::new(10);

fn test1() -> i64 {
    let num = NUM.fetch_add(1, Ordering::SeqCst) + 1;
    say!("test1:num = {num}");
    num
}

fn test2() -> i64 {
    let num = NUM.load(Ordering::SeqCst);
    say!("test2:num = {num}");
    num
}

fn run(run: &mut Run) -> Outcome {
    // Joined in between, where the lesson sleeps and hopes.
    let first = thread::spawn(test1).join().map_err(|_| "test1 panicked")?;
    let second = thread::spawn(test2).join().map_err(|_| "test2 panicked")?;
    run.check(text("test1 的 num", "num in test1"), 11, first);
    run.check(text("test2 的 num", "num in test2"), 11, second);
    run.check(text("主线程的 num", "num in the main thread"), 11, NUM.load(Ordering::SeqCst));
    Ok(())
}
