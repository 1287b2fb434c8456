//! A TFTP server for one folder: each transfer has a port and a thread of its own.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, ErrorKind};
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::files::Root;
use super::link::{Event, Failure, Link, Verdict};
use super::netascii;
use super::options::Options;
use super::packet::{Code, Kind, Mode, Packet, Request};
use super::transfer;

/// Transfers at once; a client that is turned away asks again.
const TRANSFER_LIMIT: usize = 32;
/// How long a server waits for clients that have not heard its last acknowledgement. The usual
/// clients repeat after 5 seconds, and one of these packets may be lost too.
const DALLY: Duration = Duration::from_secs(11);

/// What a server has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Begun {
        client: SocketAddr,
        request: Request,
    },
    /// `agreed`: the options in force; `again`: packets that were sent again.
    Done {
        client: SocketAddr,
        request: Request,
        bytes: u64,
        agreed: Vec<(String, String)>,
        again: u64,
    },
    Failed {
        client: SocketAddr,
        request: Option<Request>,
        why: String,
    },
}

type Listener = dyn Fn(News) + Send + Sync;

/// The server. Its transfers hold it, so that it ends with the last of them.
pub struct Server {
    socket: UdpSocket,
    shared: Arc<Shared>,
}

/// The transfers that run, by client and request; has the client answered yet?
type Active = HashMap<(SocketAddr, Vec<u8>), Arc<AtomicBool>>;

struct Shared {
    root: Root,
    tell: Box<Listener>,
    active: Mutex<Active>,
}

impl Server {
    /// # Errors
    /// The address cannot be had.
    pub fn bind(
        address: SocketAddrV4,
        root: Root,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let shared = Shared { root, tell: Box::new(tell), active: Mutex::default() };
        Ok(Self { socket, shared: Arc::new(shared) })
    }

