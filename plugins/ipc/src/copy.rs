//! The project of the chapter: a folder is copied by many processes, with a live progress bar.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};

use crate::copying::copy_folder;
use crate::tree::{self, Entry, Kind, Shape};

pub const EXPERIMENT: Experiment = Experiment {
    name: "copy",
    title: text("项目：多进程拷贝文件夹", "Project: a folder copied by many processes"),
    lesson: text(
        "<p>池里的进程拷贝文件，父进程建文件夹和符号链接；已拷贝的字节数记在共享内存里，进度条由它而来。\
         文件夹里的文件夹、权限、符号链接、大文件都照原样拷贝，稀疏文件仍然稀疏（SEEK_DATA、SEEK_HOLE、\
         copy_file_range）。最后用散列值和 <code>diff -r</code> 核对。",
        "<p>The workers of a pool copy files, the parent makes folders and symlinks; the bytes that are done \
         are counted in shared memory, from where the progress bar takes them. Folders in folders, \
         permissions, symlinks and large files are copied as they are, and a sparse file stays sparse \
         (SEEK_DATA, SEEK_HOLE, copy_file_range). At the end a hash and <code>diff -r</code> compare.",
    ),
    parameters: &[
        Parameter::integer("files", text("文件数", "files"), 1, 20_000, 500),
        Parameter::integer(
            "depth",
            text("文件夹嵌套的层数", "folders inside each other"),
            0,
            12,
            4,
        ),
        Parameter::integer("sparse", text("稀疏文件（MiB）", "sparse file (MiB)"), 0, 1024, 64),
        Parameter::integer("workers", text("进程数", "workers"), 1, 16, 5),
    ],
    source: concat!(
        include_str!("copying.rs"),
        "\n// ---- copy.rs\n\n",
        include_str!("copy.rs"),
        "\n// ---- tree.rs\n\n",
        include_str!("tree.rs")
    ),
    python: "",
    limits: Limits { time: Duration::from_secs(300), file: 2 << 30, ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let shape = Shape {
        files: run.values.count("files"),
        depth: run.values.count("depth"),
        sparse: (run.values.count("sparse") as u64) << 20,
    };
    let (old, new) = (run.folder().join("01-进程"), run.folder().join("01-进程-副本"));
    fs::create_dir(&old)?;
    tree::make(&old, &shape)?;
    let before = tree::list(&old)?;
    say!("01-进程: {}", tree::summary(&before));

    let total = files(&before).map(|entry| entry.size).sum();
    // The bar moves by the hundredth: it is asked after every file.
    let shown = AtomicU64::new(u64::MAX);
    let show = |done: u64| {
        let hundredths = done * 100 / u64::max(total, 1);
        if shown.swap(hundredths, Ordering::Relaxed) != hundredths {
            lab::progress(done, total);
        }
    };
    let start = Instant::now();
    copy_folder(&old, &new, run.values.count("workers"), show)?;
    let time = start.elapsed();
    say!("拷贝完成！用时 {time:.2?}" | "copied in {time:.2?}");

    let after = tree::list(&new)?;
    run.check(text("里面有的东西", "what is in it"), tree::summary(&before), tree::summary(&after));
    run.check(
        text("内容、权限、链接的散列值", "hash of contents, permissions and links"),
        tree::hash(&old)?,
        tree::hash(&new)?,
    );
    let diff = Command::new("diff").args(["-r", "--no-dereference"]).args([&old, &new]).output()?;
    String::from_utf8_lossy(&diff.stdout).lines().take(10).for_each(|line| say!("{line}"));
    run.check(
        text("diff -r 的退出码（0：没有差别）", "exit code of diff -r (0: no difference)"),
        0,
        diff.status.code().unwrap_or(-1),
    );
    check_sparse(run, &before, &after);
    run.value("entries", text("文件、文件夹和链接", "files, folders and links"), after.len());
    run.value(
        "seconds",
        text("拷贝用时（秒）", "copied in (s)"),
        format!("{:.2}", time.as_secs_f64()),
    );
    // The folder of the run must be removable by its own user too.
    open_up(&old)?;
    open_up(&new)
}

fn files(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    entries.iter().filter(|entry| entry.kind == Kind::File)
}

/// A sparse file must not have grown on the disk.
fn check_sparse(run: &mut Run, before: &[Entry], after: &[Entry]) {
    let blocks = |entries: &[Entry]| {
        files(entries)
            .find(|entry| entry.path.as_os_str() == "sparse")
            .map_or(0, |entry| entry.blocks)
    };
    let (old, new) = (blocks(before) / 2, blocks(after) / 2);
    run.check_that(
        text("稀疏文件在磁盘上仍然很小（KiB）", "the sparse file is still small on the disk (KiB)"),
        // A file system may give a block more or less to the same data.
        new <= old + 64,
        format!("≤ {}", old + 64),
        new,
    );
}

fn open_up(root: &std::path::Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    for entry in tree::list(root)?.iter().filter(|entry| entry.kind == Kind::Folder) {
        fs::set_permissions(root.join(&entry.path), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}
