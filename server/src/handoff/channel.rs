//! A channel: where connections go, and come from. The supervisor makes one for each pool of
//! workers and keeps both ends, so that what is on its way outlives every worker.
//!
//! `SOCK_SEQPACKET` keeps messages apart and lets any number of processes send and receive: whoever
//! is free adopts the next message.
//!
//! `unsafe`: raw descriptors in and out of system calls, where a signal handler must not allocate.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::message::{DESCRIPTORS, Message, SIZE};

/// Bytes that may wait in a channel, if the kernel lets us (socket(7): wmem_max).
const BUFFER: usize = 4 * 1024 * 1024;
/// Between two tries when the kernel holds too many descriptors on their way (unix(7), ETOOMANYREFS).
const RETRY: Duration = Duration::from_millis(1);

/// Both ends.
#[derive(Debug)]
pub struct Channel {
    pub sender: OwnedFd,
    pub receiver: OwnedFd,
}

impl Channel {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new() -> std::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (sender, receiver) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        // What the kernel does not grant, it does not need either: senders wait for room.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&sender, BUFFER);
        Ok(Self { sender, receiver })
    }
}

/// Sends a message; waits for room in the channel, and for descriptors that the kernel holds, for
/// `patience` at most. Async-signal-safe: system calls on memory of the caller's only.
///
/// # Errors
/// There was no room in time, or the channel is broken.
pub fn send(
    channel: impl AsFd,
    message: &Message<'_>,
    mut patience: Duration,
) -> Result<(), Errno> {
    let mut fds = [BORROWED_NONE; DESCRIPTORS];
    let count = message.descriptors().len();
    for (place, descriptor) in fds.iter_mut().zip(message.descriptors()) {
        // SAFETY: the descriptors of a message live until it is cleared (`Message::descriptors`).
        *place = unsafe { BorrowedFd::borrow_raw(*descriptor) };
    }
    loop {
        match send_once(&channel, message.bytes(), &fds[..count]) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !patience.is_zero() => {
                wait_for_room(&channel, RETRY.min(patience));
                patience = patience.saturating_sub(RETRY);
            }
            Err(Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM) if !patience.is_zero() => {
                pause(RETRY);
                patience = patience.saturating_sub(RETRY);
            }
            result => return result,
        }
    }
}

/// Stands in unused places; never given to the kernel.
const BORROWED_NONE: BorrowedFd<'static> = rustix::fs::CWD;

fn send_once(channel: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::INVAL);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(channel, &[IoSlice::new(bytes)], &mut ancillary, flags).map(drop)
}

fn wait_for_room(channel: impl AsFd, patience: Duration) {
    let mut polled = [PollFd::new(&channel, PollFlags::OUT)];
    let timeout = rustix::time::Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    // Whatever came of it, the caller tries again.
    let _ = poll(&mut polled, Some(&timeout));
}

/// Sleeps without anything of the standard library's that a signal handler must not use.
pub fn pause(time: Duration) {
    let time = rustix::time::Timespec {
        tv_sec: time.as_secs() as i64,
        tv_nsec: time.subsec_nanos().into(),
    };
    let _ = rustix::thread::nanosleep(&time);
}

/// Closes a descriptor by its number.
pub(super) fn close(descriptor: RawFd) {
    // SAFETY: the caller made it and gives it up here.
    unsafe { rustix::io::close(descriptor) };
}

/// A message as it came.
pub struct Received {
    pub bytes: Vec<u8>,
    pub descriptors: Vec<OwnedFd>,
}

