//! What the experiments share: a server for a folder of the run, and a client that shows its packets.

use std::net::{SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use lab::{Run, say};
use sha2::{Digest, Sha256};
use wire::{Arrow, Interface};

use crate::protocol::{Client, Event, Mode, News, Options, Root, Server};

/// Bytes of an uploaded file, and files in the folder, at most.
pub const FILE_LIMIT: u64 = 32 << 20;
const COUNT_LIMIT: usize = 100;
/// Packets that a picture shows.
const DRAWN: usize = 24;

/// A server of this run alone, for files with these contents; serves until the run ends.
pub fn serve(run: &Run, files: &[(&str, &[u8])]) -> Result<SocketAddr, Box<dyn std::error::Error>> {
    let folder = run.folder().join("shared");
    std::fs::create_dir_all(&folder)?;
    for (name, content) in files {
        std::fs::write(folder.join(name), content)?;
    }
    let local = Interface::configured(&run.config)?.address;
    let root = Root::open(&folder, FILE_LIMIT, COUNT_LIMIT)?;
    let server = Server::bind(SocketAddrV4::new(local, 0), root, |news| tell(&news))?;
    let address = server.address()?;
    // The run ends its process, and with it the thread.
    std::thread::spawn(move || server.serve_until(Instant::now() + Duration::from_secs(3600)));
    Ok(address)
}

/// A line for each thing that a server has to tell.
pub fn tell(news: &News) {
    let shown = |request: &crate::protocol::Request| {
        crate::protocol::Packet::Request(request.clone()).summary()
    };
    match news {
        News::Begun { client, request } => {
            say!("服务器：{client} {}" | "server: {client} {}", shown(request))
        }
        News::Done { client, bytes, again, .. } => {
            say!(
                "服务器：{client} 完成，{bytes} 字节，重传 {again} 次"
                    | "server: {client} done, {bytes} bytes, {again} packets sent again"
            );
        }
        News::Failed { client, why, .. } => {
            say!("服务器：{client} {why}" | "server: {client} {why}")
        }
    }
}

pub fn client(run: &Run, server: SocketAddr, options: Options) -> Result<Client, String> {
    let local = Interface::configured(&run.config)?.address;
    Ok(Client { local, server, mode: Mode::Octet, options, dally: Duration::from_millis(700) })
}

/// What a transfer looked like, gathered while it runs.
#[derive(Debug, Default)]
pub struct Watch {
    pub sent: u64,
    pub again: u64,
    pub received: u64,
    arrows: Vec<Arrow>,
    /// Bytes of the whole file, if that is known.
    total: u64,
    shown: u64,
}

impl Watch {
    pub fn of(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    pub fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Sent { packet, is_again } => {
                self.sent += 1;
                self.again += u64::from(is_again);
                let mark = if is_again { "↻ " } else { "" };
                self.draw(true, format!("{mark}{}", packet.summary()));
            }
            Event::Received(packet) => {
                self.received += 1;
                self.draw(false, packet.summary());
            }
            Event::Stranger(from) => say!("{from}: ERROR 5"),
            Event::Progress(bytes) => {
                // A hundred steps are enough for a bar.
                let step = (self.total / 100).max(1);
                if bytes >= self.shown + step || bytes >= self.total {
                    self.shown = bytes;
                    lab::progress(bytes, self.total.max(bytes));
                }
            }
        }
    }

    fn draw(&mut self, is_from_left: bool, label: String) {
        if self.arrows.len() < DRAWN {
            self.arrows.push(Arrow { is_from_left, label, is_lost: false });
        }
    }

    pub fn picture(&self) -> lab::svg::Svg {
        wire::ladder(&self.arrows)
    }
}

/// The first half of it is enough to tell files apart.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that are nowhere the same, for a file to send.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
