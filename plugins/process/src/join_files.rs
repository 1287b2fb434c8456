//! A callback: workers read the files a, b and c, and the parent writes what they read into one.

use std::fs::{self, File};
use std::io::Write;
use std::sync::{Arc, Mutex};

use lab::multiprocessing::Pool;
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use nix::unistd::getpid;

pub const EXPERIMENT: Experiment = Experiment {
    name: "callback",
    title: text("回调函数：读三个文件，合成一个", "A callback: three files are read and joined"),
    lesson: text(
        "<p>子进程读文件，返回内容；读完一个，父进程马上用回调函数写进 new.txt。先读完的先写。",
        "<p>The workers read a file each and return what is in it; as soon as one is done, the parent's \
         callback appends it to new.txt. Who is done first is written first.",
    ),
    parameters: &[Parameter::integer(
        "length",
        text("每个文件的字节数", "bytes of each file"),
        1,
        20000,
        24,
    )],
    source: include_str!("join_files.rs"),
    python: "\
def read(i):
    temp = open(i, \"r\")
    ret = temp.read()
    temp.close()
    return ret

def write(ret):
    new = open(\"./new.txt\", \"a\")
    new.write(ret)
    new.close()

def main():
    pool = Pool(3)
    file_name = [\"a.txt\", \"b.txt\", \"c.txt\"]
    for i in file_name:
        pool.apply_async(read, (i, ), callback = write)
    pool.close()
    pool.join()

if __name__ == \"__main__\":
    main()
",
    limits: Limits::DEFAULT,
    run,
};

fn read(name: &str) -> String {
    say!("读 {name}, pid {}" | "reads {name}, pid {}", getpid());
    fs::read_to_string(name).unwrap_or_default()
}

fn run(run: &mut Run) -> Outcome {
    let length = run.values.count("length");
    for name in ["a", "b", "c"] {
        fs::write(format!("{name}.txt"), name.repeat(length) + "\n")?;
    }
    let pids = Arc::new(Mutex::new(Vec::new()));
    let mut pool = Pool::new(3, read)?;
    for name in ["a.txt", "b.txt", "c.txt"] {
        let pids = pids.clone();
        pool.apply_async(name, move |content| {
            let written = File::options().append(true).create(true).open("new.txt");
            let written = written.and_then(|mut new| new.write_all(content.as_bytes()));
            if let (Ok(()), Ok(mut pids)) = (written, pids.lock()) {
                pids.push(getpid());
            }
        })?;
    }
    pool.close();
    pool.join()?;

    let new = fs::read_to_string("new.txt")?;
    say!("$ cat new.txt");
    new.lines().take(3).for_each(|line| say!("{}", line.get(..200).unwrap_or(line)));
    let mut lines: Vec<_> = new.lines().map(str::to_owned).collect();
    lines.sort();
    let expected: Vec<_> = ["a", "b", "c"].map(|name| name.repeat(length)).to_vec();
    run.check(
        text("new.txt 有三个文件的内容", "new.txt has what was in the three files"),
        true,
        lines == expected,
    );
    run.check(text("new.txt 的字节数", "bytes of new.txt"), 3 * (length + 1), new.len());
    let pids = pids.lock().map(|pids| pids.clone()).unwrap_or_default();
    run.check(
        text("三次回调都在父进程里", "all three callbacks ran in the parent"),
        format!("{:?}", vec![getpid(); 3]),
        format!("{pids:?}"),
    );
    Ok(())
}
