//! Closing: FIN, what recv gives then, half of a connection, and the states of both ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::Interface;

use crate::kernel::{Segments, state, wait_for};

pub const EXPERIMENT: Experiment = Experiment {
    name: "close",
    title: text("关闭连接：FIN、半关闭", "Closing: FIN, and half of a connection"),
    lesson: text(
        "<p>一方 <code>close</code>，内核发 FIN；另一方的 <code>recv</code> 返回 <strong>0 字节</strong>——不是错误，也不再等待。\
         课程的并发客户端不判断长度，于是不停地打印空行；服务器判断 <code>len(data) &gt; 0</code> 是对的。\
         <code>shutdown(SHUT_WR)</code> 只关闭发送方向，还能继续接收。先关闭的一方最后停在 TIME_WAIT。",
        "<p>When one side closes, the kernel sends FIN, and the other's <code>recv</code> gives <strong>0 bytes</strong>: no error, \
         and no waiting any more. The lesson's concurrent client does not look at the length and prints empty lines for ever; \
         its server, with <code>len(data) &gt; 0</code>, is right. <code>shutdown(SHUT_WR)</code> closes only the sending half. \
         Who closes first ends in TIME_WAIT.",
    ),
    parameters: &[Parameter::integer(
        "reads",
        text("FIN 之后再读几次", "Reads after the FIN"),
        1,
        100_000,
        1000,
    )],
    source: include_str!("close.rs"),
    python: include_str!("../lesson/chat_client.py"),
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let interface = Interface::configured(&run.config)?;
    let listener = TcpListener::bind((interface.address, 0))?;
    let address = listener.local_addr()?;
    let mut segments = Segments::of(&interface, address.port());
    let mut client = TcpStream::connect(address)?;
    let (mut server, _) = listener.accept()?;
    for end in [&client, &server] {
        end.set_read_timeout(Some(Duration::from_secs(5)))?;
    }
    let own = client.local_addr()?;
    let both = || {
        format!("{} / {}", state(own, address).unwrap_or("-"), state(address, own).unwrap_or("-"))
    };
    say!("连接之后（客户端 / 服务器）：{}" | "connected (client / server): {}", both());

    // Half: the client has said everything, and still listens.
    client.write_all(b"question")?;
    client.shutdown(Shutdown::Write)?;
    let waiting = wait_for("CLOSE_WAIT", address, own);
    say!("客户端 shutdown(SHUT_WR)：{}" | "client: shutdown(SHUT_WR): {}", both());
    run.check(
        text("服务器一端等待关闭", "The server's end waits for its close"),
        "CLOSE_WAIT",
        waiting,
    );
    run.check(
        text("客户端一端的 FIN 已被确认", "The client's FIN has been acknowledged"),
        "FIN_WAIT2",
        wait_for("FIN_WAIT2", own, address),
    );
    let mut question = String::new();
    server.read_to_string(&mut question)?;
    server.write_all(b"answer")?;
    let mut buffer = [0; 64];
    let length = client.read(&mut buffer)?;
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    say!(
        "半关闭之后客户端仍然收到：{answer}"
            | "after half of it is closed the client still hears: {answer}"
    );
    run.check(text("半关闭之后还能接收", "Half closed, it still receives"), "answer", answer);

    drop(server);
    let reads = run.values.count("reads");
    let mut empty = 0;
    for _ in 0..reads {
        empty += usize::from(client.read(&mut buffer)? == 0);
    }
    say!(
        "服务器 close() 之后：recv 返回 0 字节，{empty} 次——课程的客户端会打印 {empty} 个空行"
            | "after the server's close(): recv gives 0 bytes, {empty} times; the lesson's client would print {empty} empty lines"
    );
    run.check(text("FIN 之后每次 recv 都返回 0", "After FIN every recv gives 0"), reads, empty);
    let last = wait_for("TIME_WAIT", own, address);
    say!("先关闭的一方：{last}" | "the end that closed first: {last}");
    run.check(
        text("先关闭的一方在 TIME_WAIT", "Who closed first is in TIME_WAIT"),
        "TIME_WAIT",
        last,
    );
    drop(client);
    if let Some(flags) =
        segments.show(run, text("从握手到四次挥手", "From the handshake to the end"))
    {
        let fins = flags.iter().filter(|flags| flags.contains("FIN")).count();
        run.check(text("两个方向各一个 FIN", "One FIN for each direction"), 2, fins);
    }
    Ok(())
}
