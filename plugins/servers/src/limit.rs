//! select's limit, shown as what it is.

use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, lang, say, text};
use nix::sys::select::FD_SETSIZE;

use crate::echo::{Log, listen};
use crate::load::{Load, PATIENCE};
use crate::models::{EPOLL, POLL, SELECT};
use crate::running::Running;

pub const EXPERIMENT: Experiment = Experiment {
    name: "limit",
    title: text("select 的限制", "The limit of select"),
    lesson: text(
        "<p>课程说：select 服务器在 32 位机器上最多 1024 个客户端，在 64 位机器上 2048 个。实际是：\
         <code>fd_set</code> 是一排 <code>FD_SETSIZE</code> = 1024 个比特，32 位和 64 位的 Linux 都一样；\
         限制的是描述符的<strong>编号</strong>，必须小于 1024，而不是连接的个数。标准输入输出、监听套接字\
         也占编号，所以能服务的客户端比 1024 少几个。内核本身没有这个限制，poll 和 epoll 也没有。</p>",
        "<p>The lesson says that a select server has at most 1024 clients on a 32-bit machine and 2048 on a \
         64-bit one. In fact <code>fd_set</code> is a row of <code>FD_SETSIZE</code> = 1024 bits on both; what \
         is limited is the <strong>number</strong> of a descriptor, which must be below 1024, not how many \
         there are. Standard input and output and the listening socket take numbers too, so a few clients \
         less than 1024 can be served. The kernel has no such limit, nor have poll and epoll.</p>",
    ),
    parameters: &[Parameter::integer("clients", text("客户端个数", "clients"), 1, 1200, 1100)],
    source: include_str!("models/select.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(90), descriptors: 2500, ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let count = run.values.count("clients");
    run.check(text("FD_SETSIZE", "FD_SETSIZE"), 1024, FD_SETSIZE);
    for model in [SELECT, POLL, EPOLL] {
        let server = Running::start(&model, listen(2048)?, Log::Quiet)?;
        // Standard input, output, error, the listener, and what else is open below the clients.
        let taken = server.descriptors()?;
        let mut load = Load::connect(server.address, count, 16)?;
        load.run(PATIENCE, |load| load.served() + load.closed() >= count)?;
        let (served, closed) = (load.served(), load.closed());
        say!(
            "{}：{count} 个客户端，服务 {served} 个，拒绝 {closed} 个；之前已占用 {taken} 个描述符"
                | "{}: {count} clients, {served} served, {closed} refused; {taken} descriptors were taken before",
            model.title.get(lang())
        );
        let expected = match model.name {
            "select" => count.min(FD_SETSIZE - taken),
            _ => count,
        };
        run.check(model.served, expected, served);
    }
    Ok(())
}
