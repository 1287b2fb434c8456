//! What the processes of an experiment write to standard output and standard error: C code, Python,
//! and whoever else does not send messages.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::PipeFlags;

use crate::event::Line;
use crate::run::{emit, now_ms};

/// A line is cut here.
const LONGEST_LINE: usize = 8192;

pub(crate) struct Output {
    streams: [Stream; 2],
}

struct Stream {
    reader: OwnedFd,
    /// Given to the experiment; `None` after that.
    writer: Option<OwnedFd>,
    unfinished: Vec<u8>,
    has_ended: bool,
}

impl Output {
    pub fn new() -> io::Result<Self> {
        let stream = || -> io::Result<Stream> {
            let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(&reader, true)?;
            let writer = Some(writer);
            Ok(Stream { reader, writer, unfinished: Vec::new(), has_ended: false })
        };
        Ok(Self { streams: [stream()?, stream()?] })
    }

    /// In the experiment's process: makes the pipes its standard output and standard error.
    pub fn become_standard(&mut self) -> io::Result<()> {
        let [out, error] = &mut self.streams;
        if let (Some(out), Some(error)) = (out.writer.take(), error.writer.take()) {
            rustix::stdio::dup2_stdout(out)?;
            rustix::stdio::dup2_stderr(error)?;
        }
        Ok(())
    }

    /// In the keeper: only the experiment may hold them open.
    pub fn close_writers(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.writer = None);
    }

    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let open = self.streams.iter().filter(|stream| !stream.has_ended);
        open.map(|stream| stream.reader.as_fd())
    }

    /// Sends on the lines that are complete, and at the end of a stream the last one.
    pub fn forward(&mut self) {
        self.streams.iter_mut().for_each(Stream::forward);
    }
}

impl Stream {
    fn forward(&mut self) {
        let mut buffer = [0; 16 << 10];
        while !self.has_ended {
            match rustix::io::read(&self.reader, &mut buffer) {
                Ok(0) => self.has_ended = true,
                Ok(count) => self.unfinished.extend_from_slice(&buffer[..count]),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
            while let Some(end) = self.end_of_line() {
                let line: Vec<_> = self.unfinished.drain(..end).collect();
                say(&line);
            }
        }
        if self.has_ended && !self.unfinished.is_empty() {
            say(&std::mem::take(&mut self.unfinished));
        }
    }

    fn end_of_line(&self) -> Option<usize> {
        let newline = self.unfinished.iter().position(|byte| *byte == b'\n');
        match newline {
            Some(position) => Some(position + 1),
            None => (self.unfinished.len() > LONGEST_LINE).then_some(LONGEST_LINE),
        }
    }
}

fn say(line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    emit("line", &Line { ms: now_ms(), pid: 0, text: text.trim_end_matches(['\n', '\r']) });
}
