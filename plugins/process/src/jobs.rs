//! Four jobs of one second: one after the other, in four processes, and in a pool of four.

use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::multiprocessing::{Pool, Process};
use lab::svg::bars;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "jobs",
    title: text(
        "四个任务：依次、四个进程、进程池",
        "Four jobs: in turn, in four processes, in a pool",
    ),
    lesson: text(
        "<p>四个函数各睡一秒。依次执行要四秒；四个进程或容量为 4 的池只要约一秒，CPU 只有两个也一样：\
         睡着的进程不占 CPU。课程最后只调用一次 <code>os.wait()</code>，那只等到第一个子进程结束；这里等到全部。",
        "<p>Four functions sleep a second each. One after the other they take four; four processes, or a pool \
         of four, take about one, even with two processors: who sleeps needs none. The lesson calls \
         <code>os.wait()</code> once, which waits for the first child only; here all are waited for.",
    ),
    parameters: &[Parameter::integer(
        "ms",
        text("每个任务（毫秒）", "each job (ms)"),
        200,
        2000,
        500,
    )],
    source: include_str!("jobs.rs"),
    python: "\
l = [fun1,fun2,fun3,fun4]
pool = Pool(4)

for i in range(4):
    pool.apply_async(l[i])

pool.close()
pool.join()

s2 = time.time()
print(\"程序运行时间为:%.2f秒\"%(s2-s1))

# 不用进程池
p1 = Process(target=fun1)
p2 = Process(target=fun2)
p3 = Process(target=fun3)
p4 = Process(target=fun4)
p1.start()
p2.start()
p3.start()
p4.start()

os.wait()
s2 = time.time()
print(\"程序运行时间为:%.2f秒\"%(s2-s1))
",
    limits: Limits::DEFAULT,
    run,
};

fn fun(task: &str) -> String {
    let (number, ms) = task.split_once(' ').unwrap_or((task, "0"));
    say!("fun{number}");
    sleep(Duration::from_millis(ms.parse().unwrap_or(0)));
    String::new()
}

fn run(run: &mut Run) -> Outcome {
    let ms = run.values.count("ms");
    let tasks: Vec<String> = (1..=4).map(|number| format!("{number} {ms}")).collect();

    let in_turn = timed(|| {
        tasks.iter().for_each(|task| drop(fun(task)));
        Ok(())
    })?;
    let processes = timed(|| {
        let mut started = Vec::new();
        for task in &tasks {
            let mut p = Process::new(|| i32::from(!fun(task).is_empty()));
            p.start()?;
            started.push(p);
        }
        started.iter_mut().try_for_each(|p| p.join(None).map(drop).map_err(Into::into))
    })?;
    let pool = timed(|| {
        let mut pool = Pool::new(4, fun)?;
        for task in &tasks {
            pool.apply_async(task, |_| {})?;
        }
        pool.close();
        Ok(pool.join()?)
    })?;

    let names = [
        text("依次", "in turn").get(lab::lang()),
        text("四个进程", "four processes").get(lab::lang()),
        text("进程池(4)", "pool of four").get(lab::lang()),
    ];
    let times = [in_turn, processes, pool];
    let rows: Vec<_> = names
        .iter()
        .zip(times)
        .map(|(name, time)| ((*name).to_owned(), time.as_secs_f64()))
        .collect();
    run.picture(text("程序运行时间", "Time"), &bars(&rows, "s"));
    let labels = [
        text("依次（秒）", "in turn (s)"),
        text("四个进程（秒）", "four processes (s)"),
        text("进程池（秒）", "the pool (s)"),
    ];
    for ((name, label), time) in ["in_turn", "processes", "pool"].iter().zip(labels).zip(times) {
        run.value(name, label, format!("{:.2}", time.as_secs_f64()));
    }
    let job = Duration::from_millis(ms as u64);
    run.check_that(
        text("依次：四倍", "in turn: four times one"),
        in_turn >= 4 * job,
        format!("≥ {:.2?}", 4 * job),
        format!("{in_turn:.2?}"),
    );
    for (what, time) in [
        (text("四个进程：同时", "four processes: at once"), processes),
        (text("进程池：同时", "the pool: at once"), pool),
    ] {
        let is_so = time >= job && time < in_turn * 3 / 4;
        run.check_that(
            what,
            is_so,
            format!("{job:.2?} … {:.2?}", in_turn * 3 / 4),
            format!("{time:.2?}"),
        );
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> Outcome) -> Result<Duration, Box<dyn std::error::Error>> {
    let start = Instant::now();
    work()?;
    let time = start.elapsed();
    say!("程序运行时间为: {:.2}秒" | "time: {:.2} s", time.as_secs_f64());
    Ok(time)
}
