//! One request as the application holds it: `start_response`, the `write` that it returns, and
//! `wsgi.input` in one object.

use std::ffi::CStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyAssertionError, PyOSError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use smallvec::SmallVec;

use crate::host::{Call, Start};
use crate::input::Reader;
use crate::objects::Text;
use crate::written::Written;

#[derive(Default)]
#[pyclass(frozen, module = "tenon")]
pub struct Request {
    state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    /// `None`: the request is over.
    call: Option<Call>,
    pub reader: Reader,
    /// A head has been given.
    pub has_head: bool,
    /// The Content-Length of that head.
    pub content_length: Option<u64>,
    /// What `write` was given, before the body that is returned.
    pub written: Written,
}

impl State {
    pub fn call(&self) -> PyResult<Call> {
        self.call.ok_or_else(|| PyOSError::new_err("this request is over"))
    }

    fn call_for_head(&self, is_replacement: bool) -> PyResult<Call> {
        if self.has_head && !is_replacement {
            return Err(PyAssertionError::new_err(
                "start_response has been called already; only an error handler may call it again, \
                 with exc_info",
            ));
        }
        self.call()
    }
}

impl Request {
    /// Stands for this request from now on.
    pub fn begin(&self, call: Call) {
        *self.state() = State { call: Some(call), ..State::default() };
    }

    /// Never held while Python code runs.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's number for it; 0, which no request has, when it is over.
    pub fn id(&self) -> u64 {
        self.state().call.map_or(0, |call| call.id())
    }

    /// Whatever the application keeps of this request is of no use from now on.
    pub fn end(&self) {
        self.state().call = None;
    }

    fn read_with<'py, T>(
        &self,
        py: Python<'py>,
        read: impl FnOnce(&mut Reader, Python<'py>, Call) -> PyResult<T>,
    ) -> PyResult<T> {
        let mut state = self.state();
        let call = state.call()?;
        read(&mut state.reader, py, call)
    }
}

#[pymethods]
impl Request {
    /// PEP 3333, "The start_response() Callable".
    #[pyo3(signature = (status, headers, exc_info = None))]
    fn start_response<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let this = slf.get();
        let exc_info = exc_info.filter(|info| !info.is_none());
        let call = this.state().call_for_head(exc_info.is_some())?;
        let head = Head::new(status, headers)?;
        let (start, content_length) = head.give(&call)?;
        match start {
            Start::Taken => {}
            Start::Refused => return Err(head.refusal()),
            Start::Late => return Err(late(exc_info)),
        }
        let mut state = this.state();
        // An interim answer such as 103 is not the head.
        if !head.is_interim() {
            state.has_head = true;
            state.content_length = content_length;
        }
        drop(state);
        // It is callable as `write`.
        Ok(slf.clone())
    }

    /// The `write()` callable.
    fn __call__(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let mut state = self.state();
        state.call()?;
        if !state.has_head {
            return Err(PyAssertionError::new_err("write() before start_response()"));
        }
        state.written.push(data.as_bytes()).map_err(PyErr::from)
    }

    #[pyo3(signature = (size = None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.read_with(py, |reader, py, call| reader.read(py, call, size))
    }

    #[pyo3(signature = (size = None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.read_with(py, |reader, py, call| reader.read_line(py, call, size))
    }

    #[pyo3(signature = (hint = None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        let mut left = hint.filter(|hint| *hint > 0);
        loop {
            let line = self.readline(py, None)?;
            let length = line.as_bytes().len() as i64;
            if length == 0 {
                return Ok(lines);
            }
            lines.append(line)?;
            left = left.map(|left| left - length);
            if left.is_some_and(|left| left <= 0) {
                return Ok(lines);
            }
        }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.readline(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// Bytes are on their way: the exception that brought this about is raised again, as PEP 3333 has it.
fn late(exc_info: Option<&Bound<'_, PyAny>>) -> PyErr {
    let error = exc_info.and_then(|info| {
        let value = info.cast::<PyTuple>().ok()?.get_item(1).ok()?;
        Some(PyErr::from_value(value))
    });
    error.unwrap_or_else(|| {
        PyAssertionError::new_err("start_response was called after the body had begun")
    })
}

/// Status and header fields as the application gave them.
struct Head<'h, 'py> {
    status: Text<'h, 'py>,
    /// Keeps the texts of the fields.
    fields: Fields<'py>,
}

type Fields<'py> = SmallVec<[(Bound<'py, PyAny>, Bound<'py, PyAny>); 8]>;

impl<'h, 'py> Head<'h, 'py> {
    fn new(status: &'h Bound<'py, PyAny>, headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut fields = Fields::new();
        if let Ok(list) = headers.cast_exact::<PyList>() {
            for pair in list.iter() {
                fields.push(halves(&pair)?);
            }
        } else {
            for pair in headers.try_iter().map_err(|_| no_pairs())? {
                fields.push(halves(&pair?)?);
            }
        }
        Ok(Self { status: Text::new(status, "the status")?, fields })
    }

    /// Gives it to the server; says what the Content-Length is.
    fn give(&self, call: &Call) -> PyResult<(Start, Option<u64>)> {
        let mut texts = SmallVec::<[_; 8]>::new();
        for (name, value) in &self.fields {
            let name = Text::new(name, "the name of a header")?;
            texts.push((name, Text::new(value, "the value of a header")?));
        }
        let fields: SmallVec<[_; 8]> =
            texts.iter().map(|(name, value)| (name.bytes(), value.bytes())).collect();
        let status: SmallVec<[_; 64]> = self.status.bytes().iter().copied().chain([0]).collect();
        let Ok(status) = CStr::from_bytes_with_nul(&status) else {
            return Ok((Start::Refused, None));
        };
        Ok((call.start_response(status, &fields), content_length(&fields)))
    }

    fn refusal(&self) -> PyErr {
        let status = String::from_utf8_lossy(self.status.bytes());
        let fields: Vec<_> = self.fields.iter().map(|(n, v)| format!("({n:?}, {v:?})")).collect();
        PyValueError::new_err(format!(
            "the server refuses this head: {status:?}, [{}]: the status must begin with three \
             digits and a space, no control character may be in it, and fields of the connection \
             (Connection, Transfer-Encoding, ...) are the server's own",
            fields.join(", ")
        ))
    }

    fn is_interim(&self) -> bool {
        let status = self.status.bytes();
        status.starts_with(b"1") && !status.starts_with(b"101")
    }
}

fn no_pairs() -> PyErr {
    PyTypeError::new_err("headers must be a list of pairs of str: [(name, value), ...]")
}

fn halves<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let pair = pair.cast::<PyTuple>().map_err(|_| no_pairs())?;
    if pair.len() != 2 {
        return Err(no_pairs());
    }
    Ok((pair.get_item(0)?, pair.get_item(1)?))
}

fn content_length(fields: &[(&[u8], &[u8])]) -> Option<u64> {
    const NAME: &[u8] = b"content-length";
    let (_, value) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(NAME))?;
    str::from_utf8(value).ok()?.trim().parse().ok()
}
