//! One side of a transfer: a socket, the other side's address, and the rule of lock step.
//!
//! A packet is sent again when time is up, and never because an acknowledgement came twice: that
//! is how the "Sorcerer's Apprentice" of RFC 1123 §4.2.3.1 doubles every packet of a transfer.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::packet::{Code, Packet};

/// What happens on a link, for whoever watches.
#[derive(Debug)]
pub enum Event<'e> {
    Sent {
        packet: &'e Packet,
        is_again: bool,
    },
    Received(&'e Packet),
    /// Somebody else sent to this port: RFC 1350 says error 5 to them, and the transfer goes on.
    Stranger(SocketAddr),
    /// So many bytes of the file have been acknowledged or written.
    Progress(u64),
}

/// Why a transfer ended early.
#[derive(Debug)]
pub enum Failure {
    /// The other side does not answer any more.
    Silence {
        after: Duration,
    },
    /// The other side sent an error.
    Refused {
        code: Code,
        message: String,
    },
    /// This side did, and told the other.
    Ended {
        code: Code,
        message: String,
    },
    Socket(io::Error),
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence { after } => {
                let seconds = after.as_secs_f32();
                write!(formatter, "no answer in {seconds:.1} s: is a TFTP server there?")
            }
            Self::Refused { code, message } => {
                write!(formatter, "the other side refused: error {} ({message})", code.0)
            }
            Self::Ended { code, message } => {
                write!(formatter, "ended with error {} ({message})", code.0)
            }
            Self::Socket(error) => write!(formatter, "the socket failed: {error}"),
        }
    }
}

/// What an answer means for whoever waits for it.
#[derive(Debug)]
pub enum Verdict<T> {
    Done(T),
    /// Not what is waited for: go on waiting.
    Ignore,
    /// The other side has not got our last packet: send it now.
    Repeat,
    /// Against the protocol.
    Wrong(&'static str),
}

/// How long to wait before a packet is sent again: by the measured time of an answer, doubled with
/// each loss (RFC 1123 §4.2.3.2), or what the two sides agreed on.
#[derive(Clone, Copy, Debug)]
struct Timing {
    agreed: Option<Duration>,
    current: Duration,
    /// Smoothed.
    round_trip: Option<Duration>,
}

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LEAST_WAIT: Duration = Duration::from_millis(100);
const MOST_WAIT: Duration = Duration::from_secs(5);
/// A packet that was sent so often without an answer is not sent again.
const ATTEMPTS: u32 = 8;
/// The longest that one step of a transfer may take, whatever arrives meanwhile.
const STEP_LIMIT: Duration = Duration::from_secs(60);

impl Timing {
    fn wait(&self) -> Duration {
        self.agreed.unwrap_or(self.current)
    }

    fn lost(&mut self) {
        self.current = (self.current * 2).min(MOST_WAIT);
    }

    fn answered(&mut self, took: Duration) {
        let smoothed = self.round_trip.map_or(took, |before| (before * 7 + took) / 8);
        self.round_trip = Some(smoothed);
        self.current = (smoothed * 4).clamp(LEAST_WAIT, MOST_WAIT);
    }
}

/// The link. Each side of a transfer has a port of its own, its "transfer identifier".
pub struct Link<'w> {
    socket: UdpSocket,
    peer: SocketAddr,
    /// A client learns the server's port from the first answer.
    is_peer_known: bool,
    timing: Timing,
    watch: &'w mut dyn FnMut(Event<'_>),
}

