//! A chat room: who is in it, and what becomes of what they say. Bytes in, bytes out; no sockets.
//!
//! Whoever says something is a member: the lesson's programs, `nc` and browsers alike. Lines that
//! begin with a slash are for the room: `/name 李白`, `/charset gbk`, `/who`, `/ping`, `/leave`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wire::Charset;

/// Members at once.
const MEMBER_LIMIT: usize = 64;
/// Characters of a name and of a message at most; what is longer is cut.
const NAME_LIMIT: usize = 24;
const TEXT_LIMIT: usize = 1000;
/// Messages that a member may send in a second: two programs that echo each other must not fill
/// the room for ever.
const PACE: u32 = 20;

#[derive(Debug)]
pub struct Member {
    pub name: String,
    /// What they spoke last; they are answered in it.
    pub charset: Charset,
    last_heard: Instant,
    second: Instant,
    said_in_second: u32,
}

/// What is to be sent to whom.
pub type Out = Vec<(SocketAddr, Vec<u8>)>;

#[derive(Debug)]
pub struct Room {
    members: BTreeMap<SocketAddr, Member>,
    /// Members who say nothing for so long have gone: UDP tells nobody. `None`: the transport tells.
    patience: Option<Duration>,
}

impl Room {
    pub fn new(patience: Option<Duration>) -> Self {
        Self { members: BTreeMap::new(), patience }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A member comes; `false`: the room is full.
    pub fn enter(&mut self, from: SocketAddr, now: Instant) -> bool {
        if self.members.contains_key(&from) {
            return true;
        }
        if self.members.len() >= MEMBER_LIMIT {
            return false;
        }
        let member = Member {
            name: from.to_string(),
            charset: Charset::default(),
            last_heard: now,
            second: now,
            said_in_second: 0,
        };
        self.members.insert(from, member);
        true
    }

    /// A member has gone.
    pub fn leave(&mut self, from: SocketAddr) -> Out {
        match self.members.remove(&from) {
            Some(member) => {
                let count = self.members.len();
                self.announce(&format!("* {} 离开 · left ({count})", member.name))
            }
            None => Out::new(),
        }
    }

    /// Ends the membership of those who have not been heard for too long.
    pub fn forget_the_silent(&mut self, now: Instant) -> Out {
        let Some(patience) = self.patience else { return Out::new() };
        let is_silent = |member: &Member| now.duration_since(member.last_heard) > patience;
        let silent: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| is_silent(member))
            .map(|(address, _)| *address)
            .collect();
        silent.into_iter().flat_map(|address| self.leave(address)).collect()
    }

    /// Somebody said something.
    pub fn take(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> Out {
        if !self.enter(from, now) {
            return vec![(from, b"* the room is full\n".to_vec())];
        }
        let Some(member) = self.members.get_mut(&from) else { return Out::new() };
        member.last_heard = now;
        if now.duration_since(member.second) >= Duration::from_secs(1) {
            (member.second, member.said_in_second) = (now, 0);
        }
        member.said_in_second += 1;
        match member.said_in_second.cmp(&(PACE + 1)) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                return vec![(from, b"* too fast: wait a second\n".to_vec())];
            }
            std::cmp::Ordering::Greater => return Out::new(),
        }
        // Bytes beyond ASCII show what the member speaks.
        if !bytes.is_ascii() {
            member.charset = Charset::guess(bytes);
        }
        let text = tidy(&member.charset.decode(bytes).text, TEXT_LIMIT);
        match text.strip_prefix('/') {
            Some(command) => self.obey(from, command),
            None if text.is_empty() => Out::new(),
            None => self.relay(from, &text),
        }
    }

    fn relay(&self, from: SocketAddr, text: &str) -> Out {
        let Some(speaker) = self.members.get(&from) else { return Out::new() };
        let has_name = speaker.name != from.to_string();
        let name = if has_name { format!("{} ", speaker.name) } else { String::new() };
        let line = format!("{name}<{from}>: {text}");
        let others = self.members.iter().filter(|(address, _)| **address != from);
        others.map(|(address, member)| (*address, member.encode(&line))).collect()
    }

    fn announce(&self, line: &str) -> Out {
        self.members.iter().map(|(address, member)| (*address, member.encode(line))).collect()
    }

    fn obey(&mut self, from: SocketAddr, command: &str) -> Out {
        let count = self.members.len();
        let names: Vec<_> = self.members.values().map(|member| member.name.clone()).collect();
        let Some(member) = self.members.get_mut(&from) else { return Out::new() };
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "name" if !rest.trim().is_empty() => {
                member.name = tidy(rest, NAME_LIMIT);
                let line = format!("* {} 加入 · joined ({count})", member.name);
                self.announce(&line)
            }
            "charset" => {
                let known = Charset::named(rest.trim());
                member.charset = known.unwrap_or(member.charset);
                let line = format!("* {}", member.charset.name());
                vec![(from, member.encode(&line))]
            }
            "who" => {
                let line = format!("* {}", names.join(", "));
                vec![(from, member.encode(&line))]
            }
            "ping" => vec![(from, b"/pong\n".to_vec())],
            "leave" => self.leave(from),
            _ => vec![(from, b"* /name NAME, /charset utf-8|gbk, /who, /leave\n".to_vec())],
        }
    }
}

