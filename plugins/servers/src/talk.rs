//! One model at work: a few clients come, speak in turn, and leave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, Text, say, text};

use crate::echo::{Log, listen};
use crate::load::PATIENCE;
use crate::models::ALL;
use crate::running::Running;

const MODELS: [(&str, Text); ALL.len()] = {
    let mut options = [("", text("", "")); ALL.len()];
    let mut index = 0;
    while index < ALL.len() {
        // The last one of the course is the first choice.
        let model = &ALL[ALL.len() - 1 - index];
        options[index] = (model.name, model.title);
        index += 1;
    }
    options
};

pub const EXPERIMENT: Experiment = Experiment {
    name: "talk",
    title: text("一个服务器，几个客户端", "One server, a few clients"),
    lesson: text(
        "<p>七种服务器都是回显服务器：客户端说什么，它就送回什么，并打印课程里的那两行：\
         <code>&lt;地址&gt;: 内容</code> 和 <code>客户端…退出</code>。选一种，看它的程序和输出。\
         每个服务器是一个独立的进程，端口由系统分配。</p>\
         <p>“一次一个客户端”的服务器要等第一个客户端离开，才轮到第二个；其余六种同时服务所有客户端。</p>",
        "<p>All seven are echo servers: what a client says comes back, and the lesson's two lines are \
         printed: <code>&lt;address&gt;: data</code> and <code>client … has left</code>. Choose one, read \
         its program, watch it work. Each server is a process of its own on a port that the system \
         chooses.</p>\
         <p>The server with one client at a time comes to the second client when the first has left; the \
         other six serve all at once.</p>",
    ),
    parameters: &[
        Parameter::choice("model", text("服务器", "server"), &MODELS),
        Parameter::integer("clients", text("客户端个数", "clients"), 1, 10, 3),
        Parameter::line("message", text("内容", "message"), 200, "你好 hello"),
    ],
    source: concat!(
        include_str!("models/one_by_one.rs"),
        "\n",
        include_str!("models/process.rs"),
        "\n",
        include_str!("models/thread.rs"),
        "\n",
        include_str!("models/nonblocking.rs"),
        "\n",
        include_str!("models/select.rs"),
        "\n",
        include_str!("models/poll.rs"),
        "\n",
        include_str!("models/epoll.rs"),
        "\n",
        include_str!("echo.rs"),
    ),
    python: include_str!("../lesson/servers.txt"),
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let name = run.values.get("model");
    let model = ALL.iter().find(|model| model.name == name).ok_or("there is no such model")?;
    let (count, message) = (run.values.count("clients"), run.values.get("message").to_owned());
    let server = Running::start(model, listen(128)?, Log::Shown)?;
    say!("服务器在 {} 监听" | "the server listens on {}", server.address);
    let answers = match model.is_concurrent {
        true => all_at_once(&server, count, &message)?,
        false => one_after_another(&server, count, &message)?,
    };
    let expected: Vec<String> = (1..=count).map(|number| format!("{message} {number}")).collect();
    run.check(
        text("每个客户端都收到自己的话", "every client gets back what it said"),
        expected.join(", "),
        answers.join(", "),
    );
    Ok(())
}

fn connect(server: &Running) -> std::io::Result<TcpStream> {
    let client = TcpStream::connect(server.address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Says it, and gives what comes back.
fn exchange(client: &mut TcpStream, words: &str) -> std::io::Result<String> {
    client.write_all(words.as_bytes())?;
    let mut back = vec![0; words.len()];
    client.read_exact(&mut back)?;
    Ok(String::from_utf8_lossy(&back).into_owned())
}

/// All are connected before the first one speaks, and the last one speaks first.
fn all_at_once(server: &Running, count: usize, message: &str) -> std::io::Result<Vec<String>> {
    let clients: std::io::Result<Vec<_>> = (0..count).map(|_| connect(server)).collect();
    let mut answers = Vec::new();
    for (number, client) in clients?.iter_mut().enumerate().rev() {
        answers.push(exchange(client, &format!("{message} {}", number + 1))?);
    }
    answers.reverse();
    Ok(answers)
}

/// The second one is connected too, by the kernel alone; its words wait until the first has left.
fn one_after_another(
    server: &Running,
    count: usize,
    message: &str,
) -> std::io::Result<Vec<String>> {
    let mut clients = (0..count).map(|_| connect(server)).collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::new();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(format!("{message} {}", number + 1).as_bytes())?;
    }
    say!(
        "所有客户端都已发送；服务器逐个处理"
            | "all clients have sent; the server takes them one after the other"
    );
    for (number, mut client) in clients.into_iter().enumerate() {
        let mut back = vec![0; format!("{message} {}", number + 1).len()];
        client.read_exact(&mut back)?;
        answers.push(String::from_utf8_lossy(&back).into_owned());
        // Leaves here, at the end of its turn.
    }
    Ok(answers)
}
