//! `wsgi.errors`: whole lines go to the server's log, with the number of their request.

use std::cell::{Cell, RefCell};

use csgi::raw;
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::host::Host;

thread_local! {
    /// The request that this thread is in.
    static REQUEST: Cell<u64> = const { Cell::new(0) };
    /// The beginning of a line that has no end yet.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Says which request this thread is in from now on; gives the one before.
pub fn enter(request: u64) -> u64 {
    REQUEST.replace(request)
}

/// The request this thread is in; 0 if none.
pub fn current() -> u64 {
    REQUEST.get()
}

#[pyclass(frozen, module = "tenon")]
pub struct Errors {
    host: Host,
}

impl Errors {
    pub fn new(host: Host) -> Self {
        Self { host }
    }

    /// Logs what has no line break behind it.
    pub fn finish(host: Host) {
        let line = LINE.take();
        if !line.is_empty() {
            host.log(current(), raw::LOG_ERROR, &line);
        }
    }
}

#[pymethods]
impl Errors {
    fn write(&self, text: &str) -> usize {
        let mut pending = LINE.take();
        pending.push_str(text);
        while let Some(end) = pending.find('\n') {
            let rest = pending.split_off(end + 1);
            self.host.log(current(), raw::LOG_ERROR, pending.trim_end_matches(['\r', '\n']));
            pending = rest;
        }
        LINE.set(pending);
        text.chars().count()
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(&line?.extract::<String>()?);
        }
        Ok(())
    }

    fn flush(&self) {
        Self::finish(self.host);
    }
}
