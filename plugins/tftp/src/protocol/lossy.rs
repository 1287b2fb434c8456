//! A lossy way between a client and a server: a UDP relay that drops, or doubles, packets.
//!
//! TFTP answers from another port than it was asked on, so the relay gives each of the server's
//! ports one of its own that the client sees.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of the packets, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    pub lost: u32,
    pub doubled: u32,
    /// For the same luck again.
    pub seed: u64,
}

/// A relay in a thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Lossy {
    address: SocketAddr,
    shared: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    is_over: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
}

/// Clients that the relay remembers at most.
const CLIENT_LIMIT: usize = 64;
const TICK: Duration = Duration::from_millis(50);

impl Lossy {
    /// # Errors
    /// There is no socket or no thread.
    pub fn start(server: SocketAddr, fate: Fate) -> io::Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = front.local_addr()?;
        let shared = Arc::new(Counts::default());
        let counts = shared.clone();
        let luck = Luck(fate.seed | 1);
        spawn(move || accept(&front, server, fate, luck, &counts))?;
        Ok(Self { address, shared })
    }

    /// Where clients send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Packets that came through, and those that did not.
    pub fn counts(&self) -> (u64, u64) {
        (self.shared.passed.load(Ordering::Relaxed), self.shared.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name("lossy".to_owned()).spawn(work).map(drop)
}

/// xorshift64: as random as a lost packet needs to be.
#[derive(Clone, Copy)]
struct Luck(u64);

impl Luck {
    fn percent(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % 100) as u32
    }

    /// How often a packet arrives.
    fn copies(&mut self, fate: Fate) -> usize {
        if self.percent() < fate.lost {
            return 0;
        }
        if self.percent() < fate.doubled { 2 } else { 1 }
    }
}

/// First packets: each client gets a socket towards the server.
fn accept(front: &UdpSocket, server: SocketAddr, fate: Fate, mut luck: Luck, counts: &Arc<Counts>) {
    let mut sockets = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    if front.set_read_timeout(Some(TICK)).is_err() {
        return;
    }
    let mut buffer = [0; 65_536];
    while !counts.is_over.load(Ordering::Relaxed) {
        let Ok((length, client)) = front.recv_from(&mut buffer) else { continue };
        if !sockets.contains_key(&client) && sockets.len() < CLIENT_LIMIT {
            let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { continue };
            let socket = Arc::new(socket);
            let (back, counts, luck) = (socket.clone(), counts.clone(), Luck(luck.0 ^ 0x9e37_79b9));
            if spawn(move || answers(&back, client, fate, luck, &counts)).is_err() {
                continue;
            }
            sockets.insert(client, socket);
        }
        let Some(socket) = sockets.get(&client) else { continue };
        deliver(socket, &buffer[..length], server, luck.copies(fate), counts);
    }
}

/// The server's answers to one client; each port they come from gets a face towards the client.
fn answers(
    back: &Arc<UdpSocket>,
    client: SocketAddr,
    fate: Fate,
    mut luck: Luck,
    counts: &Arc<Counts>,
) {
    let mut faces = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
    if back.set_read_timeout(Some(TICK)).is_err() {
        return;
    }
    let mut buffer = [0; 65_536];
    while !counts.is_over.load(Ordering::Relaxed) {
        let Ok((length, port)) = back.recv_from(&mut buffer) else { continue };
        if !faces.contains_key(&port) && faces.len() < CLIENT_LIMIT {
            let Ok(face) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { continue };
            let face = Arc::new(face);
            let (from, to, counts) = (face.clone(), back.clone(), counts.clone());
            let luck = Luck(luck.0 ^ 0x85eb_ca6b);
            if spawn(move || forward(&from, &to, port, fate, luck, &counts)).is_err() {
                continue;
            }
            faces.insert(port, face);
        }
        let Some(face) = faces.get(&port) else { continue };
        deliver(face, &buffer[..length], client, luck.copies(fate), counts);
    }
}

/// What the client sends to a face goes to the port behind it.
fn forward(
    face: &UdpSocket,
    back: &UdpSocket,
    port: SocketAddr,
    fate: Fate,
    mut luck: Luck,
    counts: &Counts,
) {
    if face.set_read_timeout(Some(TICK)).is_err() {
        return;
    }
    let mut buffer = [0; 65_536];
    while !counts.is_over.load(Ordering::Relaxed) {
        let Ok((length, _)) = face.recv_from(&mut buffer) else { continue };
        deliver(back, &buffer[..length], port, luck.copies(fate), counts);
    }
}

fn deliver(socket: &UdpSocket, bytes: &[u8], to: SocketAddr, copies: usize, counts: &Counts) {
    let counter = if copies == 0 { &counts.lost } else { &counts.passed };
    counter.fetch_add(1, Ordering::Relaxed);
    for _ in 0..copies {
        // Whoever has gone loses the packet, which is what this relay is for.
        let _ = socket.send_to(bytes, to);
    }
}
