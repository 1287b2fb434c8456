//! The concurrent server: for each client a thread that receives and a thread that sends.
//!
//! A server has several workers, and any of them may be asked for the room first. The port decides:
//! who can bind it has the room, and the others are its clients. When that worker ends, the next
//! one that misses the room takes over.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chat::Room;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};

/// A room that nobody is in ends.
const EMPTY_LIMIT: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_secs(1);
/// Lines that wait for a client that does not read; it is sent away when there are more.
const QUEUE_LIMIT: usize = 256;
/// Bytes of one line.
const LINE_LIMIT: usize = 4096;
/// The lesson's clients send no line end: what has come is a message when nothing follows.
const PAUSE: Duration = Duration::from_millis(150);
/// A client that takes nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Is there a room now?
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    Here,
    Elsewhere,
}

/// The room and the ways to its members.
struct Hall {
    room: Room,
    outlets: HashMap<SocketAddr, SyncSender<Vec<u8>>>,
    last_member: Instant,
}

type Shared = Arc<Mutex<Hall>>;

fn lock(hall: &Mutex<Hall>) -> MutexGuard<'_, Hall> {
    // The hall is whole after every operation.
    hall.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens the room, if nobody has.
///
/// # Errors
/// The address cannot be had.
pub fn open(address: Ipv4Addr, port: u16) -> io::Result<Opened> {
    // The standard library sets SO_REUSEADDR: a room may open again at once.
    let listener = match TcpListener::bind((address, port)) {
        Ok(listener) => listener,
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Ok(Opened::Elsewhere),
        Err(error) => return Err(error),
    };
    listener.set_nonblocking(true)?;
    spawn("tcp room", move || accept_all(&listener))?;
    Ok(Opened::Here)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(256 << 10);
    thread.spawn(work).map(drop)
}

fn accept_all(listener: &TcpListener) {
    let hall = Hall { room: Room::new(None), outlets: HashMap::new(), last_member: Instant::now() };
    let hall = Arc::new(Mutex::new(hall));
    loop {
        let tick = Timespec { tv_sec: TICK.as_secs() as i64, tv_nsec: 0 };
        // Whatever the reason, the listener is looked at next.
        let _ = poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&tick));
        match listener.accept() {
            Ok((stream, from)) => {
                // A client that cannot be served is hung up on, and the room goes on.
                let _ = welcome(&hall, stream, from);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Out of descriptors, for instance: it may pass.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
        let mut hall = lock(&hall);
        if !hall.room.is_empty() {
            hall.last_member = Instant::now();
        } else if hall.last_member.elapsed() > EMPTY_LIMIT {
            return;
        }
    }
}

fn welcome(hall: &Shared, stream: TcpStream, from: SocketAddr) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let (outlet, lines) = sync_channel::<Vec<u8>>(QUEUE_LIMIT);
    {
        let mut hall = lock(hall);
        if !hall.room.enter(from, Instant::now()) {
            return (&stream).write_all(b"* the room is full\n");
        }
        hall.outlets.insert(from, outlet);
    }
    let mut sending = stream.try_clone()?;
    let started = spawn("tcp send", move || {
        for line in lines {
            if sending.write_all(&line).is_err() {
                break;
            }
        }
        // The receiving thread sees the end too.
        let _ = sending.shutdown(Shutdown::Both);
    });
    let shared = hall.clone();
    let started = started.and_then(|()| {
        spawn("tcp receive", move || {
            receive(&shared, &stream, from);
            leave(&shared, from);
        })
    });
    if started.is_err() {
        leave(hall, from);
    }
    started
}

fn leave(hall: &Shared, from: SocketAddr) {
    let mut hall = lock(hall);
    hall.outlets.remove(&from);
    let out = hall.room.leave(from);
    deliver(&mut hall, out);
}

/// Lines, or what comes before a pause.
fn receive(hall: &Shared, mut stream: &TcpStream, from: SocketAddr) {
    let mut pending = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let wait = if pending.is_empty() { None } else { Some(PAUSE) };
        if stream.set_read_timeout(wait).is_err() {
            return;
        }
        let has_ended = match stream.read(&mut buffer) {
            Ok(0) => true,
            Ok(length) => {
                pending.extend(&buffer[..length]);
                false
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => continue,
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    take(hall, from, &std::mem::take(&mut pending));
                    continue;
                }
                _ => true,
            },
        };
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            take(hall, from, &line);
        }
        if has_ended || pending.len() > LINE_LIMIT {
            take(hall, from, &std::mem::take(&mut pending));
        }
        if has_ended || !lock(hall).outlets.contains_key(&from) {
            return;
        }
    }
}

fn take(hall: &Shared, from: SocketAddr, line: &[u8]) {
    let mut hall = lock(hall);
    let out = hall.room.take(from, line, Instant::now());
    deliver(&mut hall, out);
}

fn deliver(hall: &mut Hall, out: Vec<(SocketAddr, Vec<u8>)>) {
    for (to, line) in out {
        let is_taken = hall.outlets.get(&to).is_some_and(|outlet| outlet.try_send(line).is_ok());
        // Who does not read is hung up on: the sending thread ends with its outlet.
        if !is_taken {
            hall.outlets.remove(&to);
        }
    }
}
