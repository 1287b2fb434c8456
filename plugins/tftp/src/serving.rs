//! A TFTP server that real clients can use, for as long as the page is open.

use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::Interface;

use crate::demo;
use crate::protocol::{News, Options, Root, Server};

pub const EXPERIMENT: Experiment = Experiment {
    name: "server",
    title: text("TFTP 服务器", "A TFTP server"),
    lesson: text(
        "<p>相当于课程里的 tftpd32。运行后用真正的客户端连接：<code>curl tftp://127.0.0.1/rabbit.svg</code>、\
         <code>tftp -m octet 127.0.0.1 -c get numbers.bin</code>，上传：<code>curl -T file tftp://127.0.0.1/</code>。\
         共享目录是本次运行的临时目录；服务器的配置可以指定 <code>folder</code>（只读）和 <code>port</code>。\
         任何文件名都走不出共享目录。点“停止”或关闭页面，服务器就结束。",
        "<p>As the lesson's tftpd32. While it runs, use real clients: <code>curl tftp://127.0.0.1/rabbit.svg</code>, \
         <code>tftp -m octet 127.0.0.1 -c get numbers.bin</code>; upload with <code>curl -T file tftp://127.0.0.1/</code>. \
         The shared folder is one of this run; the server's configuration may name a <code>folder</code> (read only) and a \
         <code>port</code>. No name leads out of the folder. Stop, or close the page, and the server ends.",
    ),
    parameters: &[
        Parameter::integer(
            "port",
            text("端口（0：配置中的，默认 69）", "Port (0: the configured one, else 69)"),
            0,
            65535,
            0,
        ),
        Parameter::integer("seconds", text("运行多少秒", "Seconds to serve"), 1, 3600, 10),
    ],
    source: include_str!("protocol/server.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(3610), ..Limits::DEFAULT },
    run,
};

const RABBIT: &[u8] = include_bytes!("../sample/rabbit.svg");
const WELL_KNOWN: u16 = 69;
const COUNT_LIMIT: usize = 100;

/// The folder that is shared.
fn folder(run: &Run) -> std::io::Result<PathBuf> {
    if let Some(folder) = run.config.get("folder").and_then(|folder| folder.as_str()) {
        return Ok(PathBuf::from(folder));
    }
    let folder = run.folder().join("shared");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("rabbit.svg"), RABBIT)?;
    std::fs::write(folder.join("hello.txt"), "你好, hello\n")?;
    std::fs::write(folder.join("numbers.bin"), demo::content(1 << 20))?;
    Ok(folder)
}

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    let configured = run.config.get("port").and_then(serde_json::Value::as_u64);
    let configured = configured.and_then(|port| u16::try_from(port).ok()).unwrap_or(WELL_KNOWN);
    let chosen = run.values.integer("port") as u16;
    let port = if chosen == 0 { configured } else { chosen };
    let folder = folder(run)?;
    let root = Root::open(&folder, demo::FILE_LIMIT, COUNT_LIMIT)
        .map_err(|error| format!("cannot open {}: {error}", folder.display()))?;
    let (done, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (done.clone(), failed.clone());
    let address = SocketAddrV4::new(interface.address, port);
    let tell = move |news: News| {
        match &news {
            News::Done { .. } => counts.0.fetch_add(1, Ordering::Relaxed),
            News::Failed { .. } => counts.1.fetch_add(1, Ordering::Relaxed),
            News::Begun { .. } => 0,
        };
        demo::tell(&news);
    };
    let server = Server::bind(address, root, tell).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => format!(
            "bind({address}): ports below 1024 need the privilege CAP_NET_BIND_SERVICE: choose another port, or run the server \
             as root or with that capability"
        ),
        ErrorKind::AddrInUse => format!("bind({address}): another TFTP server has this port: choose another one"),
        _ => format!("bind({address}): {error}"),
    })?;
    let address = server.address()?;
    say!("TFTP 服务器：{address}" | "TFTP server: {address}");
    for entry in std::fs::read_dir(&folder)?.take(20).flatten() {
        let length = entry.metadata().map_or(0, |facts| facts.len());
        say!("  {:>9}  {}", length, entry.file_name().to_string_lossy());
    }
    run.value("port", text("端口", "Port"), address.port());

    let time = Duration::from_secs(run.values.integer("seconds") as u64);
    let end = Instant::now() + time;
    let serving = std::thread::spawn(move || server.serve_until(end));
    be_its_first_client(run, &folder, address)?;
    while !serving.is_finished() {
        let left = end.saturating_duration_since(Instant::now());
        lab::progress((time - left.min(time)).as_secs(), time.as_secs());
        std::thread::sleep(Duration::from_millis(250).min(left + Duration::from_millis(10)));
    }
    serving.join().map_err(|_| "the server thread has panicked")??;
    run.value("transfers", text("完成的传输", "Transfers done"), done.load(Ordering::Relaxed));
    run.value("refused", text("拒绝或失败", "Refused or failed"), failed.load(Ordering::Relaxed));
    Ok(())
}

/// So that what is told of the server is true.
fn be_its_first_client(run: &mut Run, folder: &Path, address: SocketAddr) -> Outcome {
    let client = demo::client(run, address, Options { size: Some(0), ..Options::default() })?;
    // The sample is there, unless a folder of somebody's own is served.
    if folder.starts_with(run.folder()) {
        let mut received = Vec::new();
        client.download("rabbit.svg", &mut received, &mut |_| {})?;
        run.check(
            text("自己的客户端下载成功", "Our own client downloads from it"),
            demo::hash(RABBIT),
            demo::hash(&received),
        );
        run.file("rabbit.svg", "image/svg+xml", &received);
    }
    let mut escaped = Vec::new();
    let refusal = client.download("../../../../etc/passwd", &mut escaped, &mut |_| {});
    let found = refusal.map_or_else(|failure| failure.to_string(), |_| "…".to_owned());
    run.check_that(
        text("走不出共享目录", "No name leads out of the folder"),
        escaped.is_empty(),
        "error 2",
        found,
    );
    Ok(())
}
