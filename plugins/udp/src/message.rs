//! The messages of IP Messenger and FeiQ: `version:packet:user:host:command:text`.

use wire::Charset;

/// The low byte of a command is what it is, the rest are options of it.
const SEND_MESSAGE: u32 = 0x20;
const SEND_CHECK: u32 = 0x100;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub version: String,
    /// Counted by the sender; an answer names it.
    pub packet: String,
    pub user: String,
    pub host: String,
    pub command: u32,
    /// May have colons.
    pub text: String,
}

impl Message {
    /// # Errors
    /// A character that the encoding does not have, or a colon where it would begin a new field.
    pub fn encode(&self, charset: Charset) -> Result<Vec<u8>, String> {
        let Self { version, packet, user, host, command, text } = self;
        for (name, field) in
            [("version", version), ("packet", packet), ("user", user), ("host", host)]
        {
            if field.contains([':', '\0']) {
                return Err(format!("{name} must have no colon: {field}"));
            }
        }
        let line = format!("{version}:{packet}:{user}:{host}:{command}:{text}");
        charset.encode(&line).map_err(|error| error.to_string())
    }

    /// # Errors
    /// What is missing.
    pub fn decode(bytes: &[u8], charset: Charset) -> Result<Self, String> {
        // What follows a zero byte are extensions (files, the group), which this does not read.
        let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = charset.decode(bytes).text;
        let fields: Vec<_> = line.splitn(6, ':').collect();
        let [version, packet, user, host, command, text] = fields[..] else {
            return Err(format!("six fields with colons are needed, there are {}", fields.len()));
        };
        let command =
            command.parse().map_err(|_| format!("the command is no number: {command}"))?;
        let [version, packet, user, host, text] =
            [version, packet, user, host, text].map(str::to_owned);
        Ok(Self { version, packet, user, host, command, text })
    }

    /// The name of the command in the protocol's description.
    pub fn command_name(&self) -> &'static str {
        match self.command & 0xff {
            0x00 => "IPMSG_NOOPERATION",
            0x01 => "IPMSG_BR_ENTRY",
            0x02 => "IPMSG_BR_EXIT",
            0x03 => "IPMSG_ANSENTRY",
            0x04 => "IPMSG_BR_ABSENCE",
            0x20 => "IPMSG_SENDMSG",
            0x21 => "IPMSG_RECVMSG",
            0x30 => "IPMSG_READMSG",
            0x31 => "IPMSG_DELMSG",
            0x60 => "IPMSG_GETFILEDATA",
            _ => "?",
        }
    }

    pub fn is_text(&self) -> bool {
        self.command & 0xff == SEND_MESSAGE
    }

    /// The sender wants to know that it arrived.
    pub fn wants_answer(&self) -> bool {
        self.is_text() && self.command & SEND_CHECK != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of the lesson.
    fn lesson() -> Message {
        Message {
            version: "1.0".to_owned(),
            packet: "100".to_owned(),
            user: "李白".to_owned(),
            host: "192.168.2.155".to_owned(),
            command: 32,
            text: "你好".to_owned(),
        }
    }

    #[test]
    fn the_lessons_message_has_the_lessons_bytes() {
        let bytes = lesson().encode(Charset::Gbk).unwrap();
        assert_eq!(bytes, b"1.0:100:\xc0\xee\xb0\xd7:192.168.2.155:32:\xc4\xe3\xba\xc3");
        assert_eq!(Message::decode(&bytes, Charset::Gbk), Ok(lesson()));
        assert_eq!(lesson().command_name(), "IPMSG_SENDMSG");
    }

    #[test]
    fn a_text_may_have_colons_and_extensions_follow_a_zero() {
        let message = Message::decode(b"1:2:u:h:288:see http://a:80\x00group\x00", Charset::Utf8);
        let message = message.unwrap();
        assert_eq!(message.text, "see http://a:80");
        assert!(message.is_text() && message.wants_answer());
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in
            [&b""[..], b"hello", b"1:2:u:h:text", b"1:2:u:h:x:t", b"1:2:u:h:-1:t", b"\xff\0"]
        {
            assert!(Message::decode(bytes, Charset::Gbk).is_err(), "{bytes:?}");
        }
        let message = Message { user: "a:b".to_owned(), ..lesson() };
        assert!(message.encode(Charset::Utf8).is_err());
    }
}
