//! A request body on its way to a plugin that wants it whole: kept in memory, then in an unlinked
//! file. No thread and no plugin waits for it.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

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
pub(super) enum Failure {
    Request(RequestError),
    /// The temporary file.
    Storage(std::io::Error),
}

impl Receiving {
    pub(super) fn new(mut exchange: Box<Exchange>, decoder: BodyDecoder) -> Self {
        let memory = exchange.call.input.take_memory();
        Self::resumed(exchange, decoder, memory, None)
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
        &self.exchange.bytes
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
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        memory_limit: usize,
    ) -> Result<(usize, bool), Failure> {
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

    /// The request with its whole body.
    pub(super) fn complete(self, socket: Arc<OwnedFd>, may_send: bool) -> Box<Exchange> {
        let Self { mut exchange, memory, file, .. } = self;
        exchange.call.input = match file {
            Some(file) => Input::file(file, socket, may_send),
            None => Input::memory(memory, socket, may_send),
        };
        exchange
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
        receiving: Box<Receiving>,
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        if !self.output.is_empty()
            && let Some(verdict) = self.flush(thread, at)
            && verdict == Verdict::Close
        {
            return Next::Verdict(verdict);
        }
        let kept = std::mem::take(&mut self.input);
        let mut buffer = std::mem::take(&mut thread.input);
        let next = self.receive_into(receiving, &kept, &mut buffer, thread, at);
        thread.input = buffer;
        next
    }

    /// The same, beginning with what was `kept`.
    fn receive_into(
        &mut self,
        mut receiving: Box<Receiving>,
        kept: &[u8],
        buffer: &mut [u8],
        thread: &mut Thread,
        at: Place<'_>,
    ) -> Next {
        let config = thread.worker.config();
        let mut arrived = kept;
        loop {
            match receiving.push(arrived, config.limits.body_memory) {
                Ok((used, true)) => {
                    self.input.extend_from_slice(&arrived[used..]);
                    self.phase = Phase::Exchange(receiving.complete(self.socket(), true));
                    return Next::Go;
                }
                // All of it is used.
                Ok((_, false)) => {}
                Err(failure) => {
                    self.refuse_body(thread, failure, receiving.head());
                    return Next::Go;
                }
            }
            if !self.is_readable {
                let (timeout, rate) = (config.timeouts.body, config.limits.body_rate);
                let clock = &thread.worker.clock;
                self.wait_until(receiving.patience.deadline(clock, timeout, rate), at);
                self.phase = Phase::Body(receiving);
                return Next::Verdict(Verdict::Wait);
            }
            arrived = match self.read(buffer) {
                // The client left before its request was whole.
                Ok(0) => return Next::Verdict(Verdict::Close),
                Ok(count) => {
                    receiving.patience.saw(&thread.worker.clock, count as u64);
                    &buffer[..count]
                }
                Err(Errno::AGAIN) => &[],
                Err(_) => return Next::Verdict(Verdict::Close),
            };
        }
    }

    #[cold]
    pub(super) fn refuse_body(
        &mut self,
        thread: &mut Thread,
        failure: Failure,
        head: &[u8],
    ) -> Next {
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