/// The next message; `None` if there is none now.
///
/// # Errors
/// The channel is broken.
pub fn receive(channel: impl AsFd) -> std::io::Result<Option<Received>> {
    let mut bytes = vec![0; SIZE];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received =
        rustix::net::recvmsg(channel, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags);
    let received = match received {
        Ok(received) => received,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    bytes.truncate(received.bytes);
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors = descriptors.flatten().collect();
    Ok((!bytes.is_empty()).then_some(Received { bytes, descriptors }))
}

/// Moves what waits in a channel, unread, to another.
pub fn forward(from: &Channel, to: &Channel) {
    while let Ok(Some(Received { bytes, descriptors })) = receive(&from.receiver) {
        let fds: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        if let Err(error) = send_once(&to.sender, &bytes, &fds) {
            tracing::warn!("connections of workers that are gone are lost: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{ArrivedBody, Body, Parcel, Reader, State, Tail};
    use super::*;
    use std::io::{Read, Seek, Write};

    fn parcel<'c>(socket: &'c OwnedFd, output: &'c [u8], tail: &'c [u8]) -> Parcel<'c> {
        let state = State { is_closing: true, time_left: 70, hops: 2, ..State::default() };
        Parcel {
            socket: socket.as_fd(),
            state,
            ends: [&[], &[]],
            head: b"POST / HTTP/1.1\r\n\r\n",
            body: Body::Memory(b"begun", [1, 2, 3, 4]),
            input: [b"one", b"", b"two"],
            output,
            tail: if tail.is_empty() { Tail::None } else { Tail::Bytes(tail) },
        }
    }

    #[test]
    fn what_is_sent_arrives_whole_and_may_be_forwarded() {
        let channel = Channel::new().unwrap();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let (ours, mut theirs) = (OwnedFd::from(ours), theirs);
        let mut buffer = vec![0; SIZE];
        let mut message = Message::new(&mut buffer);
        let tail = vec![7; 100_000];
        message.push(&parcel(&ours, b"answer", &tail)).unwrap();
        message.push(&parcel(&ours, b"", b"")).unwrap();
        let first = Channel::new().unwrap();
        send(&first.sender, &message, Duration::ZERO).unwrap();
        forward(&first, &channel);
        message.clear();
        let Received { bytes, descriptors } = receive(&channel.receiver).unwrap().unwrap();
        let mut arrivals = Reader::new(&bytes, descriptors.into_iter()).unwrap();
        let first = arrivals.next().unwrap();
        assert_eq!(first.input, b"onetwo");
        assert_eq!(first.output, b"answer");
        assert!(first.state.is_closing && !first.state.is_fresh);
        assert_eq!((first.state.time_left, first.state.hops), (70, 2));
        assert!(
            matches!(first.body, ArrivedBody::Memory(bytes, [1, 2, 3, 4]) if bytes == b"begun")
        );
        let arrived = first.tail.unwrap();
        let mut file = std::fs::File::from(arrived.file);
        let mut content = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        assert_eq!((arrived.offset, arrived.left, content), (0, 100_000, tail));
        std::os::unix::net::UnixStream::from(first.socket).write_all(b"hello").unwrap();
        let mut greeting = [0; 5];
        theirs.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"hello");
        assert!(arrivals.next().unwrap().tail.is_none());
        assert!(arrivals.next().is_none());
    }

    #[test]
    fn a_message_that_was_cut_gives_what_is_whole_and_no_more() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = OwnedFd::from(ours);
        let mut buffer = vec![0; SIZE];
        let mut message = Message::new(&mut buffer);
        message.push(&parcel(&ours, b"answer", b"")).unwrap();
        for length in 0..message.bytes().len() {
            let descriptors = std::iter::repeat_with(|| ours.try_clone().unwrap());
            let reader = Reader::new(&message.bytes()[..length], descriptors);
            assert_eq!(reader.map_or(0, Iterator::count), 0, "{length} bytes");
        }
    }

    #[test]
    fn a_full_message_says_so_and_a_connection_too_large_for_any_too() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let ours = OwnedFd::from(ours);
        let mut buffer = vec![0; SIZE];
        let mut message = Message::new(&mut buffer);
        let large = vec![0; SIZE];
        use super::super::message::Refused;
        assert_eq!(message.push(&parcel(&ours, &large, b"")), Err(Refused::Never));
        let half = vec![0; SIZE / 2];
        message.push(&parcel(&ours, &half, b"")).unwrap();
        assert_eq!(message.push(&parcel(&ours, b"", b"")), Err(Refused::Full));
    }
}