impl Member {
    /// A line for this member; what their encoding cannot say is a question mark.
    fn encode(&self, line: &str) -> Vec<u8> {
        let line = format!("{line}\n");
        self.charset.encode(&line).unwrap_or_else(|_| {
            let said = |character: char| {
                self.charset
                    .encode(character.encode_utf8(&mut [0; 4]))
                    .unwrap_or_else(|_| vec![b'?'])
            };
            line.chars().flat_map(said).collect()
        })
    }
}

/// One line without control characters, which could play tricks on a terminal.
fn tidy(text: &str, limit: usize) -> String {
    let kept = text.chars().filter(|character| !character.is_control());
    kept.take(limit).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn room() -> (Room, Instant) {
        let mut room = Room::new(Some(Duration::from_secs(60)));
        let now = Instant::now();
        room.take(address(1), "/name 李白".as_bytes(), now);
        room.take(address(2), b"/charset gbk", now);
        (room, now)
    }

    #[test]
    fn everybody_else_hears_it_in_their_own_encoding() {
        let (mut room, now) = room();
        let out = room.take(address(1), "你好 😀\n".as_bytes(), now);
        let expected = "李白 <127.0.0.1:1>: 你好 ?\n";
        assert_eq!(out, [(address(2), Charset::Gbk.encode(expected).unwrap())]);
        // A GBK speaker is understood, and answered in GBK from then on.
        let out = room.take(address(3), b"\xc4\xe3\xba\xc3", now);
        assert_eq!(out[0], (address(1), "<127.0.0.1:3>: 你好\n".as_bytes().to_vec()));
        let out = room.take(address(1), "再见".as_bytes(), now);
        let line = Charset::Gbk.encode("李白 <127.0.0.1:1>: 再见\n").unwrap();
        assert_eq!(out[1], (address(3), line));
    }

    #[test]
    fn the_silent_are_forgotten_and_the_fast_slowed_down() {
        let (mut room, now) = room();
        let late = now + Duration::from_secs(50);
        assert_eq!(room.take(address(1), b"/ping", late), [(address(1), b"/pong\n".to_vec())]);
        let out = room.forget_the_silent(now + Duration::from_secs(61));
        assert_eq!(out.len(), 1, "one stays and hears of it: {out:?}");
        let said = (0..100)
            .filter(|_| room.take(address(9), b"x", late).iter().any(|(to, _)| *to == address(1)));
        assert_eq!(said.count(), PACE as usize);
    }

    #[test]
    fn a_full_room_says_so_and_strange_bytes_do_no_harm() {
        let (mut room, now) = room();
        for port in 3..=MEMBER_LIMIT as u16 {
            assert!(room.enter(address(port), now));
        }
        let out = room.take(address(999), b"x", now);
        assert_eq!(out, [(address(999), b"* the room is full\n".to_vec())]);
        let out = room.take(address(3), b"\x1b[2J\xff\xff\0", now);
        assert!(out.iter().all(|(_, line)| !line.contains(&0x1b) && !line.contains(&0)));
    }
}
