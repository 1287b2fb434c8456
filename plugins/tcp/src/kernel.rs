//! What the kernel knows of a connection: its state, and the segments that it sends.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use lab::{Run, Text, say};
use wire::{Arrow, Capture, Frame, Interface};

/// The state of one end of a connection, as ss(8) shows it; from /proc/net/tcp (proc_net(5)).
pub fn state(local: SocketAddr, remote: SocketAddr) -> Option<&'static str> {
    let (local, remote) = (entry(local)?, entry(remote)?);
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let is_it = columns.next()? == local && columns.next()? == remote;
        let number = usize::from_str_radix(columns.next()?, 16).ok()?;
        is_it.then(|| STATES.get(number).copied())?
    })
}

/// In the order of include/net/tcp_states.h.
const STATES: [&str; 12] = [
    "?",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
];

/// `0100007F:1F40`: the address as the machine holds it, the port as people write it.
fn entry(address: SocketAddr) -> Option<String> {
    let SocketAddr::V4(address) = address else { return None };
    let number = u32::from_ne_bytes(address.ip().octets());
    Some(format!("{number:08X}:{:04X}", address.port()))
}

/// Waits until one end is in a state, for a moment.
pub fn wait_for(wanted: &str, local: SocketAddr, remote: SocketAddr) -> String {
    for _ in 0..200 {
        if state(local, remote) == Some(wanted) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    state(local, remote).unwrap_or("-").to_owned()
}

/// The segments of one port, if the process may capture; the lesson goes on without.
pub struct Segments {
    capture: Option<Capture>,
    port: u16,
}

impl Segments {
    pub fn of(interface: &Interface, port: u16) -> Self {
        let capture = Capture::start(interface, &[port]);
        if let Err(reason) = &capture {
            say!("没有报文的图：{reason}" | "no picture of the segments: {reason}");
        }
        Self { capture: capture.ok(), port }
    }

    /// Draws what has come so far, and gives the flags of each segment; `None` without a capture.
    pub fn show(&mut self, run: &Run, title: Text) -> Option<Vec<String>> {
        let capture = self.capture.as_mut()?;
        let frames = capture.take(Duration::from_millis(150), Duration::from_secs(2)).ok()?;
        let arrows: Vec<_> = frames.iter().filter_map(|frame| self.arrow(frame)).collect();
        run.picture(title, &wire::ladder(&arrows));
        if let Ok(file) = wire::pcap(&frames) {
            run.file("segments.pcap", "application/vnd.tcpdump.pcap", &file);
        }
        Some(frames.iter().filter_map(Frame::tcp).map(|facts| facts.flags.join(",")).collect())
    }

    fn arrow(&self, frame: &Frame) -> Option<Arrow> {
        let facts = frame.tcp()?;
        let mut label = format!("{} seq={}", facts.flags.join(","), facts.sequence);
        if facts.flags.contains(&"ACK") {
            label.push_str(&format!(" ack={}", facts.acknowledgment));
        }
        if facts.data > 0 {
            label.push_str(&format!(" len={}", facts.data));
        }
        Some(Arrow { is_from_left: facts.destination == self.port, label, is_lost: false })
    }
}

/// What a call gave, in words.
pub fn words<T>(result: &std::io::Result<T>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The kind of a failure; `OK` if it was none.
pub fn kind<T>(result: &std::io::Result<T>) -> String {
    match result {
        Ok(_) => "OK".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

pub const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn both_ends_of_a_connection_are_found() {
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (own, other) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
        assert_eq!(state(own, other), Some("ESTABLISHED"));
        assert_eq!(state(other, own), Some("ESTABLISHED"));
        assert_eq!(state(own, SocketAddr::from((LOCALHOST, 1))), None);
    }
}
