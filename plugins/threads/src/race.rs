//! The lost update: two threads add to one variable, and not everything they add arrives.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use lab::svg::bars;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "race",
    title: text(
        "竞争：加了两百万次，却不到两百万",
        "A race: two million additions, less than two million",
    ),
    lesson: text(
        "<p><code>n += 1</code> 是三步：读、加、写。两个线程都读到同一个值，各加一写回，就丢了一次。\
         课程的输出是 1167314 和 1301877。这里的读和写各是一条普通的 mov 指令，中间随时可能切换线程\
         （每几万次在那里让出一次 CPU，单核也看得到）。\
         机器很忙时两个线程可能根本没有相遇，那就再来一次。",
        "<p><code>n += 1</code> has three steps: read, add, write. If both threads read the same value and \
         write it back plus one, an addition is lost. The lesson got 1167314 and 1301877. Here reading and \
         writing are one plain instruction each, and the threads may be switched in between (every few \
         ten thousand times the processor is given away there, so that one core is enough to see it). \
         On a busy machine the two may never meet; then they run again.",
    ),
    parameters: &[Parameter::integer(
        "times",
        text("每个线程加的次数", "additions of each thread"),
        100_000,
        20_000_000,
        1_000_000,
    )],
    source: include_str!("race.rs"),
    python: "\
n = 0

def test1():
    global n
    for i in range(1000000):
        n += 1
    print(\"test1: n = %d\" %n)

def test2():
    global n
    for i in range(1000000):
        n += 1
    print(\"test2: n = %d\" %n)

if __name__ == \"__main__\":
    t1 = Thread(target=test1)
    t1.start()
    t2 = Thread(target=test2)
    t2.start()
",
    limits: Limits::DEFAULT,
    run,
};

static N: AtomicU64 = AtomicU64::new(0);

/// Adds one in steps that other threads may come between. (In C this would be a data race, which is
/// undefined; a relaxed load and a relaxed store are the same instructions and are defined.)
fn add(times: u64, switch_every: u64) {
    for i in 0..times {
        let seen = N.load(Ordering::Relaxed);
        if i % switch_every == 0 {
            thread::yield_now();
        }
        N.store(seen + 1, Ordering::Relaxed);
    }
}

/// On a machine with much other work one may be done before the other gets a processor: they never meet,
/// and nothing is lost. Then they run again.
const ATTEMPTS: usize = 20;

fn both_add(times: u64) {
    N.store(0, Ordering::Relaxed);
    let start = Barrier::new(2);
    thread::scope(|scope| {
        // Not the same for both, or they would go in step.
        for (name, switch_every) in [("test1", 10_000), ("test2", 37_000)] {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                add(times, switch_every);
                say!("{name}: n = {}", N.load(Ordering::Relaxed));
            });
        }
    });
}

fn run(run: &mut Run) -> Outcome {
    let times = run.values.count("times") as u64;
    for _ in 0..ATTEMPTS {
        both_add(times);
        if N.load(Ordering::Relaxed) < 2 * times {
            break;
        }
    }
    let (n, all) = (N.load(Ordering::Relaxed), 2 * times);
    run.check_that(
        text("结果少于加的次数", "the result is less than the additions"),
        n < all,
        format!("< {all}"),
        n,
    );
    run.value("n", text("n", "n"), n);
    run.value("lost", text("丢失的加法", "lost additions"), all - n);
    let rows = [
        (text("应得", "should be"), all),
        (text("得到", "is"), n),
        (text("丢失", "lost"), all - n),
    ];
    let rows = rows.map(|(label, value)| (label.get(lab::lang()).to_owned(), value as f64));
    run.picture(text("计数器", "The counter"), &bars(&rows, ""));
    Ok(())
}