impl<'w> Link<'w> {
    /// `is_peer_known`: nothing is taken from another port of that host.
    pub fn new(
        socket: UdpSocket,
        peer: SocketAddr,
        is_peer_known: bool,
        watch: &'w mut dyn FnMut(Event<'_>),
    ) -> Self {
        let timing = Timing { agreed: None, current: FIRST_WAIT, round_trip: None };
        Self { socket, peer, is_peer_known, timing, watch }
    }

    /// From now on packets are sent again after this time.
    pub fn agree_on(&mut self, timeout: Option<Duration>) {
        self.timing.agreed = timeout;
    }

    pub fn progress(&mut self, bytes: u64) {
        (self.watch)(Event::Progress(bytes));
    }

    /// Sends, and waits for the answer that `judge` wants; sends again while there is none.
    ///
    /// # Errors
    /// There is no such answer, or an error came instead.
    pub fn exchange<T>(
        &mut self,
        packet: &Packet,
        mut judge: impl FnMut(Packet) -> Verdict<T>,
    ) -> Result<T, Failure> {
        let begin = Instant::now();
        let mut attempts = 0;
        while attempts < ATTEMPTS && begin.elapsed() < STEP_LIMIT {
            self.send(packet, attempts > 0)?;
            attempts += 1;
            let sent = Instant::now();
            let deadline = sent + self.timing.wait();
            let is_repeated = loop {
                let Some(answer) = self.receive(deadline)? else { break false };
                if let Packet::Error { code, message } = answer {
                    return Err(Failure::Refused { code, message });
                }
                match judge(answer) {
                    Verdict::Done(found) => {
                        // Of a packet that was sent twice nobody knows which was answered (Karn).
                        if attempts == 1 {
                            self.timing.answered(sent.elapsed());
                        }
                        return Ok(found);
                    }
                    Verdict::Ignore => {}
                    Verdict::Repeat => break true,
                    Verdict::Wrong(why) => return Err(self.end(Code::ILLEGAL_OPERATION, why)),
                }
            };
            if !is_repeated {
                self.timing.lost();
            }
        }
        Err(Failure::Silence { after: begin.elapsed() })
    }

    /// Sends an acknowledgement that nothing answers, and again for each packet that shows that it
    /// was lost, until it has been quiet for `quiet` (RFC 1350 §6: "dallying").
    ///
    /// # Errors
    /// The socket fails.
    pub fn dally(&mut self, last: &Packet, quiet: Duration) -> Result<(), Failure> {
        self.send(last, false)?;
        for _ in 0..ATTEMPTS {
            match self.receive(Instant::now() + quiet)? {
                Some(Packet::Data { .. }) => self.send(last, true)?,
                Some(_) => {}
                None => break,
            }
        }
        Ok(())
    }

    /// Tells the other side why this one ends; gives the same for this side.
    pub fn end(&mut self, code: Code, message: impl Into<String>) -> Failure {
        let message = message.into();
        let packet = Packet::Error { code, message: message.clone() };
        // It is a courtesy: nobody acknowledges it, and it may be lost.
        let _ = self.send(&packet, false);
        Failure::Ended { code, message }
    }

    fn send(&mut self, packet: &Packet, is_again: bool) -> Result<(), Failure> {
        (self.watch)(Event::Sent { packet, is_again });
        match self.socket.send_to(&packet.encode(), self.peer) {
            Ok(_) => Ok(()),
            // Nobody listened to an earlier packet: for this protocol it was lost.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(Failure::Socket(error)),
        }
    }

    /// The next packet of the other side; `None`: the deadline is over.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Packet>, Failure> {
        let mut buffer = [0; 65_536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left)).map_err(Failure::Socket)?;
            let (length, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused => continue,
                    _ => return Err(Failure::Socket(error)),
                },
            };
            let is_peer =
                if self.is_peer_known { from == self.peer } else { from.ip() == self.peer.ip() };
            if !is_peer {
                self.turn_away(from);
                continue;
            }
            (self.peer, self.is_peer_known) = (from, true);
            match Packet::parse(&buffer[..length]) {
                Ok(packet) => {
                    (self.watch)(Event::Received(&packet));
                    return Ok(Some(packet));
                }
                Err(error) => return Err(self.end(Code::ILLEGAL_OPERATION, error.to_string())),
            }
        }
    }

    fn turn_away(&mut self, stranger: SocketAddr) {
        (self.watch)(Event::Stranger(stranger));
        let message = "Unknown transfer ID".to_owned();
        let packet = Packet::Error { code: Code::UNKNOWN_TID, message };
        // Whether the stranger hears it is not this transfer's matter.
        let _ = self.socket.send_to(&packet.encode(), stranger);
    }
}
