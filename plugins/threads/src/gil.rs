//! The GIL: two Python threads share one processor, a C function called from Python does not.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::svg::bars;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::{busy, deal_thread};

pub const EXPERIMENT: Experiment = Experiment {
    name: "gil",
    title: text("GIL：Python 线程与 C 线程", "The GIL: threads in Python and in C"),
    lesson: text(
        "<p>Python 的全局解释器锁（GIL）让同一时间只有一个线程执行 Python 代码：两个忙的线程合起来也只有约一个 CPU。\
         用 ctypes 调用同一个 <code>DealThread</code> 时 GIL 被放开，C 线程和 Python 线程可以各占一个 CPU。\
         这里真的运行 python3，量它的 CPU 时间。",
        "<p>The global interpreter lock lets one thread at a time execute Python: two busy threads together use \
         about one processor. While ctypes calls the same <code>DealThread</code>, the lock is free, and the C \
         thread and the Python thread may have a processor each. This really runs python3 and measures its \
         processor time.",
    ),
    parameters: &[Parameter::integer(
        "ms",
        text("每种的时间（毫秒）", "time of each (ms)"),
        500,
        5000,
        1500,
    )],
    source: concat!(
        include_str!("gil.rs"),
        "\n# ---- gil.py\n\n",
        include_str!("../gil.py"),
        "\n// ---- dealthread.c\n\n",
        include_str!("../dealthread.c")
    ),
    python: "\
from threading import Thread
# ctypes是c语言和Python相兼容的一个模块，主要cdll（c语言的动态链接库）
from ctypes import *

#Python去调用c语言的程序
lib = cdll.LoadLibrary(\"./libdealthread.so\")

t = Thread(target=lib.DealThread) # 调用c程序的具体函数
t.start()
while True:
    pass
",
    limits: Limits { time: Duration::from_secs(60), memory: 4 << 30, ..Limits::DEFAULT },
    run,
};

/// What Python measured: processors used, processors that could be had.
struct Measured {
    used: f64,
    available: f64,
}

fn run(run: &mut Run) -> Outcome {
    let seconds = (run.values.count("ms") as f64 / 1000.0).to_string();
    fs::write("libdealthread.so", deal_thread::LIBRARY)?;
    fs::write("gil.py", include_str!("../gil.py"))?;
    let [Some(single), Some(double), Some(ctypes)] =
        [measure("single", &seconds)?, measure("double", &seconds)?, measure("ctypes", &seconds)?]
    else {
        return without_python(run);
    };
    let rows = [
        ("single", text("一个 Python 线程", "one Python thread"), &single),
        ("double", text("两个 Python 线程", "two Python threads"), &double),
        ("ctypes", text("Python 线程 + C 线程", "a Python thread and a C thread"), &ctypes),
    ];
    for (name, label, measured) in rows {
        run.value(name, label, format!("{:.2} CPU", measured.used));
    }
    let rows = rows.map(|(_, label, measured)| (label.get(lab::lang()).to_owned(), measured.used));
    run.picture(text("用到的 CPU", "Processors used"), &bars(&rows, "CPU"));
    // A little more than 1: the lock is handed over while the clock ticks.
    run.check_that(
        text(
            "两个 Python 线程：不超过一个 CPU（GIL）",
            "two Python threads: no more than one processor (the GIL)",
        ),
        double.used < 1.25,
        "< 1.25",
        format!("{:.2}", double.used),
    );
    busy::check_parallel(
        run,
        text(
            "C 线程不受 GIL 限制：用到一个以上的 CPU",
            "the C thread is not bound by it: more than one processor",
        ),
        ctypes.used,
        ctypes.available,
    );
    Ok(())
}

/// What is left of the lesson: two native threads, one of them in the C function.
fn without_python(run: &mut Run) -> Outcome {
    say!(
        "这台机器上没有 python3，无法对照（安装软件包 python3 之后再运行）；这里只运行原生的一半：两个线程，没有 GIL"
            | "there is no python3 on this machine to compare with (install the package python3 and run this again); \
               here is the native half alone: two threads and no GIL"
    );
    let time = Duration::from_millis(run.values.count("ms") as u64);
    let (before, start) = (busy::Processors::read()?, Instant::now());
    deal_thread::start(&run.folder().join("libdealthread.so"))?;
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
    let wall = start.elapsed().as_secs_f64();
    let used: Duration = busy::threads()?.iter().map(|(_, time)| *time).sum();
    let idle = busy::Processors::read()?.idle_since(&before);
    let what =
        text("两个原生线程用到一个以上的 CPU", "two native threads use more than one processor");
    busy::check_parallel(run, what, used.as_secs_f64() / wall, (used + idle).as_secs_f64() / wall);
    Ok(())
}

/// Runs `gil.py`; its lines are shown, the last one is what it measured. `None`: there is no Python.
fn measure(what: &str, seconds: &str) -> Result<Option<Measured>, Box<dyn std::error::Error>> {
    let child = Command::new("python3")
        .args(["gil.py", what, seconds])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot run python3: {error}").into()),
    };
    let output = child.stdout.take().ok_or("no output")?;
    let mut last = String::new();
    for line in BufReader::new(output).lines() {
        last = line?;
        say!("{last}");
    }
    child.wait()?;
    let mut numbers = last.split_whitespace().filter_map(|word| word.parse().ok());
    let (used, available) = (numbers.next(), numbers.next());
    Ok(Some(Measured {
        used: used.ok_or_else(|| format!("python3 gil.py {what} measured nothing"))?,
        available: available.ok_or("gil.py says two numbers")?,
    }))
}