    /// # Errors
    /// The socket has failed.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `end`. Transfers that have begun go on in their threads.
    ///
    /// # Errors
    /// The socket fails.
    pub fn serve_until(&self, end: Instant) -> io::Result<()> {
        let mut buffer = [0; 65_536];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv_from(&mut buffer) {
                Ok((length, client)) => self.take(&buffer[..length], client),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    // A client has gone; nothing is wrong with this socket.
                    ErrorKind::ConnectionRefused => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn take(&self, bytes: &[u8], client: SocketAddr) {
        let refuse = |code, why: &str| {
            let packet = Packet::Error { code, message: why.to_owned() };
            // UDP promises nothing; the client asks again.
            let _ = self.socket.send_to(&packet.encode(), client);
            (self.shared.tell)(News::Failed { client, request: None, why: why.to_owned() });
        };
        let request = match Packet::parse(bytes) {
            Ok(Packet::Request(request)) => request,
            // An error is never answered with an error (RFC 1350 §5).
            Ok(Packet::Error { .. }) => return,
            Ok(_) => return refuse(Code::ILLEGAL_OPERATION, "a transfer begins with a request"),
            Err(error) => return refuse(Code::ILLEGAL_OPERATION, &error.to_string()),
        };
        let key = (client, bytes.to_vec());
        let mut active = self.shared.active();
        // A client that has heard nothing yet asks again: its transfer is under way.
        if active.get(&key).is_some_and(|is_answered| !is_answered.load(Ordering::Acquire)) {
            return;
        }
        if active.len() >= TRANSFER_LIMIT {
            drop(active);
            return refuse(Code::UNDEFINED, "too many transfers at once: try again later");
        }
        let is_answered = Arc::new(AtomicBool::new(false));
        active.insert(key.clone(), is_answered.clone());
        drop(active);
        let shared = self.shared.clone();
        let started = self.socket.local_addr().and_then(|address| {
            let place = Place { address, client, is_answered: is_answered.clone() };
            std::thread::Builder::new().name("tftp transfer".to_owned()).spawn(move || {
                shared.answer(place, request);
                let mut active = shared.active();
                // A later transfer of the same client may have taken the entry.
                if active.get(&key).is_some_and(|mine| Arc::ptr_eq(mine, &is_answered)) {
                    active.remove(&key);
                }
            })
        });
        if let Err(error) = started {
            refuse(Code::UNDEFINED, &format!("cannot begin a transfer: {error}"));
        }
    }
}

/// Whose transfer it is, and from which address.
struct Place {
    address: SocketAddr,
    client: SocketAddr,
    is_answered: Arc<AtomicBool>,
}

impl Shared {
    fn active(&self) -> MutexGuard<'_, Active> {
        // The map is whole after every operation.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One transfer, from its request to its end.
    fn answer(&self, place: Place, request: Request) {
        let client = place.client;
        (self.tell)(News::Begun { client, request: request.clone() });
        let mut again = 0;
        let mut watch = |event: Event<'_>| match event {
            Event::Sent { is_again: true, .. } => again += 1,
            Event::Received(_) => place.is_answered.store(true, Ordering::Release),
            _ => {}
        };
        let result = UdpSocket::bind((place.address.ip(), 0)).map_err(Failure::Socket);
        let result = result.and_then(|socket| {
            let mut link = Link::new(socket, client, true, &mut watch);
            match request.kind {
                Kind::Read => self.send_file(&mut link, &request),
                Kind::Write => self.receive_file(&mut link, &request),
            }
        });
        let news = match result {
            Ok((bytes, agreed)) => News::Done { client, request, bytes, agreed, again },
            Err(failure) => {
                News::Failed { client, request: Some(request), why: failure.to_string() }
            }
        };
        (self.tell)(news);
    }

    fn send_file(&self, link: &mut Link<'_>, request: &Request) -> Transferred {
        let (file, size) =
            self.root.read(&request.file).map_err(|(code, why)| link.end(code, why))?;
        let is_text = request.mode == Mode::Netascii;
        let asked = without_size(request, is_text);
        let (options, answer) = Options::grant(&asked, Some(size));
        if !answer.is_empty() {
            let packet = Packet::OptionAck { options: answer.clone() };
            link.exchange(&packet, |answer| match answer {
                Packet::Ack { block: 0 } => Verdict::Done(()),
                _ => Verdict::Ignore,
            })?;
        }
        link.agree_on(options.timeout);
        let mut file = BufReader::new(file);
        let bytes = if is_text {
            transfer::send(link, &mut netascii::Encoder::new(file), options.block_size)?
        } else {
            transfer::send(link, &mut file, options.block_size)?
        };
        Ok((bytes, answer))
    }

    fn receive_file(&self, link: &mut Link<'_>, request: &Request) -> Transferred {
        let is_text = request.mode == Mode::Netascii;
        let (options, answer) = Options::grant(&without_size(request, is_text), None);
        let upload = self
            .root
            .create(&request.file, options.size)
            .map_err(|(code, why)| link.end(code, why))?;
        link.agree_on(options.timeout);
        let opening = match answer.is_empty() {
            true => Packet::Ack { block: 0 },
            false => Packet::OptionAck { options: answer.clone() },
        };
        let mut file = BufWriter::new(upload);
        let ((bytes, last), written) = if is_text {
            let mut decoder = netascii::Decoder::new(&mut file);
            let received = transfer::receive(link, opening, &mut decoder, options.block_size)?;
            (received, decoder.finish())
        } else {
            (transfer::receive(link, opening, &mut file, options.block_size)?, Ok(()))
        };
        let upload = written.and_then(|()| file.into_inner().map_err(|error| error.into_error()));
        let kept = upload.and_then(super::files::Upload::keep);
        if let Err(error) = kept {
            let code = match error.kind() {
                ErrorKind::AlreadyExists => Code::FILE_EXISTS,
                _ => Code::DISK_FULL,
            };
            return Err(link.end(code, format!("cannot keep the file: {error}")));
        }
        // Acknowledged only now: who has heard it may rely on the file being there.
        transfer::finish(link, &last, DALLY)?;
        Ok((bytes, answer))
    }
}

type Transferred = Result<(u64, Vec<(String, String)>), Failure>;

/// The size of a text on the way is not the file's: RFC 2349's option stays unanswered.
fn without_size(request: &Request, is_text: bool) -> Vec<(String, String)> {
    let mut options = request.options.clone();
    options.retain(|(name, _)| !(is_text && name == "tsize"));
    options
}
