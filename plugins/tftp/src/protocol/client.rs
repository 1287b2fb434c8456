//! A TFTP client: downloads and uploads one file.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::link::{Event, Failure, Link, Verdict};
use super::netascii;
use super::options::Options;
use super::packet::{Code, Kind, Mode, Packet, Request};
use super::transfer;

/// A client of one server.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The address of this side.
    pub local: Ipv4Addr,
    pub server: SocketAddr,
    pub mode: Mode,
    pub options: Options,
    /// How long to stay after a download, to acknowledge the last block again if that was lost.
    pub dally: Duration,
}

/// How a transfer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// On the way; in netascii not the file's own.
    pub bytes: u64,
    /// What the server agreed to.
    pub agreed: Options,
}

impl Client {
    fn request(&self, kind: Kind, file: &str, options: Options) -> Packet {
        let file = file.as_bytes().to_vec();
        Packet::Request(Request { kind, file, mode: self.mode, options: options.to_ask() })
    }

    fn link<'w>(&self, watch: &'w mut dyn FnMut(Event<'_>)) -> Result<Link<'w>, Failure> {
        let socket = UdpSocket::bind((self.local, 0)).map_err(Failure::Socket)?;
        Ok(Link::new(socket, self.server, false, watch))
    }

    /// Downloads. The file is complete when `watch` has heard the last progress; what follows is
    /// for the server's sake.
    ///
    /// # Errors
    /// The transfer ended early.
    pub fn download(
        &self,
        file: &str,
        sink: &mut dyn Write,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Report, Failure> {
        let mut asked = self.options;
        // RFC 2349: 0 in a read request asks for the size. A text changes its size on the way.
        asked.size = (self.mode == Mode::Octet && asked.size.is_some()).then_some(0);
        let mut link = self.link(watch)?;
        let request = self.request(Kind::Read, file, asked);
        let first = link.exchange(&request, |answer| match answer {
            Packet::Data { block: 1, data } => Verdict::Done(Ok(data)),
            Packet::OptionAck { options } => Verdict::Done(Err(options)),
            _ => Verdict::Wrong("neither data nor options answer a read request"),
        })?;
        let mut decoder = netascii::Decoder::new(sink);
        let is_text = self.mode == Mode::Netascii;
        let (agreed, opening, first) = match first {
            Ok(data) => (Options { size: None, ..Options::default() }, request, Some(data)),
            Err(answer) => {
                let agreed = agree(&mut link, asked, &answer)?;
                (agreed, Packet::Ack { block: 0 }, None)
            }
        };
        let (bytes, last) = if is_text {
            transfer::receive_from(&mut link, opening, first, &mut decoder, agreed.block_size)?
        } else {
            let sink = decoder.get_mut();
            transfer::receive_from(&mut link, opening, first, sink, agreed.block_size)?
        };
        let finished = decoder.finish();
        transfer::finish(&mut link, &last, self.dally)?;
        finished.map_err(Failure::Socket)?;
        Ok(Report { bytes, agreed })
    }

    /// Uploads `length` bytes.
    ///
    /// # Errors
    /// The transfer ended early.
    pub fn upload(
        &self,
        file: &str,
        source: &mut dyn Read,
        length: u64,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Report, Failure> {
        let mut asked = self.options;
        asked.size = (self.mode == Mode::Octet && asked.size.is_some()).then_some(length);
        let mut link = self.link(watch)?;
        let request = self.request(Kind::Write, file, asked);
        let answer = link.exchange(&request, |answer| match answer {
            Packet::Ack { block: 0 } => Verdict::Done(None),
            Packet::OptionAck { options } => Verdict::Done(Some(options)),
            _ => Verdict::Wrong("neither block 0 nor options answer a write request"),
        })?;
        let agreed = match answer {
            Some(answer) => agree(&mut link, asked, &answer)?,
            None => Options::default(),
        };
        let bytes = match self.mode {
            Mode::Octet => transfer::send(&mut link, source, agreed.block_size)?,
            Mode::Netascii => {
                let mut encoder = netascii::Encoder::new(source);
                transfer::send(&mut link, &mut encoder, agreed.block_size)?
            }
        };
        Ok(Report { bytes, agreed })
    }
}

fn agree(
    link: &mut Link<'_>,
    asked: Options,
    answer: &[(String, String)],
) -> Result<Options, Failure> {
    let agreed = asked.agreed(answer).map_err(|why| link.end(Code::BAD_OPTION, why))?;
    link.agree_on(agreed.timeout);
    Ok(agreed)
}
