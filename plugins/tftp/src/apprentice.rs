//! The Sorcerer's Apprentice: one doubled packet, and a sender that answers every acknowledgement.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::Interface;

use crate::demo::{self, Watch};
use crate::protocol::lossy::Fate;
use crate::protocol::{Lossy, Options, Packet};

pub const EXPERIMENT: Experiment = Experiment {
    name: "apprentice",
    title: text("魔法师的学徒：重复应答", "The Sorcerer's Apprentice: doubled acknowledgements"),
    lesson: text(
        "<p>如果发送方每收到一个应答就发下一块，那么途中一个包变成两个之后，<strong>以后的每一块都会发两次</strong>，直到文件结束。\
         RFC 1123 要求：重复的应答不引起发送，只有超时才重发。这里先让有这个错误的发送方传一次，再让真正的服务器在每个包都加倍的路上传一次。",
        "<p>If a sender sends the next block for every acknowledgement, then after one packet that was doubled on the way \
         <strong>every block is sent twice</strong> until the end of the file. RFC 1123 demands: a repeated acknowledgement sends \
         nothing, only a timeout sends again. First a sender with that mistake, then the real server on a way that doubles \
         every packet.",
    ),
    parameters: &[Parameter::integer("blocks", text("块数", "Blocks"), 2, 400, 60)],
    source: include_str!("protocol/link.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

/// Sends a block for every acknowledgement; gives how many it sent.
fn apprentice(socket: &UdpSocket, client: SocketAddr, blocks: u16) -> std::io::Result<u64> {
    let data = |block: u16| {
        let length = if block == blocks { 0 } else { 512 };
        Packet::Data { block, data: vec![7; length] }.encode()
    };
    socket.send_to(&data(1), client)?;
    let mut sent = 1;
    let mut buffer = [0; 1024];
    // Silence is the end: the client has its file.
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        if let Ok(Packet::Ack { block }) = Packet::parse(&buffer[..length])
            && block < blocks
        {
            socket.send_to(&data(block + 1), client)?;
            sent += 1;
        }
    }
    Ok(sent)
}

/// A correct receiver; the acknowledgement of block 1 is doubled on the way, once.
fn receive(socket: &UdpSocket, server: SocketAddr) -> std::io::Result<()> {
    let mut buffer = [0; 1024];
    let mut is_first = true;
    while let Ok((length, _)) = socket.recv_from(&mut buffer) {
        if let Ok(Packet::Data { block, .. }) = Packet::parse(&buffer[..length]) {
            let ack = Packet::Ack { block }.encode();
            socket.send_to(&ack, server)?;
            if std::mem::take(&mut is_first) {
                socket.send_to(&ack, server)?;
            }
        }
    }
    Ok(())
}

fn naive(local: Ipv4Addr, blocks: u16) -> Result<u64, Box<dyn std::error::Error>> {
    let (server, client) = (UdpSocket::bind((local, 0))?, UdpSocket::bind((local, 0))?);
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    }
    let (to_client, to_server) = (client.local_addr()?, server.local_addr()?);
    let receiving = std::thread::spawn(move || receive(&client, to_server));
    let sent = apprentice(&server, to_client, blocks)?;
    receiving.join().map_err(|_| "the receiving thread has panicked")??;
    Ok(sent)
}

fn run(run: &mut Run) -> Outcome {
    let blocks = run.values.count("blocks");
    let local = Interface::configured(&run.config)?.address;
    let sent = naive(local, blocks as u16)?;
    say!(
        "学徒：{blocks} 块，一个应答加倍，发出 {sent} 个数据包"
            | "the apprentice: {blocks} blocks, one acknowledgement doubled, {sent} data packets sent"
    );
    run.value("apprentice", text("学徒发出的数据包", "Data packets of the apprentice"), sent);
    // Block 1 once, and every later one for both acknowledgements.
    run.check(
        text("学徒把以后的每一块都发了两次", "The apprentice sends every later block twice"),
        2 * blocks - 1,
        sent,
    );

    let content = demo::content((blocks - 1) * 512);
    let server = demo::serve(run, &[("file.bin", &content)])?;
    let way = Lossy::start(server, Fate { lost: 0, doubled: 100, seed: 1 })?;
    let client = demo::client(run, way.address(), Options::default())?;
    let mut watch = Watch::default();
    let mut received = Vec::new();
    client.download("file.bin", &mut received, &mut |event| watch.event(event))?;
    // Every packet of the server arrives twice; late ones on a busy machine are sent again.
    let from_server = watch.received / 2;
    say!(
        "真正的服务器：每个包都加倍，发出约 {from_server} 个数据包"
            | "the real server: every packet doubled, it sent about {from_server} data packets"
    );
    run.value("server", text("服务器发出的数据包", "Data packets of the server"), from_server);
    run.check(text("文件完整", "The file is whole"), demo::hash(&content), demo::hash(&received));
    let is_calm = (from_server as usize) < blocks + blocks / 2 + 2;
    run.check_that(
        text("服务器没有跟着加倍", "The server does not double with it"),
        is_calm,
        blocks,
        from_server,
    );
    Ok(())
}
