//! UTF-8 and GBK on the wire: the same text, other bytes; and the wrong decoder.

use std::net::UdpSocket;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, Text, say, text};
use wire::{Charset, Interface, hex};

pub const EXPERIMENT: Experiment = Experiment {
    name: "encoding",
    title: text("编码与解码：UTF-8 与 GBK", "Encodings: UTF-8 and GBK"),
    lesson: text(
        "<p>网络上传的是字节，不是字符。<code>encode</code> 把字符串变成字节，<code>decode</code> 变回来；两边必须用同一种编码。\
         一个汉字在 GBK 里占两个字节，在 UTF-8 里占三个；英文字母、数字在两种编码里都是一个字节。用错编码就是乱码。",
        "<p>A network carries bytes, not characters. <code>encode</code> makes bytes of a string, <code>decode</code> a \
         string of bytes, and both sides must mean the same encoding. A Chinese character has two bytes in GBK and three \
         in UTF-8; letters and digits have one in both. The wrong encoding gives nonsense.",
    ),
    parameters: &[Parameter::line("text", text("文本", "Text"), 60, "你好 hello")],
    source: include_str!("encoding.rs"),
    python: include_str!("../lesson/encoding.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let message = run.values.get("text").to_owned();
    let local = Interface::configured(&run.config)?.address;
    let (sender, receiver) = (UdpSocket::bind((local, 0))?, UdpSocket::bind((local, 0))?);
    receiver.set_read_timeout(Some(Duration::from_secs(3)))?;
    for (charset, wrong) in [(Charset::Utf8, Charset::Gbk), (Charset::Gbk, Charset::Utf8)] {
        let (name, wrong_name) = (charset.name(), wrong.name());
        let sent = charset.encode(&message)?;
        sender.send_to(&sent, receiver.local_addr()?)?;
        let mut buffer = [0; 1024];
        let (length, _) = receiver.recv_from(&mut buffer)?;
        let received = &buffer[..length];
        let (right, mistaken) = (charset.decode(received), wrong.decode(received));
        say!("encode(\"{name}\"): {}", hex::pairs(&sent));
        say!(
            "  {length} 字节；decode(\"{name}\") = “{}”"
                | "  {length} bytes; decode(\"{name}\") = “{}”",
            right.text
        );
        let verdict = if mistaken.is_valid { "" } else { " UnicodeDecodeError" };
        say!("  decode(\"{wrong_name}\") = “{}”{verdict}", mistaken.text);

        let letters: Vec<_> = message
            .chars()
            .map(|letter| (shown(letter), charset.encode(&letter.to_string()).unwrap_or_default()))
            .collect();
        let what = Words::of(charset);
        run.picture(what.picture, &lab::svg::bytes(&letters));
        run.value(name, what.bytes, length);
        run.check(what.same, &message, &right.text);
        if !message.is_ascii() {
            let is_other = mistaken.text != message;
            run.check_that(what.other, is_other, format!("≠ {message}"), &mistaken.text);
        }
        let per_character = if charset == Charset::Gbk { 2 } else { 3 };
        let of_both = |letter: &char| (0x4e00..0x9fa6).contains(&u32::from(*letter));
        let chinese = message.chars().filter(of_both).count();
        let ascii = message.chars().filter(char::is_ascii).count();
        if chinese + ascii == message.chars().count() {
            run.check(what.length, chinese * per_character + ascii, length);
        }
    }
    Ok(())
}

/// A space would not be seen beside its bytes.
fn shown(letter: char) -> String {
    if letter == ' ' { '␣' } else { letter }.to_string()
}

/// What is said of one encoding.
struct Words {
    picture: Text,
    bytes: Text,
    same: Text,
    other: Text,
    length: Text,
}

impl Words {
    fn of(charset: Charset) -> Self {
        match charset {
            Charset::Utf8 => Self {
                picture: text("UTF-8：每个字符的字节", "UTF-8: the bytes of each character"),
                bytes: text("UTF-8 字节数", "bytes in UTF-8"),
                same: text("UTF-8：解码后与原文相同", "UTF-8: decoded, it is the text again"),
                other: text("UTF-8：用 GBK 解码就是乱码", "UTF-8: decoded as GBK, it is nonsense"),
                length: text(
                    "UTF-8：汉字 3 字节，其余 1 字节",
                    "UTF-8: 3 bytes for a Chinese character, else 1",
                ),
            },
            Charset::Gbk => Self {
                picture: text("GBK：每个字符的字节", "GBK: the bytes of each character"),
                bytes: text("GBK 字节数", "bytes in GBK"),
                same: text("GBK：解码后与原文相同", "GBK: decoded, it is the text again"),
                other: text("GBK：用 UTF-8 解码就出错", "GBK: decoded as UTF-8, it is an error"),
                length: text(
                    "GBK：汉字 2 字节，其余 1 字节",
                    "GBK: 2 bytes for a Chinese character, else 1",
                ),
            },
        }
    }
}
