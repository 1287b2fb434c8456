//! A browser as one of the two: its own port, the other's port, and whatever arrives.

use std::io::ErrorKind;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use chat::Session;
use serde_json::json;
use wire::{Charset, hex};

use crate::room::seat::wait;

/// Talks until the browser goes away.
pub fn sit(session: &Session, own: SocketAddrV4, peer: SocketAddrV4, charset: Charset) {
    if let Err(error) = talk(session, own, peer, charset) {
        session.tell("error", &json!({"text": format!("bind({own}): {error}")}));
    }
}

fn talk(
    session: &Session,
    own: SocketAddrV4,
    peer: SocketAddrV4,
    charset: Charset,
) -> std::io::Result<()> {
    let socket = UdpSocket::bind(own)?;
    socket.set_nonblocking(true)?;
    let own: SocketAddr = socket.local_addr()?;
    session.tell("joined", &json!({"own": own.to_string(), "room": peer.to_string()}));
    while !session.is_over() {
        wait(session, &socket, Instant::now() + Duration::from_secs(2));
        while let Some(letter) = session.mailbox.take().filter(|letter| !letter.is_empty()) {
            let bytes = charset.encode(&letter).unwrap_or_else(|_| letter.clone().into_bytes());
            let result = socket.send_to(&bytes, peer);
            let shown = hex::some_pairs(&bytes, 48);
            match result {
                Ok(_) => session.tell(
                    "sent",
                    &json!({"text": letter, "bytes": shown, "from": own.to_string()}),
                ),
                Err(error) => {
                    session.tell("error", &json!({"text": format!("sendto({peer}): {error}")}))
                }
            }
        }
        let mut buffer = [0; 8192];
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let text = charset.decode(&buffer[..length]).text;
                    let shown = hex::some_pairs(&buffer[..length], 48);
                    let event =
                        json!({"text": text.trim_end(), "bytes": shown, "from": from.to_string()});
                    session.tell("message", &event);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Nobody is at the other port (yet).
                Err(_) => {}
            }
        }
    }
    Ok(())
}
