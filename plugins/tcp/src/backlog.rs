//! listen(n): how many clients may wait to be accepted.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use socket2::{Domain, Socket, Type};

use crate::kernel::LOCALHOST;

pub const EXPERIMENT: Experiment = Experiment {
    name: "backlog",
    title: text("listen(5) 里的 5", "The 5 of listen(5)"),
    lesson: text(
        "<p>课程说括号里的数字是“同一时刻能处理多少个客户端”。其实是<strong>已经完成握手、还没有被 <code>accept</code> 取走</strong>的连接可以排多长的队；\
         取走一个，就能再来一个，同时服务的客户端不受它限制。Linux 的队列比这个数多一个。",
        "<p>The lesson says that the number is how many clients can be served at a time. It is how many connections may wait that \
         <strong>are open but have not been accepted yet</strong>. When one is accepted there is room for the next, and how many \
         are served at a time is not limited by it. On Linux the queue holds one more than the number.",
    ),
    parameters: &[Parameter::integer(
        "backlog",
        text("listen 的参数", "The argument of listen"),
        1,
        20,
        5,
    )],
    source: include_str!("backlog.rs"),
    python: include_str!("../lesson/server.py"),
    limits: Limits { time: Duration::from_secs(20), ..Limits::DEFAULT },
    run,
};

/// For a connection that is not taken: the kernel would go on asking for minutes.
const MOMENT: Duration = Duration::from_millis(400);

fn run(run: &mut Run) -> Outcome {
    let backlog = run.values.count("backlog");
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    listener.bind(&SocketAddr::from((LOCALHOST, 0)).into())?;
    listener.listen(backlog as i32)?;
    let address = listener.local_addr()?.as_socket().ok_or("no address")?;
    say!("listen({backlog})，不 accept" | "listen({backlog}), and no accept");
    let mut waiting = Vec::new();
    let refused = loop {
        match TcpStream::connect_timeout(&address, MOMENT) {
            Ok(client) => {
                waiting.push(client);
                say!("客户端 {}：connect 成功" | "client {}: connected", waiting.len());
            }
            Err(error) => break error,
        }
        if waiting.len() > backlog + 8 {
            return Err("the queue has no end".into());
        }
    };
    say!("客户端 {}：{refused}" | "client {}: {refused}", waiting.len() + 1);
    run.check(
        text("排队的连接（Linux：多一个）", "Connections that wait (on Linux one more)"),
        backlog + 1,
        waiting.len(),
    );
    run.check(
        text("再来的客户端等不到回答", "The next client gets no answer"),
        format!("{:?}", ErrorKind::TimedOut),
        format!("{:?}", refused.kind()),
    );

    let mut served = Vec::new();
    for _ in 0..3 {
        served.push(listener.accept()?);
    }
    say!(
        "accept 三次，三个客户端同时在服务"
            | "accept three times: three clients are served at the same time"
    );
    // The kernel lets the waiting one in when it asks again.
    let next = TcpStream::connect_timeout(&address, Duration::from_secs(8));
    say!("下一个客户端：{}" | "the next client: {}", crate::kernel::words(&next));
    run.check(
        text("有了空位，又能连接", "With room in the queue it connects"),
        "OK",
        crate::kernel::kind(&next),
    );
    Ok(())
}
