//! Takes the frames of some ports from an interface, as an analyser does: a packet socket with a
//! filter in the kernel.
//!
//! The filter lets nothing else through, so that a page can never show what other programs say.

use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::{Frame, Interface};

/// Of linux/if_ether.h: frames of every protocol.
const EVERY_PROTOCOL: u16 = 3;
/// No frame of the loopback is longer: 65,536 bytes and the Ethernet header.
const LONGEST_FRAME: usize = 65_536 + 14;
/// Frames that a capture keeps.
pub const FRAME_LIMIT: usize = 2000;

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    socket: Socket,
}

impl Capture {
    /// From now on the frames of TCP and UDP with one of these ports, which are at most eight.
    ///
    /// # Errors
    /// In words for the page; most often that the process lacks CAP_NET_RAW.
    pub fn start(interface: &Interface, ports: &[u16]) -> Result<Self, String> {
        Self::open(interface, ports).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => format!(
                "cannot capture on {}: the server lacks the privilege CAP_NET_RAW. Run it as root, or \
                 with that as an ambient capability: AmbientCapabilities=CAP_NET_RAW in systemd, or \
                 setpriv --inh-caps +net_raw --ambient-caps +net_raw tenon serve",
                interface.name
            ),
            _ => format!("cannot capture on {}: {error}", interface.name),
        })
    }

    fn open(interface: &Interface, ports: &[u16]) -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        socket.attach_filter(&program(interface.index, &ports[..ports.len().min(8)]))?;
        socket.set_recv_buffer_size(4 << 20)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        let mut capture = Self { socket };
        // What came between the first two calls has passed no filter.
        while capture.receive()?.is_some() {}
        Ok(capture)
    }

    /// One frame, if there is one.
    fn receive(&mut self) -> io::Result<Option<Frame>> {
        let mut buffer = vec![0; LONGEST_FRAME];
        let mut control = cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let socket = self.socket.as_raw_fd();
        let message = match recvmsg::<LinkAddr>(socket, &mut parts, Some(&mut control), flags) {
            Ok(message) => message,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let stamps = message.cmsgs().into_iter().flatten();
        let mut times = stamps.filter_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (time, length) = (times.next().unwrap_or_else(now), message.bytes);
        buffer.truncate(length);
        Ok(Some(Frame { time, bytes: buffer }))
    }

    /// The frames that have arrived, and those that do until it has been quiet for `quiet` or
    /// `longest` is over.
    ///
    /// # Errors
    /// The socket fails.
    pub fn take(&mut self, quiet: Duration, longest: Duration) -> io::Result<Vec<Frame>> {
        let deadline = Instant::now() + longest;
        let mut frames = Vec::new();
        while frames.len() < FRAME_LIMIT {
            if let Some(mut frame) = self.receive()? {
                // The clocks of two processors may differ a little; the order is the socket's.
                let before = frames.last().map_or(frame.time, |frame: &Frame| frame.time);
                frame.time = frame.time.max(before);
                frames.push(frame);
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now()).min(quiet);
            let timeout =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut wanted = [PollFd::new(&self.socket, PollFlags::IN)];
            if left.is_zero() || poll(&mut wanted, Some(&timeout))? == 0 {
                break;
            }
        }
        Ok(frames)
    }
}

// Operations of the classic filter machine (linux/filter.h).
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_FROM_X: u16 = 0x48;
const X_IS_HEADER_LENGTH: u16 = 0xb1;
const IF_EQUAL: u16 = 0x15;
const IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;
/// Where the kernel shows what it knows beside the bytes (SKF_AD_OFF).
const PACKET_TYPE: u32 = 0xffff_f004;
const INTERFACE_INDEX: u32 = 0xffff_f008;
/// The loopback shows each frame twice: as it leaves, and as it arrives.
const OUTGOING: u32 = 4;

/// "Arrived on this interface, IPv4, TCP or UDP, not a later fragment, with one of these ports".
fn program(interface: u32, ports: &[u16]) -> Vec<SockFilter> {
    // Operation, operand, and where to go on: `Ok(steps)` further, or out.
    enum Step {
        Load(u16, u32),
        /// Go on if so, else refuse.
        Must(u32),
        /// Refuse if so.
        MustNot(u16, u32),
        /// Go on if the one or the other.
        Either(u32, u32),
        /// Accept if so.
        Accept(u32),
    }
    use Step::{Accept, Either, Load, Must, MustNot};
    let mut steps = vec![
        Load(LOAD_WORD, PACKET_TYPE),
        MustNot(IF_EQUAL, OUTGOING),
        Load(LOAD_WORD, INTERFACE_INDEX),
        Must(interface),
        Load(LOAD_HALF, 12),
        Must(0x0800),
        Load(LOAD_BYTE, 23),
        Either(6, 17),
        Load(LOAD_HALF, 20),
        MustNot(IF_BITS, 0x1fff),
        Load(X_IS_HEADER_LENGTH, 14),
    ];
    for place in [14, 16] {
        steps.push(Load(LOAD_HALF_FROM_X, place));
        steps.extend(ports.iter().map(|port| Accept(u32::from(*port))));
    }
    let lengths = steps.iter().map(|step| if matches!(step, Either(..)) { 2 } else { 1 });
    let total: usize = lengths.sum();
    let mut program = Vec::<SockFilter>::with_capacity(total + 2);
    for step in steps {
        // Jumps count from the next operation; refusal comes first behind the steps.
        let refuse = (total - program.len() - 1) as u8;
        match step {
            Load(operation, place) => program.push(SockFilter::new(operation, 0, 0, place)),
            Must(value) => program.push(SockFilter::new(IF_EQUAL, 0, refuse, value)),
            MustNot(test, value) => program.push(SockFilter::new(test, refuse, 0, value)),
            Either(first, second) => {
                program.push(SockFilter::new(IF_EQUAL, 1, 0, first));
                program.push(SockFilter::new(IF_EQUAL, 0, refuse - 1, second));
            }
            Accept(value) => program.push(SockFilter::new(IF_EQUAL, refuse + 1, 0, value)),
        }
    }
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    program.push(SockFilter::new(RETURN, 0, 0, LONGEST_FRAME as u32));
    program
}
