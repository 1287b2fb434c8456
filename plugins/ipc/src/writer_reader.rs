//! Two processes and a queue: one writes, one reads.

use std::fs;
use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use lab::multiprocessing::{Process, Queue};
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

pub const EXPERIMENT: Experiment = Experiment {
    name: "queue",
    title: text("写进程与读进程", "A process that writes and one that reads"),
    lesson: text(
        "<p>一个进程往队列写数据，另一个读出并打印。课程的读进程用 <code>get_nowait()</code>，队列一空就当作结束：\
         写得慢一点就会漏掉后面的数据（可以选“课程的写法”并把写的间隔加大来看）。可靠的办法是写进程最后放一个结束标记。",
        "<p>One process puts numbers into the queue, the other takes and prints them. The lesson's reader uses \
         <code>get_nowait()</code> and takes an empty queue for the end: if the writer is a little slow, the \
         rest is lost (choose “as the lesson” and a longer pause of the writer to see it). What is reliable \
         is a mark at the end.",
    ),
    parameters: &[
        Parameter::integer("entries", text("数据个数", "entries"), 1, 50, 5),
        Parameter::integer(
            "pause",
            text("写的间隔（毫秒）", "pause of the writer (ms)"),
            0,
            1000,
            200,
        ),
        Parameter::choice(
            "end",
            text("何时结束", "the reader ends"),
            &[
                ("mark", text("读到结束标记", "at a mark")),
                ("empty", text("课程的写法：队列空了", "as the lesson: when it is empty")),
            ],
        ),
    ],
    source: include_str!("writer_reader.rs"),
    python: "\
def read(q):
    #读数据
    time.sleep(1)
    while True:
        try:
            value = q.get_nowait()
            print(\"get %d\" %value)
            time.sleep(1)
        except Empty:
            break

def write(q):
    #写数据
    for i in range(5):
        q.put(i)
        print(\"put %d to queue\" %i)
        time.sleep(1)

def main():
    #1.创建队列q
    q = Queue(3) # Queue支持Process,不支持进程池

    #2.创建2个进程read,write,把q当做参数传到进程
    pw = Process(target = write, args = (q, ))
    pr = Process(target = read, args = (q, ))

    pw.start()
    pr.start()

    pw.join()
    pr.join()
    print(\"数据接收完成\")
",
    limits: Limits { time: Duration::from_secs(90), ..Limits::DEFAULT },
    run,
};

const MARK: &str = "end";
const READ_PAUSE: Duration = Duration::from_millis(200);

fn run(run: &mut Run) -> Outcome {
    let entries = run.values.count("entries");
    let pause = Duration::from_millis(run.values.count("pause") as u64);
    let at_mark = run.values.get("end") == "mark";
    let q = Queue::new(3)?;

    let mut pw = Process::new(|| {
        for i in 0..entries {
            if q.put(&i.to_string(), None).is_err() {
                return 1;
            }
            say!("put {i} to queue");
            sleep(pause);
        }
        i32::from(at_mark && q.put(MARK, None).is_err())
    });
    let mut pr = Process::new(|| i32::from(read(&q, at_mark).is_err()));
    pw.start()?;
    pr.start()?;
    pr.join(None)?;
    // The lesson's reader may have gone before the writer is done, which then waits for ever.
    while !pw.join(Some(Duration::from_millis(100)))? {
        while !at_mark && q.get_nowait().is_ok() {}
    }
    say!("数据接收完成" | "all received");

    let got = fs::read_to_string("got")?;
    let got: Vec<_> = got.lines().collect();
    let all: Vec<_> = (0..entries).map(|i| i.to_string()).collect();
    if at_mark {
        run.check(text("读到的数据", "what was read"), all.join(" "), got.join(" "));
    } else {
        run.check(
            text("读到的数据的次序", "what was read is in order"),
            true,
            all.iter().zip(&got).all(|(a, b)| a == b),
        );
        run.value("lost", text("漏掉的数据", "entries lost"), entries - got.len().min(entries));
    }
    run.check(text("写进程正常结束", "the writer ended well"), 0, pw.exit_text());
    Ok(())
}

/// The reader; it notes in a file what it got.
fn read(q: &Queue, at_mark: bool) -> std::io::Result<()> {
    let mut got = fs::File::create("got")?;
    sleep(READ_PAUSE);
    loop {
        let value = if at_mark { q.get(None) } else { q.get_nowait() };
        match value {
            Ok(value) if at_mark && value == MARK => return Ok(()),
            Ok(value) => {
                say!("get {value}");
                writeln!(got, "{value}")?;
                sleep(READ_PAUSE);
            }
            Err(_) => return Ok(()),
        }
    }
}
