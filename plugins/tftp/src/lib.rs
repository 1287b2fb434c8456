//! Chapter 4.9 of the course: TFTP, client and server, at /tftp.py.
#![forbid(unsafe_code)]

mod apprentice;
mod demo;
mod errors;
mod lesson;
mod message;
mod protocol;
mod serving;
mod transfers;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "tftp",
    title: text("TFTP 服务器与下载器", "TFTP: server and downloader"),
    introduction: text(
        "<p>TFTP（RFC 1350）用 UDP 传文件：一块数据，一个应答，依次进行。这里有完整的客户端和服务器，支持选项 \
         blksize、timeout、tsize（RFC 2347–2349）、块编号回绕、超时重传；真正的 TFTP 程序（tftp、curl）可以连接这里的服务器，\
         这里的客户端也可以从真正的服务器下载。",
        "<p>TFTP (RFC 1350) carries files over UDP: one block, one acknowledgement, in turn. Here are a whole client and a whole \
         server, with the options blksize, timeout and tsize (RFC 2347 to 2349), block numbers that wrap, and retransmission. \
         Real TFTP programs (tftp, curl) can use this server, and this client real servers.",
    ),
    experiments: &[
        message::EXPERIMENT,
        transfers::DOWNLOAD,
        transfers::UPLOAD,
        serving::EXPERIMENT,
        errors::EXPERIMENT,
        lesson::EXPERIMENT,
        apprentice::EXPERIMENT,
        transfers::WRAP,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}
