//! All seven models under one load: throughput, processor time and memory as curves.
//!
//! The file `servers.csv` of a run has a line for each model and number of connections: `model,
//! connections, served, messages_per_s, cpu_us_per_message, memory_kib`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use lab::svg::{Curve, chart};
use lab::{Experiment, Limits, Outcome, Parameter, Run, lang, same, say, text};

use crate::echo::{Log, listen};
use crate::load::{Load, PATIENCE};
use crate::models::{ALL, Model};
use crate::running::Running;

const COUNTS: [usize; 4] = [1, 10, 100, 1000];

pub const EXPERIMENT: Experiment = Experiment {
    name: "compare",
    title: text("七种服务器，同样的负载", "Seven servers under the same load"),
    lesson: text(
        "<p>1 到 1000 个客户端连接同一个服务器，各发一条消息；然后其中至多 10 个不停地说话\
         （收到回显就发下一条），其余的沉默：真实的服务器就是这样。每种服务器是单独的进程。\
         量三样东西：每秒消息数、每条消息用的处理器时间、内存（PSS）。</p>\
         <p>看什么：一次一个客户端的服务器永远只服务一个；进程和线程随连接数占用内存；\
         非阻塞轮询不停地问每一个连接；select 和 poll 每次都要看完所有连接，连接越多，一条消息越贵；\
         epoll 只看有事的连接，1000 个连接和 10 个一样便宜。让所有 1000 个都说话，差别就小了：\
         每次看完列表都有收获。</p>",
        "<p>1 to 1,000 clients connect to the same server and send one message each; then at most 10 of \
         them speak all the time (the next message when the echo is there), and the others are silent, \
         as it is with real servers. Each server is a process of its own. Three things are measured: \
         messages per second, processor time for each message, and memory (PSS).</p>\
         <p>What to see: the server with one client at a time serves one, whatever comes. Processes and \
         threads take memory with each connection. Polling asks every connection, again and again. \
         select and poll look at every connection each time: the more there are, the dearer is a message. \
         epoll looks at those where something has happened, so 1,000 cost it what 10 do. Let all 1,000 \
         speak, and the difference is small: each look at the list finds something.</p>",
    ),
    parameters: &[
        Parameter::integer(
            "window",
            text("每次测量（毫秒）", "each measurement (ms)"),
            20,
            1000,
            200,
        ),
        Parameter::integer("active", text("同时说话的客户端", "clients that speak"), 1, 1000, 10),
        Parameter::integer("size", text("消息字节数", "bytes of a message"), 1, 1024, 64),
        Parameter::choice(
            "most",
            text("最多连接数", "connections at most"),
            &[("1000", same("1000")), ("100", same("100")), ("10", same("10")), ("1", same("1"))],
        ),
    ],
    source: concat!(include_str!("load.rs"), "\n", include_str!("running.rs")),
    python: "",
    limits: Limits {
        time: Duration::from_secs(300),
        tasks: 1200,
        // A thread has a stack; most of it is never touched.
        memory: 8 << 30,
        descriptors: 2500,
        ..Limits::DEFAULT
    },
    run,
};

/// One model with so many connections.
struct Measured {
    served: usize,
    /// Per second.
    messages: f64,
    /// Microseconds of processor time for each message.
    cpu: f64,
    /// KiB.
    memory: u64,
}

fn run(run: &mut Run) -> Outcome {
    let window = Duration::from_millis(run.values.integer("window").unsigned_abs());
    let (active, size) = (run.values.count("active"), run.values.count("size"));
    let most: usize = run.values.get("most").parse()?;
    let counts: Vec<usize> = COUNTS.into_iter().filter(|count| *count <= most).collect();
    let mut table =
        String::from("model,connections,served,messages_per_s,cpu_us_per_message,memory_kib\n");
    let mut curves = [Vec::new(), Vec::new(), Vec::new()];
    let total = (ALL.len() * counts.len()) as u64;
    for (place, model) in ALL.iter().enumerate() {
        let mut points = [Vec::new(), Vec::new(), Vec::new()];
        let mut served = Vec::new();
        for (step, count) in counts.iter().enumerate() {
            lab::progress((place * counts.len() + step) as u64, total);
            let measured = measure(model, *count, active, size, window)?;
            let Measured { served: got, messages, cpu, memory } = measured;
            say!(
                "{}：{count} 个连接，服务 {got} 个，每秒 {messages:.0} 条，每条 {cpu:.1} µs 处理器时间，内存 {memory} KiB"
                    | "{}: {count} connections, {got} served, {messages:.0} messages/s, {cpu:.1} µs of processor each, {memory} KiB",
                model.title.get(lang())
            );
            let _ = writeln!(table, "{},{count},{got},{messages:.0},{cpu:.2},{memory}", model.name);
            let values = [messages, cpu, memory as f64 / 1024.0];
            for (points, value) in points.iter_mut().zip(values) {
                points.push((*count as f64, value));
            }
            served.push(got.to_string());
        }
        for (curves, points) in curves.iter_mut().zip(points) {
            curves.push(Curve { label: model.title.get(lang()).to_owned(), points });
        }
        let expected: Vec<String> = match model.is_concurrent {
            true => counts.iter().map(usize::to_string).collect(),
            false => counts.iter().map(|_| "1".to_owned()).collect(),
        };
        run.check(model.served, expected.join(", "), served.join(", "));
    }
    lab::progress(total, total);
    show(run, &curves);
    run.file("servers.csv", "text/csv", table.as_bytes());
    Ok(())
}

fn measure(
    model: &Model,
    count: usize,
    active: usize,
    size: usize,
    window: Duration,
) -> std::io::Result<Measured> {
    let server = Running::start(model, listen(1024)?, Log::Quiet)?;
    let mut load = Load::connect(server.address, count, size)?;
    let wanted = if model.is_concurrent { count } else { 1 };
    load.run(PATIENCE, |load| load.served() >= wanted)?;
    let (start, cpu, echoes) = (Instant::now(), server.cpu(), load.echoes());
    load.go(active);
    load.run(window, |_| false)?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), server.cpu().saturating_sub(cpu));
    let echoes = (load.echoes() - echoes) as f64;
    Ok(Measured {
        served: load.served(),
        messages: echoes / seconds,
        cpu: cpu.as_secs_f64() * 1e6 / echoes.max(1.0),
        memory: server.memory(),
    })
}

fn show(run: &mut Run, curves: &[Vec<Curve>; 3]) {
    let connections = text("连接数", "connections").get(lang());
    let titles = [
        (text("吞吐量", "Throughput"), text("消息/秒", "messages/s")),
        (text("每条消息的处理器时间", "Processor time for each message"), same("µs")),
        (text("内存", "Memory"), same("MiB")),
    ];
    for (curves, (title, unit)) in curves.iter().zip(titles) {
        run.picture(title, &chart(curves, connections, unit.get(lang()), true));
    }
}
