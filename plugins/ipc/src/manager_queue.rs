//! A queue for the workers of a pool: served by a manager process.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::Pool;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::manager::{Manager, Proxy};

pub const EXPERIMENT: Experiment = Experiment {
    name: "manager",
    title: text("Manager().Queue()：给进程池用的队列", "Manager().Queue(): a queue for a pool"),
    lesson: text(
        "<p><code>Queue</code> 要在 fork 之前创建，只能给 <code>Process</code> 用；池里的进程早已启动，拿不到它。\
         Manager 另起一个进程保管队列，谁知道它的地址谁就能用。这里读写进程都是池里的进程。\
         课程的读进程用 <code>q.empty()</code> 判断结束，有漏读的危险；这里读满个数为止。",
        "<p>A <code>Queue</code> must be made before the fork and serves a <code>Process</code> only; the \
         workers of a pool run already. A manager is one more process that keeps the queue, and whoever knows \
         its address may use it. Here writer and reader are both workers of a pool. The lesson's reader ends at <code>q.empty()</code> and may miss some; this one \
         reads until it has all.",
    ),
    parameters: &[Parameter::integer("entries", text("数据个数", "entries"), 1, 30, 3)],
    source: concat!(
        include_str!("manager_queue.rs"),
        "\n// ---- manager.rs\n\n",
        include_str!("manager.rs")
    ),
    python: "\
def write(q):
    for i in range(3):
        q.put(i)
        print(\"put %d to queue\" %i)
        time.sleep(1)

def read(q):
    while True:
        if q.empty():
            print(\"数据接收OK\")
            break
        else:
            value = q.get()
            print(\"get %d\" %value)
            time.sleep(1)

def main():
    q = Manager().Queue()
    pool = Pool(3)
    pool.apply_async(write, (q, ))
    pool.apply_async(read, (q, ))

    pool.close()
    pool.join()
",
    limits: Limits::DEFAULT,
    run,
};

/// What the workers do: `write` or `read`, how many, and where the manager is.
fn work(task: &str) -> String {
    let mut words = task.splitn(3, ' ');
    let (what, count) = (words.next(), words.next().and_then(|count| count.parse().ok()));
    let address = Path::new(words.next().unwrap_or_default());
    let result = match (what, count.unwrap_or(0)) {
        (Some("write"), count) => write(address, count),
        (_, count) => read(address, count),
    };
    result.unwrap_or_else(|error| error.to_string())
}

fn write(address: &Path, count: usize) -> std::io::Result<String> {
    let mut q = Proxy::connect(address)?;
    for i in 0..count {
        q.put(&i.to_string())?;
        say!("put {i} to queue");
        sleep(Duration::from_millis(150));
    }
    Ok(String::new())
}

fn read(address: &Path, count: usize) -> std::io::Result<String> {
    let mut q = Proxy::connect(address)?;
    let mut got = Vec::new();
    while got.len() < count {
        let value = q.get()?;
        say!("get {value}");
        got.push(value);
    }
    say!("数据接收OK" | "all received");
    Ok(got.join(" "))
}

fn run(run: &mut Run) -> Outcome {
    let entries = run.values.count("entries");
    // The workers learn the address with their task and inherit nothing of the queue. The manager is
    // forked first as the pool has a thread that calls the callbacks.
    let mut manager = Manager::start(run.folder())?;
    let mut pool = Pool::new(3, work)?;
    let address = manager.address().display().to_string();
    pool.apply_async(&format!("write {entries} {address}"), |_| {})?;
    let read = pool.apply_async(&format!("read {entries} {address}"), |_| {})?;
    let got = read.get()?;
    pool.close();
    pool.join()?;
    let left = Proxy::connect(manager.address())?.qsize()?;
    manager.shutdown()?;
    let all: Vec<_> = (0..entries).map(|i| i.to_string()).collect();
    run.check(text("读进程读到的", "what the reader got"), all.join(" "), got);
    run.check(text("队列里剩下的", "left in the queue"), 0, left);
    Ok(())
}
