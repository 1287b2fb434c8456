//! Who a connection, and a request on it, is from: the peer of the socket, or whom a trusted proxy
//! says it speaks for.

use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;

use super::reading::Taken;
use super::{Connection, Ends, Verdict};
use crate::config::{ForwardedBy, Proxies};
use crate::http::forwarded::{self, Told};
use crate::http::head::Head;
use crate::http::proxy_protocol::{self, Parsed};
use crate::http::request_error::RequestError;
use crate::http::request_id::{self, RequestId};
use crate::worker::event_loop::Thread;

impl Connection {
    /// Takes the PROXY header in front of the first request. What is wrong with it is answered with
    /// the end of the connection: who is there does not speak HTTP yet.
    #[cold]
    pub(super) fn take_proxy_header(&mut self, bytes: &[u8], thread: &Thread) -> Taken {
        let is_trusted =
            self.peer().is_some_and(|peer| thread.worker.config().proxies.trusts(peer));
        let parsed = if is_trusted { proxy_protocol::parse(bytes) } else { Parsed::Invalid };
        match parsed {
            Parsed::Incomplete => Taken::Incomplete,
            Parsed::Complete { length, ends } => {
                self.awaits_proxy_header = false;
                self.ends = ends.map(|ends| {
                    let (remote, local) = (ends.remote.to_string(), ends.local.to_string());
                    Box::new(Ends { remote, local, are_told: true })
                });
                Taken::Answered(length)
            }
            Parsed::Invalid => {
                tracing::debug!("a connection was refused: it does not begin with a PROXY header");
                Taken::Stopped(0, Verdict::Close)
            }
        }
    }

    /// The address of the socket's peer.
    fn peer(&self) -> Option<IpAddr> {
        let peer = SockRef::from(&self.socket).peer_addr().ok()?;
        peer.as_socket().map(|peer| peer.ip())
    }

    /// Is the other end, as far as it is known, a proxy that is trusted? Asked once.
    fn is_from_proxy(&mut self, proxies: &Proxies) -> bool {
        if let Some(known) = self.is_from_proxy {
            return known;
        }
        let told = self.ends.as_ref().filter(|ends| ends.are_told);
        let told = told.and_then(|ends| ends.remote.parse::<SocketAddr>().ok());
        let other = told.map(|remote| remote.ip()).or_else(|| self.peer());
        let is_trusted = other.is_some_and(|other| proxies.trusts(other));
        *self.is_from_proxy.insert(is_trusted)
    }

    /// Takes in what a trusted proxy says of this request, and drops what others say.
    ///
    /// # Errors
    /// A trusted proxy says something that cannot be understood: who the client is is not certain.
    pub(super) fn believe_proxy(
        &mut self,
        bytes: &[u8],
        head: &mut Head,
        thread: &mut Thread,
    ) -> Result<(), RequestError> {
        let proxies = &thread.worker.config().proxies;
        let has_proxies = !proxies.trusted.is_empty();
        let is_from_proxy = has_proxies && self.is_from_proxy(proxies);
        if thread.wants_request_ids {
            let told = head.field(bytes, request_id::FIELD).filter(|_| is_from_proxy);
            let told = told.and_then(RequestId::accept);
            thread.request_id = told.unwrap_or_else(|| *thread.request_ids.make());
        }
        if is_from_proxy {
            let told = read(bytes, head, proxies).map_err(|_| RequestError::Forwarded)?;
            head.believe(&told, bytes);
        } else if has_proxies {
            // Nobody whom we trust has looked at these: plugins are not to be taken in by them.
            head.fields.retain(|(name, _)| !is_forwarding(name.of(bytes)));
        }
        Ok(())
    }
}

fn read<'b>(
    bytes: &'b [u8],
    head: &Head,
    proxies: &Proxies,
) -> Result<Told<'b>, forwarded::Malformed> {
    let all = |name: &'static str| {
        let fields = head.fields.iter().filter(move |field| field.0.of(bytes) == name.as_bytes());
        fields.map(|(_, value)| value.of(bytes))
    };
    let is_trusted = |address| proxies.trusts(address);
    match proxies.fields {
        ForwardedBy::Forwarded => forwarded::from_forwarded(all("forwarded"), is_trusted),
        ForwardedBy::XForwarded => forwarded::from_x_forwarded(
            all("x-forwarded-for"),
            all("x-forwarded-proto").next_back(),
            all("x-forwarded-host").next_back(),
            is_trusted,
        ),
    }
}

fn is_forwarding(name: &[u8]) -> bool {
    name == b"forwarded" || name.starts_with(b"x-forwarded-") || name == b"x-real-ip"
}
