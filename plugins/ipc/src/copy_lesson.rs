//! The lesson's copying program, which never ends when there is a folder in the folder.

use std::fs;
use std::time::Duration;

use lab::multiprocessing::{Pool, Queue};
use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use std::sync::OnceLock;

pub const EXPERIMENT: Experiment = Experiment {
    name: "copy-lesson",
    title: text(
        "课程的拷贝程序：遇到文件夹就挂住",
        "The lesson's copying program: hangs on a folder",
    ),
    lesson: text(
        "<p>照课程的写法：对 <code>listdir</code> 的每一项启动一次 <code>copy_file</code>，每拷完一个往队列放一个名字，\
         主进程取满 n 个为止。文件夹打不开，<code>copy_file</code> 抛出异常，它的名字就永远不会进队列：\
         进度停在 (n-1)/n，程序不结束。这里等一会儿就承认挂住了。没有文件夹时它是对的。",
        "<p>As the lesson has it: <code>copy_file</code> is started for each entry of <code>listdir</code> and \
         puts a name into a queue when it is done; the main process takes n names. A folder cannot be opened, \
         <code>copy_file</code> raises an error, and its name is never put: the progress stops at (n-1)/n and \
         the program does not end. Here a while of silence counts as the hang. Without a folder it is right.",
    ),
    parameters: &[
        Parameter::integer("files", text("文件数", "files"), 1, 200, 31),
        Parameter::flag("nested", text("里面有一个文件夹", "with a folder in it"), true),
        Parameter::integer(
            "patience",
            text("没有进展多久算挂住（毫秒）", "silence that counts as a hang (ms)"),
            500,
            5000,
            1500,
        ),
    ],
    source: include_str!("copy_lesson.rs"),
    python: "\
def copy_file(name, old_dir_name, new_dir_name, q):
    #old_dir_name: 01-进程
    fr = open(old_dir_name + \"/\" + name, \"r\")
    fw = open(new_dir_name + \"/\" + name, \"w\")

    content = fr.read()
    fw.write(content)

    fr.close()
    fw.close()

    q.put(name)

def main():
    #1.创建目录：输入目录名：“01-进程”
    old_dir_name = input(\"请输入目录名：\")
    new_dir_name = old_dir_name + \"-副本\"
    os.mkdir(new_dir_name)
    #2.获得文件名
    all_file_name = os.listdir(old_dir_name)

    pool = Pool(5)
    q = Manager().Queue(10)

    for name in all_file_name:
        pool.apply_async(copy_file, (name,old_dir_name, new_dir_name, q))

    i = 0
    n = len(all_file_name)

    while i < n:
        q.get()
        i += 1
        rate = i/n
        print(\"\\r当前的进度是%.2f\" %(rate*100), end=\"\")

    print(\"\\n拷贝完成！\")

    pool.close()
    pool.join()
",
    limits: Limits::DEFAULT,
    run,
};

const OLD: &str = "01-进程";
const NEW: &str = "01-进程-副本";

/// Made before the pool is, so that its workers have it.
static Q: OnceLock<Queue> = OnceLock::new();

fn copy_file(name: &str) -> String {
    let copied = fs::read_to_string(format!("{OLD}/{name}"))
        .and_then(|content| fs::write(format!("{NEW}/{name}"), content));
    match (copied, Q.get()) {
        (Ok(()), Some(q)) => {
            q.put(name, None).err().map_or(String::new(), |error| error.to_string())
        }
        // The lesson's worker raises an error here, which the pool keeps to itself.
        (Err(error), _) => format!("{name}: {error}"),
        (Ok(()), None) => "no queue".to_owned(),
    }
}

fn run(run: &mut Run) -> Outcome {
    let is_nested = run.values.flag("nested");
    let patience = Duration::from_millis(run.values.count("patience") as u64);
    fs::create_dir(OLD)?;
    fs::create_dir(NEW)?;
    for number in 0..run.values.count("files") {
        fs::write(format!("{OLD}/{number}.py"), format!("print({number})\n"))?;
    }
    if is_nested {
        fs::create_dir(format!("{OLD}/folder"))?;
    }
    let names =
        fs::read_dir(OLD)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let all_file_name: Vec<String> = names.collect::<std::io::Result<_>>()?;

    let q = Queue::new(10)?;
    let q = Q.get_or_init(|| q);
    let mut pool = Pool::new(5, copy_file)?;
    for name in &all_file_name {
        pool.apply_async(name, |error| {
            if !error.is_empty() {
                say!("{error}");
            }
        })?;
    }
    let n = all_file_name.len();
    let mut i = 0;
    // The lesson waits without a timeout.
    while i < n && q.get(Some(patience)).is_ok() {
        i += 1;
        say!("当前的进度是{:.2}" | "progress: {:.2}", i as f64 / n as f64 * 100.0);
        lab::progress(i as u64, n as u64);
    }
    if i == n {
        say!("拷贝完成！" | "copied!");
    } else {
        say!("没有进展：程序挂住了" | "no progress: the program hangs");
    }
    pool.close();
    pool.join()?;
    run.check(text("拷贝了的", "copied"), run.values.count("files"), i);
    let found = if i == n { "100.00" } else { "hang" };
    run.check(
        text("课程的程序", "the lesson's program"),
        if is_nested { "hang" } else { "100.00" },
        found,
    );
    Ok(())
}
