//! What a server refuses, and how it says so.

use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::demo;
use crate::protocol::{Failure, Options, Report};

pub const EXPERIMENT: Experiment = Experiment {
    name: "errors",
    title: text("错误报文与目录越界", "Errors, and names that lead elsewhere"),
    lesson: text(
        "<p>没有文件是错误 1，走出共享目录是错误 2，太大是错误 3，文件已存在是错误 6。目录由内核把守：\
         <code>openat2(RESOLVE_BENEATH)</code> 拒绝 <code>..</code> 和符号链接，而不是检查文件名里的字符。",
        "<p>No such file is error 1, a name out of the folder error 2, too large error 3, a file that exists error 6. The kernel \
         guards the folder: <code>openat2(RESOLVE_BENEATH)</code> refuses <code>..</code> and symbolic links, instead of a look \
         at the letters of a name.",
    ),
    parameters: &[Parameter::line(
        "name",
        text("试一个文件名", "Try a name"),
        100,
        "../../etc/passwd",
    )],
    source: include_str!("protocol/files.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(30), ..Limits::DEFAULT },
    run,
};

fn code(result: &Result<Report, Failure>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(Failure::Refused { code, .. }) => code.0.to_string(),
        Err(other) => other.to_string(),
    }
}

fn run(run: &mut Run) -> Outcome {
    let server = demo::serve(run, &[("file.txt", b"in the folder\n")])?;
    let shared = run.folder().join("shared");
    std::fs::write(run.folder().join("secret.txt"), "outside\n")?;
    std::os::unix::fs::symlink("../secret.txt", shared.join("link.txt"))?;
    let client = demo::client(run, server, Options { size: Some(0), ..Options::default() })?;
    let mut tried = vec![run.values.get("name").to_owned()];
    tried.extend(["missing.txt", "../secret.txt", "link.txt", "file.txt"].map(str::to_owned));
    let expected = ["", "1", "2", "2", "OK"];
    for (name, expected) in tried.iter().zip(expected) {
        let mut received = Vec::new();
        let result = client.download(name, &mut received, &mut |_| {});
        let words = result
            .as_ref()
            .map_or_else(ToString::to_string, |report| format!("{} bytes", report.bytes));
        say!("get {name}: {words}");
        if expected.is_empty() {
            let is_own = received.is_empty() || received == b"in the folder\n";
            run.check_that(
                text("什么也没有泄露", "Nothing has leaked"),
                is_own,
                text("错误", "an error").get(lab::run::lang()),
                &words,
            );
        } else {
            run.check(
                text("下载的错误码", "Error code of a download"),
                format!("{name}: {expected}"),
                format!("{name}: {}", code(&result)),
            );
        }
    }
    let large = vec![0; demo::FILE_LIMIT as usize + 1];
    for (name, content, expected) in
        [("file.txt", &b"again"[..], "6"), ("../new.txt", b"x", "2"), ("large.bin", &large, "3")]
    {
        let result = client.upload(name, &mut &content[..], content.len() as u64, &mut |_| {});
        let words = result.as_ref().map_or_else(ToString::to_string, |_| "OK".to_owned());
        say!("put {name}: {words}");
        run.check(
            text("上传的错误码", "Error code of an upload"),
            format!("{name}: {expected}"),
            format!("{name}: {}", code(&result)),
        );
    }
    Ok(())
}
