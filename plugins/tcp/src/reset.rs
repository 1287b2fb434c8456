//! Reset: how a connection ends without a goodbye, and who is told what.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Run, say, text};
use socket2::SockRef;
use wire::Interface;

use crate::kernel::{Segments, kind, words};

pub const EXPERIMENT: Experiment = Experiment {
    name: "reset",
    title: text("重置连接：RST", "Reset: RST"),
    lesson: text(
        "<p>RST 立即结束连接：连接没有人监听的端口；还有数据没读就 <code>close</code>；<code>SO_LINGER</code> 时间为 0 时 <code>close</code>；\
         对方已关闭还继续发送。另一方的 <code>recv</code> 得到 ECONNRESET，再 <code>send</code> 得到 EPIPE。",
        "<p>RST ends a connection at once: when nobody listens at the port; when one closes with data unread; when one closes with \
         an <code>SO_LINGER</code> of 0; when one sends to a side that has closed. The other's <code>recv</code> then says \
         ECONNRESET, and the next <code>send</code> EPIPE.",
    ),
    parameters: &[],
    source: include_str!("reset.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    nobody_listens(run, &interface)?;
    let listener = TcpListener::bind((interface.address, 0))?;
    let mut segments = Segments::of(&interface, listener.local_addr()?.port());
    closed_with_data_unread(run, &listener)?;
    closed_without_lingering(run, &listener)?;
    sent_after_the_end(run, &listener)?;
    if let Some(flags) =
        segments.show(run, text("三个连接的报文", "The segments of the three connections"))
    {
        let resets = flags.iter().filter(|flags| flags.contains("RST")).count();
        run.check_that(
            text("每个连接都有 RST", "A RST in each connection"),
            resets >= 3,
            "≥ 3",
            resets,
        );
    }
    Ok(())
}

fn nobody_listens(run: &mut Run, interface: &Interface) -> Outcome {
    let free = TcpListener::bind((interface.address, 0))?.local_addr()?;
    let refused = TcpStream::connect(free);
    say!(
        "没有人监听的端口：connect → {}" | "a port where nobody listens: connect → {}",
        words(&refused)
    );
    run.check(text("没有人监听", "Nobody listens"), "ConnectionRefused", kind(&refused));
    Ok(())
}

/// Both ends of a connection: `(client, server)`.
fn pair(listener: &TcpListener) -> std::io::Result<(TcpStream, TcpStream)> {
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    server.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok((client, server))
}

fn closed_with_data_unread(run: &mut Run, listener: &TcpListener) -> Outcome {
    let (mut client, server) = pair(listener)?;
    client.write_all(b"nobody reads this")?;
    // It has arrived before the server closes.
    while server.peek(&mut [0; 17])? < 17 {}
    drop(server);
    let result = client.read(&mut [0; 64]);
    say!(
        "服务器没读完就 close：客户端 recv → {}"
            | "the server closes with data unread: the client's recv → {}",
        words(&result)
    );
    run.check(
        text("没读完就关闭：对方被重置", "Closed with data unread: the other is reset"),
        "ConnectionReset",
        kind(&result),
    );
    Ok(())
}

fn closed_without_lingering(run: &mut Run, listener: &TcpListener) -> Outcome {
    let (mut client, server) = pair(listener)?;
    SockRef::from(&server).set_linger(Some(Duration::ZERO))?;
    drop(server);
    let result = client.read(&mut [0; 64]);
    say!(
        "SO_LINGER 为 0 的 close：客户端 recv → {}"
            | "close with SO_LINGER 0: the client's recv → {}",
        words(&result)
    );
    run.check(
        text("SO_LINGER 0：对方被重置", "SO_LINGER 0: the other is reset"),
        "ConnectionReset",
        kind(&result),
    );
    Ok(())
}

fn sent_after_the_end(run: &mut Run, listener: &TcpListener) -> Outcome {
    let (mut client, server) = pair(listener)?;
    drop(server);
    let first = client.read(&mut [0; 64]);
    say!(
        "服务器正常 close：客户端 recv → {first:?}"
            | "the server closes: the client's recv → {first:?}"
    );
    let sent = client.write(b"too late");
    say!(
        "仍然 send：{}（对方的内核回答 RST）"
            | "send all the same: {} (the other's kernel answers RST)",
        words(&sent)
    );
    let mut last = client.write(b"again");
    // The reset is under way for a moment.
    for _ in 0..200 {
        if last.is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        last = client.write(b"again");
    }
    say!("再 send：{}" | "send again: {}", words(&last));
    run.check(text("第一次 send 仍然成功", "The first send still succeeds"), "OK", kind(&sent));
    let is_told = matches!(kind(&last).as_str(), "BrokenPipe" | "ConnectionReset");
    run.check_that(
        text("之后的 send 失败", "A later one fails"),
        is_told,
        "BrokenPipe",
        kind(&last),
    );
    Ok(())
}
