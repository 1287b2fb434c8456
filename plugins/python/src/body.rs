//! The iterable of an application as a body that the server pulls.
//!
//! `unsafe`: becomes a pointer for the server and is one again in `next` and `close`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use csgi::raw;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::answer;
use crate::application::Application;
use crate::request::Request;
use crate::{enter_python, park, report};

/// Where the parts come from.
pub struct Source {
    application: &'static Application,
    request: Py<Request>,
    iterator: Py<PyAny>,
    /// What the application returned: its `close` is called at the end.
    result: Option<Py<PyAny>>,
    /// Pulled before the server asked for it.
    first: Option<Option<Py<PyBytes>>>,
    id: u64,
}

/// What there is to send now.
enum Part {
    Written(Vec<u8>),
    Bytes(Py<PyBytes>),
    /// Nothing yet. `true`: somebody else will say when.
    Pending(bool),
    End,
}

impl Source {
    pub fn new(
        application: &'static Application,
        request: &Bound<'_, Request>,
        iterator: Bound<'_, PyAny>,
        result: &Bound<'_, PyAny>,
    ) -> Self {
        let id = request.get().state().call().map_or(0, |call| call.id());
        let (request, iterator) = (request.clone().unbind(), iterator.unbind());
        let result = Some(result.clone().unbind());
        Self { application, request, iterator, result, first: None, id }
    }

    /// The first part; `None` if there is none.
    pub fn first<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let Some(part) = self.iterator.bind(py).cast::<pyo3::types::PyIterator>()?.clone().next()
        else {
            return Ok(None);
        };
        let part = part?;
        if park::is_pending(&part) {
            // Kept as it is, to be told from an empty one again.
            return Ok(Some(part.cast_into::<PyBytes>()?));
        }
        answer::part_of(self.application, self.id, &part).map(Some)
    }

    /// What `first` gave is what the server gets first.
    pub fn keep_first(&mut self, first: Option<Bound<'_, PyBytes>>) {
        self.first = Some(first.map(Bound::unbind));
    }

    fn next(&mut self, py: Python<'_>) -> PyResult<Part> {
        let request = self.request.get();
        if !request.state().written.is_empty() {
            return Ok(Part::Written(request.state().written.take()?));
        }
        let part = match self.first.take() {
            Some(first) => first.map(|first| first.into_bound(py)),
            None => self.first(py)?,
        };
        // An iterator may write(), too: that comes before what it yields.
        if !request.state().written.is_empty() {
            self.first = Some(part.map(Bound::unbind));
            return Ok(Part::Written(request.state().written.take()?));
        }
        let Some(part) = part else { return Ok(Part::End) };
        if part.as_bytes().is_empty() {
            return Ok(Part::Pending(park::is_pending(part.as_any())));
        }
        if !request.state().has_head {
            return Err(answer::no_head());
        }
        Ok(Part::Bytes(part.unbind()))
    }

    /// Once, however the request ends.
    pub fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        match self.result.take() {
            Some(result) => answer::close(result.bind(py)),
            None => Ok(()),
        }
    }
}

/// As the server sees it.
#[repr(C)]
pub struct Body {
    /// First: the server knows only this.
    body: raw::Body,
    source: Source,
    /// What `next` gave last: it must stay until the next call.
    written: Vec<u8>,
    bytes: Option<Py<PyBytes>>,
}

impl Body {
    pub fn into_raw(source: Source) -> *mut raw::Body {
        let size = size_of::<raw::Body>() as u32;
        let body = raw::Body { size, reserved: 0, next: Some(next), close: Some(close) };
        let (written, bytes) = (Vec::new(), None);
        Box::into_raw(Box::new(Self { body, source, written, bytes })).cast()
    }

    /// The next part, which stays where it is until the next call.
    fn pull(&mut self, py: Python<'_>) -> PyResult<Result<raw::Str, i32>> {
        self.bytes = None;
        Ok(match self.source.next(py)? {
            Part::Written(written) => {
                self.written = written;
                Ok(text(&self.written))
            }
            Part::Bytes(bytes) => {
                // The bytes of a living object neither move nor change.
                let bytes = self.bytes.insert(bytes);
                Ok(text(bytes.bind(py).as_bytes()))
            }
            Part::Pending(is_awaited) => {
                if !is_awaited {
                    // "Not yet", by a yield of nothing: others have their turn, then this again.
                    self.source.application.host.wake(self.source.id);
                }
                Err(raw::PENDING)
            }
            Part::End => Err(raw::END),
        })
    }
}

fn text(bytes: &[u8]) -> raw::Str {
    raw::Str { ptr: bytes.as_ptr().cast(), len: bytes.len() }
}

/// # Safety
/// Called by the host with a body that `into_raw` made and room for `cap` parts.
unsafe extern "C-unwind" fn next(body: *mut raw::Body, parts: *mut raw::Str, cap: i32) -> i32 {
    if cap < 1 {
        return raw::ERROR;
    }
    // SAFETY: the body is the first field of a `Body`, and the host makes one call at a time.
    let this = unsafe { &mut *body.cast::<Body>() };
    let (host, id) = (this.source.application.host, this.source.id);
    let result = catch_unwind(AssertUnwindSafe(|| {
        enter_python(host, id, |py| {
            let part = this.pull(py).inspect_err(|error| report(py, host, id, error));
            part.unwrap_or(Err(raw::ERROR))
        })
    }));
    match result.ok().flatten().unwrap_or(Err(raw::ERROR)) {
        Ok(part) => {
            // SAFETY: the host has room for `cap` parts, and that is at least one.
            unsafe { parts.write(part) };
            1
        }
        Err(result) => result,
    }
}

/// # Safety
/// Called by the host once, with a body that `into_raw` made.
unsafe extern "C-unwind" fn close(body: *mut raw::Body) {
    // SAFETY: `into_raw` made it from such a box, and the host gives it back here.
    let mut this = unsafe { Box::from_raw(body.cast::<Body>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let (host, id) = (this.source.application.host, this.source.id);
        enter_python(host, id, |py| {
            if let Err(error) = this.source.close(py) {
                report(py, host, id, &error);
            }
            this.source.request.get().end();
            // Objects are given back while Python is entered.
            drop(this);
        });
    }));
}
