//! IP Messenger and FeiQ: a message to port 2425, and what a receiver reads out of it.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use wire::{Charset, Interface, hex};

use crate::message::Message;

pub const EXPERIMENT: Experiment = Experiment {
    name: "ipmsg",
    title: text("给飞秋（IP Messenger）发消息", "A message to FeiQ (IP Messenger)"),
    lesson: text(
        "<p>报文是一行文本：<code>版本号:序列号:登录名:IP地址:命令号:内容</code>，发往 UDP 端口 2425，编码是 GBK。\
         命令号 32（0x20）表示发送数据；加上 256（288）表示要求回执，接收方回答命令 33。\
         “只监听”时接收任何程序发到该端口的报文并解码。",
        "<p>A message is one line of text, <code>version:packet:user:host:command:text</code>, to UDP port 2425, in GBK. \
         Command 32 (0x20) sends a text; plus 256 (288) it asks for a receipt, which is command 33. \
         With “only listen” the messages that any program sends to the port are decoded.",
    ),
    parameters: &[
        Parameter::line("version", text("版本号", "Version"), 60, "1.0"),
        Parameter::line("packet", text("序列号", "Packet number"), 20, "100"),
        Parameter::line("user", text("登录名", "User"), 40, "李白"),
        Parameter::line("host", text("发送人的 IP 地址", "Sender's host"), 40, "192.168.2.155"),
        Parameter::integer("command", text("命令号", "Command"), 0, 0x7fff_ffff, 288),
        Parameter::line("text", text("内容", "Text"), 300, "你好"),
        crate::GBK_FIRST,
        Parameter::integer(
            "port",
            text("端口（0：配置中的，默认 2425）", "Port (0: the configured one, else 2425)"),
            0,
            65535,
            0,
        ),
        Parameter::integer(
            "listen",
            text("只监听，秒（0：自己发送）", "Only listen, seconds (0: send oneself)"),
            0,
            300,
            0,
        ),
    ],
    source: include_str!("message.rs"),
    python: include_str!("../lesson/ipmsg.py"),
    limits: Limits { time: Duration::from_secs(320), ..Limits::DEFAULT },
    run,
};

/// The protocol's own, unless the configuration has `ipmsg_port`.
fn configured_port(config: &serde_json::Value) -> u16 {
    chat::config_port(config, "ipmsg_port", 2425)
}

/// Two visitors may run this at the same time: the second waits for the port.
fn bind(address: Ipv4Addr, port: u16) -> Result<UdpSocket, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match UdpSocket::bind((address, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(100));
            }
            result => {
                return result.map_err(|error| format!("bind(\"{address}\", {port}): {error}"));
            }
        }
    }
}

/// Shows a message that has arrived, and sends the receipt that it may ask for.
fn show(
    socket: &UdpSocket,
    bytes: &[u8],
    from: std::net::SocketAddr,
    charset: Charset,
) -> Result<Message, String> {
    say!("{from} → {}", hex::some_pairs(bytes, 96));
    let message = Message::decode(bytes, charset)?;
    let Message { version, packet, user, host, command, text } = &message;
    say!(
        "  版本 {version}  序列号 {packet}  登录名 {user}  地址 {host}"
            | "  version {version}  packet {packet}  user {user}  host {host}"
    );
    say!(
        "  命令 {command} = {}  内容 “{text}”" | "  command {command} = {}  text “{text}”",
        message.command_name()
    );
    if message.wants_answer() {
        let receipt = Message {
            user: "tenon".to_owned(),
            host: "tenon".to_owned(),
            command: 33,
            text: packet.clone(),
            ..message.clone()
        };
        let receipt = receipt.encode(charset)?;
        socket.send_to(&receipt, from).map_err(|error| error.to_string())?;
        say!("  回执：{}" | "  receipt: {}", charset.decode(&receipt).text);
    }
    Ok(message)
}

fn fields(message: &Message) -> String {
    let Message { version, packet, user, host, command, text } = message;
    [version, packet, user, host, &command.to_string(), text]
        .map(|field| format!("“{field}”"))
        .join(" ")
}

fn run(run: &mut Run) -> Outcome {
    let local = Interface::configured(&run.config)?.address;
    let charset = crate::charset(run);
    let chosen = run.values.integer("port") as u16;
    let port = if chosen == 0 { configured_port(&run.config) } else { chosen };
    let receiver = bind(local, port)?;
    let address = receiver.local_addr()?;
    say!("bind({address})");
    run.value("port", text("端口", "Port"), address.port());
    let seconds = run.values.integer("listen") as u64;
    if seconds > 0 {
        return listen(run, &receiver, charset, Duration::from_secs(seconds));
    }

    let field = |name: &str| run.values.get(name).to_owned();
    let sent = Message {
        version: field("version"),
        packet: field("packet"),
        user: field("user"),
        host: field("host"),
        command: run.values.integer("command") as u32,
        text: field("text"),
    };
    let bytes = sent.encode(charset)?;
    let sender = UdpSocket::bind((local, 0))?;
    sender.set_read_timeout(Some(Duration::from_secs(3)))?;
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    sender.send_to(&bytes, address)?;
    let mut buffer = [0; 4096];
    let (length, from) = receiver.recv_from(&mut buffer)?;
    let received = show(&receiver, &buffer[..length], from, charset)?;
    let parts: Vec<_> = bytes
        .split_inclusive(|byte| *byte == b':')
        .map(|part| (charset.decode(part).text, part.to_vec()))
        .collect();
    run.picture(text("报文的字节", "The bytes of the message"), &lab::svg::bytes(&parts));
    run.check(
        text("解码得到的就是发送的", "Decoded, it is what was sent"),
        fields(&sent),
        fields(&received),
    );
    if sent.wants_answer() {
        let (length, _) = sender.recv_from(&mut buffer)?;
        let receipt = Message::decode(&buffer[..length], charset)?;
        run.check(
            text(
                "回执是命令 33，内容是序列号",
                "The receipt is command 33 with the packet's number",
            ),
            format!("33 {}", sent.packet),
            format!("{} {}", receipt.command, receipt.text),
        );
    }
    Ok(())
}

/// Whatever arrives in this time.
fn listen(run: &mut Run, receiver: &UdpSocket, charset: Charset, time: Duration) -> Outcome {
    let deadline = Instant::now() + time;
    let (mut understood, mut all) = (0, 0);
    let mut buffer = [0; 4096];
    while let Some(left) =
        deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        receiver.set_read_timeout(Some(left))?;
        let Ok((length, from)) = receiver.recv_from(&mut buffer) else { continue };
        all += 1;
        match show(receiver, &buffer[..length], from, charset) {
            Ok(_) => understood += 1,
            Err(error) => say!("  不是飞秋报文：{error}" | "  no such message: {error}"),
        }
        lab::progress((time - left).as_secs(), time.as_secs());
    }
    run.value("messages", text("收到的报文", "Messages"), all);
    run.check_that(
        text("收到的都能解码", "All that arrived could be decoded"),
        understood == all,
        all,
        understood,
    );
    Ok(())
}
