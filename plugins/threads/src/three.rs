//! Three threads: in which order do they speak?

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lab::svg::{Span, timeline};
use lab::{Experiment, Limits, Outcome, Parameter, Run, now_ms, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "three",
    title: text("三个线程的执行顺序", "Three threads and their order"),
    lesson: text(
        "<p>三个线程各自循环输出“线程i”。每一轮里谁先谁后由调度决定，不能依赖；但三个线程是交替进行的，\
         不是一个做完再做下一个。",
        "<p>Three threads say “thread i” in a loop. Which of them is first in a round is the scheduler's \
         decision, and nothing to rely on; but they take turns and do not run one after the other.",
    ),
    parameters: &[
        Parameter::integer("threads", text("线程数", "threads"), 2, 8, 3),
        Parameter::integer("rounds", text("轮数", "rounds"), 2, 10, 3),
    ],
    source: include_str!("three.rs"),
    python: "\
class MyThread(Thread):
    def __init__(self, args):
        Thread.__init__(self)
        self.args = args

    def run(self):
        while True:
            print(\"线程%d\" %self.args)
            time.sleep(1)

if __name__ == \"__main__\":
    for i in range(3):
        t = MyThread(i)
        t.start()
",
    limits: Limits::DEFAULT,
    run,
};

fn run(run: &mut Run) -> Outcome {
    let (threads, rounds) = (run.values.count("threads"), run.values.count("rounds"));
    let said = Arc::new(Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for i in 0..threads {
            let said = said.clone();
            scope.spawn(move || {
                for _ in 0..rounds {
                    say!("线程{i}" | "thread {i}");
                    said.lock().unwrap_or_else(PoisonError::into_inner).push((i, now_ms()));
                    thread::sleep(Duration::from_millis(200));
                }
            });
        }
    });
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    for i in 0..threads {
        let count = said.iter().filter(|(thread, _)| *thread == i).count();
        run.check(text("每个线程说的次数", "how often each thread spoke"), rounds, count);
    }
    let first_end =
        (0..threads).filter_map(|i| said.iter().rposition(|(thread, _)| *thread == i)).min();
    let last_start =
        (0..threads).filter_map(|i| said.iter().position(|(thread, _)| *thread == i)).max();
    run.check(
        text("交替进行：都开始了才有人结束", "in turns: all had begun before one was done"),
        true,
        last_start < first_end,
    );
    let start = said.first().map_or(0, |first| first.1);
    let rows: Vec<_> = (0..threads)
        .map(|i| {
            let own = said.iter().filter(|(thread, _)| *thread == i);
            let spans = own.map(|(_, ms)| {
                let at = (ms - start) as f64 / 1000.0;
                Span { start: at, end: at + 0.03, label: String::new(), class: format!("s{i}") }
            });
            (format!("{} {i}", text("线程", "thread").get(lab::lang())), spans.collect())
        })
        .collect();
    run.picture(text("谁在何时说话", "Who spoke when"), &timeline(&rows, "s"));
    Ok(())
}
