//! One call of the application, and what becomes of the iterable it returns.
//!
//! What is complete at once goes to the server whole: a list, a file, and a first part that is as
//! long as the Content-Length says. Anything else is an iterator that the server pulls (`body`).

use csgi::raw;
use pyo3::exceptions::{PyAssertionError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::application::Application;
use crate::body::{Body, Source};
use crate::desk::{Prepared, prepare};
use crate::host::Call;
use crate::objects::call2;
use crate::request::Request;
use crate::wrapper::FileWrapper;

/// One bytestring up to this size is copied.
const FEW: usize = 16 * 1024;
/// A list up to this size is given to the server in one piece.
const WHOLE: usize = 256 * 1024;

/// Runs the application for a request. `None`: there is none for it.
pub fn answer(py: Python<'_>, call: Call) -> PyResult<Option<*mut raw::Body>> {
    let Some(Prepared { application, environ, request, start_response }) = prepare(py, call)?
    else {
        return Ok(None);
    };
    match run(py, application, call, (environ, &request, start_response)) {
        // The body ends the request in its `close`.
        Ok(Outcome::Body(body)) => Ok(Some(body)),
        Ok(Outcome::Complete(body)) => {
            request.get().end();
            Ok(Some(body))
        }
        Err(error) => {
            request.get().end();
            Err(error)
        }
    }
}

enum Outcome {
    /// One of this plugin's, which is pulled.
    Body(*mut raw::Body),
    /// The host has everything.
    Complete(*mut raw::Body),
}

fn run(
    py: Python<'_>,
    application: &'static Application,
    call: Call,
    (environ, request, start_response): (Bound<'_, PyDict>, &Bound<'_, Request>, Bound<'_, PyAny>),
) -> PyResult<Outcome> {
    let callable = application.callable.bind_borrowed(py);
    let result = call2(callable, environ.as_any(), &start_response)?;
    // Whatever the application has kept of them is its own.
    drop((environ, start_response));
    let outcome = deliver(py, application, call, request, &result);
    if outcome.is_err() {
        close(&result)?;
    }
    outcome
}

/// Gives the result to the server.
fn deliver<'py>(
    py: Python<'py>,
    application: &'static Application,
    call: Call,
    request: &Bound<'py, Request>,
    result: &Bound<'py, PyAny>,
) -> PyResult<Outcome> {
    let state = request.get().state();
    let is_first = state.written.is_empty();
    let has_head = state.has_head;
    drop(state);
    // What most applications return comes first: a list with one bytestring.
    if is_first
        && has_head
        && let Ok(list) = result.cast_exact::<PyList>()
        && list.len() == 1
        && let Ok(bytes) = list.get_item(0)?.cast_exact::<PyBytes>()
    {
        return Ok(Outcome::Complete(body_of(call, bytes)));
    }
    if let Some(bytes) = as_bytes(application, call.id(), result)? {
        let list = PyList::new(py, [bytes])?;
        return deliver(py, application, call, request, list.as_any());
    }
    if is_first && has_head {
        if let Some(body) = whole(application, call, result)? {
            return Ok(Outcome::Complete(body));
        }
        if let Ok(wrapper) = result.cast::<FileWrapper>()
            && let Some(body) = send_file(py, call, request, wrapper.get())
        {
            close(result)?;
            return Ok(Outcome::Complete(body));
        }
    }
    let iterator = result.try_iter().map_err(|_| {
        let kind = result.get_type();
        PyTypeError::new_err(format!("the application returned {kind}, which cannot be iterated"))
    })?;
    let mut source = Source::new(application, request, iterator.into_any(), result);
    if is_first {
        let first = source.first(py)?;
        let state = request.get().state();
        let (has_head, length) = (state.has_head, state.content_length);
        drop(state);
        let first_length = first.as_ref().map(|first| first.as_bytes().len() as u64);
        if has_head && first_length.is_some_and(|first| length == Some(first)) {
            let body = first.map(|first| body_of(call, &first));
            source.close(py)?;
            return Ok(Outcome::Complete(body.unwrap_or(std::ptr::null_mut())));
        }
        if !has_head && first_length.is_none_or(|length| length > 0) {
            source.close(py)?;
            return Err(no_head());
        }
        source.keep_first(first);
    }
    Ok(Outcome::Body(Body::into_raw(source)))
}

pub fn no_head() -> PyErr {
    PyAssertionError::new_err("the application gave a body and did not call start_response before")
}

/// The bytes of one object: few are copied, which takes less than keeping the object.
fn body_of(call: Call, bytes: &Bound<'_, PyBytes>) -> *mut raw::Body {
    match bytes.as_bytes() {
        few if few.len() <= FEW => call.body_of_bytes(few),
        _ => call.body_of_object(bytes),
    }
}

/// A list or a tuple of bytes, which has no `close`.
fn whole(
    application: &Application,
    call: Call,
    result: &Bound<'_, PyAny>,
) -> PyResult<Option<*mut raw::Body>> {
    let parts: Vec<Bound<'_, PyAny>> = if let Ok(list) = result.cast_exact::<PyList>() {
        list.iter().collect()
    } else if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        tuple.iter().collect()
    } else {
        return Ok(None);
    };
    let mut body = Vec::new();
    for part in &parts {
        let part = part_of(application, call.id(), part)?;
        body.extend_from_slice(part.as_bytes());
        if body.len() > WHOLE {
            return Ok(None);
        }
    }
    Ok(Some(call.body_of_bytes(&body)))
}

/// `return "text"` and `return b"bytes"`: each would be iterated letter by letter.
fn as_bytes<'py>(
    application: &Application,
    request: u64,
    result: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    if let Ok(text) = result.cast::<PyString>() {
        application.warn_of_text(request, "the application returns a str");
        return Ok(Some(text.encode_utf8()?));
    }
    if let Ok(bytes) = result.cast::<PyBytes>() {
        application
            .warn_of_text(request, "the application returns bytes instead of a list of them,");
        return Ok(Some(bytes.clone()));
    }
    Ok(None)
}

/// A part of the body; text in it is encoded, and said once.
pub fn part_of<'py>(
    application: &Application,
    request: u64,
    part: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = part.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    if let Ok(text) = part.cast::<PyString>() {
        application.warn_of_text(request, "the application yields a str");
        return text.encode_utf8();
    }
    let kind = part.get_type();
    Err(PyTypeError::new_err(format!("the application yields {kind} where bytes belong")))
}

fn send_file(
    py: Python<'_>,
    call: Call,
    request: &Bound<'_, Request>,
    wrapper: &FileWrapper,
) -> Option<*mut raw::Body> {
    let (file, offset) = wrapper.descriptor(py)?;
    let rest = std::fs::File::from(file.try_clone().ok()?).metadata().ok()?.len();
    let rest = rest.checked_sub(u64::try_from(offset).ok()?)?;
    // A part of the file, if the application says how much of it.
    let length = request.get().state().content_length.map_or(rest, |length| length.min(rest));
    let body = call.body_of_file(file, offset, i64::try_from(length).ok()?);
    (!body.is_null()).then_some(body)
}

/// `close()` of what the application returned, if it has one.
pub fn close(result: &Bound<'_, PyAny>) -> PyResult<()> {
    match result.getattr_opt(intern!(result.py(), "close"))? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}
