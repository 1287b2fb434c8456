//! Reading the request body for `wsgi.input`. The server has received it whole, so nothing waits.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::host::{Call, Input};

/// Bytes asked of the server at a time, where it is not said how many are wanted.
const BLOCK: usize = 64 * 1024;

#[derive(Default)]
pub struct Reader {
    /// Received from the server and not yet given on, from `position`.
    buffer: Vec<u8>,
    position: usize,
    is_at_end: bool,
}

impl Reader {
    /// `size` bytes, fewer only at the end; without a size, everything.
    pub fn read<'py>(
        &mut self,
        py: Python<'py>,
        call: Call,
        size: Option<i64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        match size.filter(|size| *size >= 0) {
            Some(size) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                while self.there().len() < size && self.fill(call, size)? {}
                Ok(self.take(py, size))
            }
            None => {
                let known = usize::try_from(call.content_length()).unwrap_or(0);
                while self.fill(call, known.max(BLOCK))? {}
                Ok(self.take(py, usize::MAX))
            }
        }
    }

    /// Up to the next line break and with it, but no more than `size` bytes.
    pub fn read_line<'py>(
        &mut self,
        py: Python<'py>,
        call: Call,
        size: Option<i64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let most = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.there()[searched..]) {
                return Ok(self.take(py, most.min(searched + end + 1)));
            }
            searched = self.there().len();
            if searched >= most || !self.fill(call, BLOCK)? {
                return Ok(self.take(py, most));
            }
        }
    }

    fn there(&self) -> &[u8] {
        &self.buffer[self.position..]
    }

    fn take<'py>(&mut self, py: Python<'py>, size: usize) -> Bound<'py, PyBytes> {
        let size = size.min(self.there().len());
        let taken = PyBytes::new(py, &self.there()[..size]);
        self.position += size;
        if self.position == self.buffer.len() {
            self.buffer.clear();
            self.position = 0;
        }
        taken
    }

    /// Asks for about so many more bytes. `false`: there are none.
    fn fill(&mut self, call: Call, wanted: usize) -> PyResult<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.position > 0 {
            self.buffer.drain(..self.position);
            self.position = 0;
        }
        let length = self.buffer.len();
        // A length that a client names is no reason to take so much memory before it is there.
        let wanted = wanted.saturating_sub(length).clamp(1, 16 * BLOCK);
        self.buffer.resize(length + wanted, 0);
        let result = call.read(&mut self.buffer[length..]);
        let count = if let Input::Bytes(count) = result { count } else { 0 };
        self.buffer.truncate(length + count);
        match result {
            Input::Bytes(_) => Ok(true),
            Input::End => {
                self.is_at_end = true;
                Ok(false)
            }
            Input::Failed => Err(PyOSError::new_err(
                "the request body cannot be read: the client is gone, or this is another thread \
                 than the one that the server has called",
            )),
        }
    }
}
