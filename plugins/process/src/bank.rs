//! Exercise: ten customers at three windows of a bank.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::Pool;
use lab::svg::{Span, timeline};
use lab::{Experiment, Limits, Outcome, Parameter, Run, now_ms, say, text};
use nix::unistd::getpid;

pub const EXPERIMENT: Experiment = Experiment {
    name: "bank",
    title: text("银行：10 位客户，3 个窗口", "The bank: 10 customers at 3 windows"),
    lesson: text(
        "<p>三个窗口就是池里的三个进程，客户依次排队，每人办理 1 到 3 个单位时间（随机）。窗口一空，下一位就去。\
         时间线由各进程报告的起止时间画出。",
        "<p>The three windows are the three processes of a pool, the customers queue up, and each takes 1 to \
         3 units of time (at random). As soon as a window is free, the next one goes there. The timeline is \
         drawn from the times that the processes told.",
    ),
    parameters: &[
        Parameter::integer("customers", text("客户", "customers"), 1, 40, 10),
        Parameter::integer("windows", text("窗口", "windows"), 1, 8, 3),
        Parameter::integer("unit", text("单位时间（毫秒）", "unit of time (ms)"), 20, 1000, 250),
    ],
    source: include_str!("bank.rs"),
    python: "\
def test(i):
    print(\"请%d号客户到%s窗口办理业务\"%(i, os.getpid()%100))
    time.sleep(random.randint(1,3))

#创建进程池
pool = Pool(3)

for i in range(10):
    pool.apply_async(test, (i,))
    #非阻塞,将请求依次放入队列中,进程池再从队列中取请求

pool.close()
pool.join()
print(\"暂停服务\")
",
    limits: Limits { time: Duration::from_secs(150), ..Limits::DEFAULT },
    run,
};

/// One visit: the customer, the window, from when to when (ms).
type Visit = (usize, i32, u64, u64);

fn serve(task: &str) -> String {
    let (i, unit) = task.split_once(' ').unwrap_or((task, "0"));
    let window = getpid();
    let start = now_ms();
    let number = window.as_raw() % 100;
    say!("请{i}号客户到{number}窗口办理业务" | "customer {i}, please go to window {number}");
    // A new RandomState has new random keys: its hash of nothing is a random number.
    let units = 1 + RandomState::new().hash_one(()) % 3;
    sleep(Duration::from_millis(unit.parse::<u64>().unwrap_or(0) * units));
    format!("{i} {window} {start} {}", now_ms())
}

fn run(run: &mut Run) -> Outcome {
    let (customers, windows) = (run.values.count("customers"), run.values.count("windows"));
    let unit = run.values.count("unit");
    let visits = Arc::new(Mutex::new(Vec::new()));
    let mut pool = Pool::new(windows, serve)?;
    for i in 0..customers {
        let visits = visits.clone();
        pool.apply_async(&format!("{i} {unit}"), move |told| {
            if let (Some(visit), Ok(mut visits)) = (parse(&told), visits.lock()) {
                visits.push(visit);
                lab::progress(visits.len() as u64, customers as u64);
            }
        })?;
    }
    pool.close();
    pool.join()?;
    say!("暂停服务" | "closed");

    let mut visits = visits.lock().map(|visits| visits.clone()).unwrap_or_default();
    visits.sort_by_key(|visit| visit.2);
    run.check(text("办理的客户", "customers served"), customers, visits.len());
    // At the start of each visit: how many windows are busy.
    let busy_at = |ms: u64| visits.iter().filter(|visit| visit.2 <= ms && ms < visit.3).count();
    let most = visits.iter().map(|visit| busy_at(visit.2)).max().unwrap_or(0);
    run.check(
        text("同时办理的客户最多", "customers at windows at once, at most"),
        windows.min(customers),
        most,
    );
    run.check(text("没有窗口同时办理两位", "no window serves two at once"), 0, overlaps(&visits));
    run.picture(text("时间线", "Timeline"), &picture(&visits));
    Ok(())
}

fn parse(told: &str) -> Option<Visit> {
    let mut words = told.split(' ');
    let mut next = || words.next()?.parse::<u64>().ok();
    Some((next()? as usize, next()? as i32, next()?, next()?))
}

fn overlaps(visits: &[Visit]) -> usize {
    let pairs = visits
        .iter()
        .enumerate()
        .flat_map(|(i, first)| visits[i + 1..].iter().map(move |second| (first, second)));
    pairs.filter(|(first, second)| first.1 == second.1 && second.2 < first.3).count()
}

fn picture(visits: &[Visit]) -> lab::svg::Svg {
    let first = visits.iter().map(|visit| visit.2).min().unwrap_or(0);
    let mut rows = BTreeMap::<i32, Vec<Span>>::new();
    for (customer, window, start, end) in visits {
        rows.entry(*window).or_default().push(Span {
            start: (start - first) as f64 / 1000.0,
            end: (end - first) as f64 / 1000.0,
            label: customer.to_string(),
            class: format!("s{}", customer % 8),
        });
    }
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(window, spans)| {
            (format!("{} {}", text("窗口", "window").get(lab::lang()), window % 100), spans)
        })
        .collect();
    timeline(&rows, "s")
}
