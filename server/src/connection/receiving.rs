//! A request body on its way to a plugin that wants it whole: kept in memory, then in an unlinked
//! file. No thread and no plugin waits for it.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::exchange::Exchange;
use super::patience::Patience;
use super::{Connection, Next, Phase, Place, Verdict};
use crate::handoff::message;
use crate::http::body::BodyDecoder;
use crate::http::request_error::RequestError;
use crate::plugin::input::Input;
use crate::worker::event_loop::Thread;

pub(super) struct Receiving {
    /// The request, ready to run once its body is here.
    exchange: Box<Exchange>,
    decoder: BodyDecoder,
    memory: Vec<u8>,
    file: Option<File>,
    /// With the client that sends it.
    patience: Patience,
}

/// Why receiving ended early.
enum Failure {
    Request(RequestError),
    /// The temporary file.
    Storage(std::io::Error),
}

impl Receiving {
    pub(super) fn new(exchange: Box<Exchange>, decoder: BodyDecoder) -> Self {
        Self::resumed(exchange, decoder, Vec::new(), None)
    }

    /// One that began in another process, with what had arrived there.
    pub(super) fn resumed(
        exchange: Box<Exchange>,
        decoder: BodyDecoder,
        memory: Vec<u8>,
        file: Option<File>,
    ) -> Self {
        Self { exchange, decoder, memory, file, patience: Patience::default() }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The head of the request.
    pub(super) fn head(&self) -> &[u8] {
        self.exchange.head_bytes()
    }

    /// What has arrived of its body.
    pub(super) fn body(&self) -> message::Body<'_> {
        let decoder = self.decoder.to_words();
        match &self.file {
            Some(file) => message::Body::File(file.as_fd(), decoder),
            None => message::Body::Memory(&self.memory, decoder),
        }
    }

    /// Decodes `bytes`; says how many were used and whether the body is complete.
    fn push(&mut self, bytes: &[u8], memory_limit: usize) -> Result<(usize, bool), Failure> {
        let mut position = 0;
        loop {
            let step = self.decoder.step(&bytes[position..]).map_err(Failure::Request)?;
            position += step.consumed;
            let (consumed, done) = (step.consumed, step.done);
            store(&mut self.memory, &mut self.file, step.data, memory_limit)
                .map_err(Failure::Storage)?;
            if done || consumed == 0 {
                return Ok((position, done));
            }
        }
    }
}

/// Appends to memory, and from `limit` on to a file without a name.
fn store(
    memory: &mut Vec<u8>,
    file: &mut Option<File>,
    data: &[u8],
    limit: usize,
) -> std::io::Result<()> {
    if file.is_none() && memory.len() + data.len() > limit {
        let mut created = tempfile::tempfile()?;
        created.write_all(memory)?;
        *memory = Vec::new();
        *file = Some(created);
    }
    match file {
        Some(file) => file.write_all(data),
        None => {
            memory.extend_from_slice(data);
            Ok(())
        }
    }
}

impl Connection {
    /// Takes what has arrived of a body; runs the request when it is complete.
    pub(super) fn receive(
        &mut self,
        mut receiving: Box<Receiving>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        if !self.output.is_empty()
            && let Some(verdict) = self.flush(thread, at)
            && verdict == Verdict::Close
        {
            return Next::Verdict(verdict);
        }
        let limit = thread.worker.config().limits.body_memory;
        let mut bytes = std::mem::take(&mut self.input);
        let mut buffer = std::mem::take(&mut thread.input);
        let next = loop {
            match receiving.push(&bytes, limit) {
                Ok((used, true)) => {
                    self.input = bytes.split_off(used);
                    break self.start_received(*receiving);
                }
                Ok((used, false)) => drop(bytes.drain(..used)),
                Err(failure) => break self.refuse_body(thread, failure, receiving.head()),
            }
            if !self.is_readable {
                let config = thread.worker.config();
                let (timeout, rate) = (config.timeouts.body, config.limits.body_rate);
                let clock = &thread.worker.clock;
                self.wait_until(receiving.patience.deadline(clock, timeout, rate), at);
                self.input = bytes;
                self.phase = Phase::Body(receiving);
                break Next::Verdict(Verdict::Wait);
            }
            match self.read(&mut buffer) {
                // The client left before its request was whole.
                Ok(0) => break Next::Verdict(Verdict::Close),
                Ok(count) => {
                    receiving.patience.saw(&thread.worker.clock, count as u64);
                    bytes.extend_from_slice(&buffer[..count]);
                }
                Err(Errno::AGAIN) => {}
                Err(_) => break Next::Verdict(Verdict::Close),
            }
        };
        thread.input = buffer;
        next
    }

    fn start_received(&mut self, receiving: Receiving) -> Next {
        let Receiving { mut exchange, memory, file, .. } = receiving;
        let socket = self.socket.clone();
        let input = match file {
            Some(file) => Input::file(file, socket, true),
            None => Input::memory(memory, socket, true),
        };
        exchange.set_input(input);
        self.phase = Phase::Exchange(exchange);
        Next::Go
    }

    fn refuse_body(&mut self, thread: &mut Thread, failure: Failure, head: &[u8]) -> Next {
        match failure {
            Failure::Request(error) => self.refuse_request(thread, &error, head),
            Failure::Storage(error) => {
                tracing::error!("cannot keep a request body in a temporary file: {error}");
                self.refuse(thread, 503, None, head);
            }
        }
        Next::Go
    }
}
