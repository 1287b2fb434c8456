//! Chapters 1 to 3, as scripts see them: what the lesson says must come out.

use serde_json::Value;
use tests::labs::{lines, pass, serve};

fn count(answer: &Value, line: &str) -> usize {
    lines(answer).iter().filter(|found| **found == line).count()
}

#[test]
fn processes() {
    let server = serve(&["process"], "");
    // Chapter 1, (7): eight stars and a tree of eight processes.
    let answer = pass(&server, "process", "eight");
    assert_eq!(count(&answer, "*"), 8);
    let svg = answer["pictures"][0]["svg"].as_str().unwrap();
    assert_eq!(svg.matches("<rect").count(), 8, "{svg}");
    let answer = pass(&server, "process", "branches?example=2");
    for (text, times) in [("111", 1), ("222", 1), ("333", 2), ("444", 1)] {
        assert_eq!(count(&answer, text), times, "{text}");
    }
    let answer = pass(&server, "process", "variables?lang=zh&num=10");
    assert_eq!((count(&answer, "子进程num = 11"), count(&answer, "父进程num = 10")), (1, 1));
    // (13): the name that was changed before start is the child's, the later one the parent's.
    let answer = pass(&server, "process", "subclass?lang=zh");
    for line in ["父进程 name = 2", "name = xiaowang", "父进程 name = xiaoli"] {
        assert_eq!(count(&answer, line), 1, "{line}: {answer:#}");
    }
    let answer = pass(&server, "process", "bank?unit=20&lang=zh");
    assert_eq!(lines(&answer).last(), Some(&"暂停服务"));
    assert_eq!(lines(&answer).len(), 11);
    let answer = pass(&server, "process", "callback?length=24");
    assert_eq!(count(&answer, &"b".repeat(24)), 1);
}

#[test]
fn communication() {
    let server = serve(&["ipc"], "");
    let answer = pass(&server, "ipc", "queue?pause=0");
    let got: Vec<_> = lines(&answer).into_iter().filter(|line| line.starts_with("get ")).collect();
    assert_eq!(got, ["get 0", "get 1", "get 2", "get 3", "get 4"]);
    let answer = pass(&server, "ipc", "eof?lang=zh&patience=300");
    assert_eq!(count(&answer, "输入端已经关闭,退出!"), 1, "{answer:#}");
    assert_eq!(count(&answer, "msg: 9"), 2);
    // The lesson's own figure: 31 files and a folder end at 96.88 %.
    let answer = pass(&server, "ipc", "copy-lesson?lang=zh&patience=500");
    assert_eq!(count(&answer, "当前的进度是96.88"), 1, "{answer:#}");
    assert_eq!(count(&answer, "拷贝完成！"), 0);
    let answer = pass(&server, "ipc", "copy-lesson?lang=zh&nested=no");
    assert_eq!(count(&answer, "拷贝完成！"), 1);
}

#[test]
fn the_bar_of_the_copy_moves_to_its_end() {
    let server = serve(&["ipc"], "");
    let mut client = server.client();
    client.stream().set_read_timeout(Some(tests::labs::LAB_PATIENCE)).unwrap();
    client.send(
        "GET /ipc.py/run/copy?sparse=1 HTTP/1.1\r\nHost: t\r\nAccept: text/event-stream\r\n\r\n",
    );
    let events = client.take_until(b"event: end");
    let parts = events.split("event: progress\ndata: ").skip(1);
    let bars: Vec<Value> =
        parts.map(|part| serde_json::from_str(part.lines().next().unwrap()).unwrap()).collect();
    let done: Vec<_> = bars.iter().map(|bar| bar["done"].as_u64().unwrap()).collect();
    assert!(done.len() > 2 && done.is_sorted(), "{done:?}");
    assert_eq!(done.last().copied(), bars[0]["total"].as_u64());
}

/// 10,000 files with nested folders, symlinks, permissions, and a sparse file of 1 GiB; the experiment
/// compares by hash and with `diff -r`, and the disk's blocks.
#[test]
fn a_large_folder_is_copied_whole() {
    let server = serve(&["ipc"], "");
    let answer = pass(&server, "ipc", "copy?files=10000&depth=8&sparse=1024&workers=5");
    let found: Vec<_> = answer["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["found"].as_str().unwrap())
        .collect();
    assert!(found[0].starts_with("10002 files, "), "{found:?}");
    assert_eq!(found[1].len(), 64, "a SHA-256: {found:?}");
    assert_eq!(found[2], "0", "diff -r");
    let kib: u64 = found[3].parse().unwrap();
    assert!(kib < 4096, "a sparse file of 1 GiB takes {kib} KiB");
}

/// Python is only there to compare with.
#[test]
fn without_python_the_lessons_say_so_and_go_on() {
    let html = tests::plugins::root().join("html").canonicalize().unwrap();
    let server = tests::server::Setup::new()
        .plugin("threads")
        .plugin("regex")
        .arguments(&["--html", html.to_str().unwrap()])
        .environment("PATH", "/nonexistent")
        .start();
    for (lab, experiment) in [
        ("threads", "gil?ms=500&lang=en"),
        ("regex", "workbench?lang=en"),
        ("regex", "chapter?lang=en"),
        ("regex", "catastrophe?lang=en"),
    ] {
        let answer = pass(&server, lab, experiment);
        let is_told = lines(&answer).iter().any(|line| line.contains("there is no python3"));
        assert!(is_told, "{experiment}: {answer:#}");
    }
}

#[test]
fn threads() {
    let server = serve(&["threads"], "");
    let answer = pass(&server, "threads", "race");
    let n: u64 = answer["values"]["n"].as_str().unwrap().parse().unwrap();
    assert!(n < 2_000_000, "{n}");
    let answer = pass(&server, "threads", "fixes?times=100000");
    // The thread that ends last sees the whole sum, and the other may see it too.
    let whole = count(&answer, "test2:n = 200000") + count(&answer, "test1:n = 200000");
    assert!(whole >= 4, "{answer:#}");
    let answer = pass(&server, "threads", "order?rounds=2");
    assert_eq!(lines(&answer), ["Test1", "Test2", "Test3", "Test1", "Test2", "Test3"]);
    let answer = pass(&server, "threads", "globals");
    assert_eq!(lines(&answer), ["test1:num = 11", "test2:num = 11"]);
}
