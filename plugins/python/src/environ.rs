//! `environ` of PEP 3333: a copy of a template, and what this request brings.
//!
//! The template is a dictionary of the thread's, in which stands what the last request said. Most of
//! what the next one says is the same: only what differs is set anew, and the copy has it all.

use std::borrow::Cow;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::errors::Errors;
use crate::host::{Call, Host};
use crate::names::Names;
use crate::objects::latin1;
use crate::park;
use crate::wrapper::FileWrapper;

/// What is the same for every request of an application; the keys of the rest are there too, so that
/// a copy has room for them.
pub fn base(py: Python<'_>, host: Host, file: &str) -> PyResult<Py<PyDict>> {
    let environ = PyDict::new(py);
    let (processes, threads) = host.process();
    environ.set_item("wsgi.version", PyTuple::new(py, [1, 0])?)?;
    environ.set_item("wsgi.multithread", threads > 1)?;
    environ.set_item("wsgi.multiprocess", processes > 1)?;
    environ.set_item("wsgi.run_once", false)?;
    environ.set_item("wsgi.input_terminated", true)?;
    environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    environ.set_item("wsgi.errors", Bound::new(py, Errors::new(host))?)?;
    environ.set_item("GATEWAY_INTERFACE", "CGI/1.1")?;
    environ.set_item("SERVER_SOFTWARE", concat!("tenon/", env!("CARGO_PKG_VERSION")))?;
    environ.set_item("SCRIPT_FILENAME", file)?;
    park::add_to(py, &environ, host)?;
    let names = Names::of(py);
    for name in [
        &names.url_scheme,
        &names.request_method,
        &names.script_name,
        &names.path_info,
        &names.query_string,
        &names.request_uri,
        &names.server_name,
        &names.server_port,
        &names.server_protocol,
        &names.remote_addr,
        &names.remote_port,
        &names.http_host,
        &names.method,
        &names.input,
        &names.request_id,
    ] {
        environ.set_item(name, &names.empty)?;
    }
    Ok(environ.unbind())
}

/// What the last request said.
#[derive(Default)]
struct Last {
    method: Vec<u8>,
    scheme: Vec<u8>,
    authority: Vec<u8>,
    mount: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    target: Vec<u8>,
    local: Vec<u8>,
    remote: Vec<u8>,
    remote_address: Vec<u8>,
    http_version: u16,
}

/// Of one application and one thread.
pub struct Template {
    environ: Py<PyDict>,
    last: Last,
}

impl Template {
    /// `base` is the application's.
    pub fn new(base: &Bound<'_, PyDict>) -> PyResult<Self> {
        Ok(Self { environ: base.copy()?.unbind(), last: Last::default() })
    }

    /// Has this object be the input of every request from now on, and stand for it.
    pub fn set_request(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> PyResult<()> {
        let (environ, names) = (self.environ.bind(py), Names::of(py));
        environ.set_item(&names.input, request)?;
        environ.set_item(&names.request_id, request)
    }

    /// The dictionary of one request.
    pub fn build<'py>(&mut self, py: Python<'py>, call: &Call) -> PyResult<Bound<'py, PyDict>> {
        let names = Names::of(py);
        self.follow(py, names, call)?;
        let environ = self.environ.bind(py).copy()?;
        if call.authority().is_empty() {
            environ.del_item(&names.http_host)?;
        }
        set_fields(&environ, call)?;
        Ok(environ)
    }

    /// Sets what this request says and the last one did not.
    fn follow(&mut self, py: Python<'_>, names: &Names, call: &Call) -> PyResult<()> {
        let (environ, last) = (self.environ.bind(py), &mut self.last);
        let set = |name: &Py<PyString>, value: &[u8]| environ.set_item(name, latin1(py, value)?);
        renew(&mut last.method, call.method(), |value| {
            let method = method(py, names, value)?;
            environ.set_item(&names.request_method, &method)?;
            // As the course has it.
            environ.set_item(&names.method, &method)
        })?;
        renew(&mut last.scheme, call.scheme(), |value| set(&names.url_scheme, value))?;
        renew(&mut last.authority, call.authority(), |value| set(&names.http_host, value))?;
        renew(&mut last.mount, call.mount(), |value| set(&names.script_name, &decoded(value)))?;
        renew(&mut last.path, call.path(), |value| set(&names.path_info, &decoded(value)))?;
        renew(&mut last.query, call.query(), |value| set(&names.query_string, value))?;
        renew(&mut last.target, call.target(), |value| set(&names.request_uri, value))?;
        renew(&mut last.local, call.local(), |value| {
            let (name, port) = halves(value);
            set(&names.server_name, name)?;
            set(&names.server_port, port)
        })?;
        let address = &mut last.remote_address;
        renew(&mut last.remote, call.remote(), |value| {
            let (host, port) = halves(value);
            renew(address, host, |host| set(&names.remote_addr, host))?;
            set(&names.remote_port, port)
        })?;
        if last.http_version != call.http_version() {
            let protocol = match call.http_version() {
                10 => &names.http10,
                11 => &names.http11,
                20 => &names.http2,
                _ => &names.http3,
            };
            environ.set_item(&names.server_protocol, protocol)?;
            last.http_version = call.http_version();
        }
        Ok(())
    }
}

/// Calls `set` with what is said now, unless it was said before.
fn renew(
    before: &mut Vec<u8>,
    now: &[u8],
    set: impl FnOnce(&[u8]) -> PyResult<()>,
) -> PyResult<()> {
    if before != now {
        set(now)?;
        before.clear();
        before.extend_from_slice(now);
    }
    Ok(())
}

fn method<'py>(py: Python<'py>, names: &Names, method: &[u8]) -> PyResult<Bound<'py, PyString>> {
    Ok(match method {
        b"GET" => names.get.bind(py).clone(),
        b"POST" => names.post.bind(py).clone(),
        b"HEAD" => names.head.bind(py).clone(),
        other => latin1(py, other)?,
    })
}

/// Header fields. One with `_` in its name could pass for another (`X_Forwarded_For`), and Proxy
/// would set a program's proxy (httpoxy): no application sees them.
fn set_fields(environ: &Bound<'_, PyDict>, call: &Call) -> PyResult<()> {
    let py = environ.py();
    let names = Names::of(py);
    for (field, value) in call.headers() {
        let name = match field {
            // From the authority, which is right for absolute targets too.
            b"host" | b"proxy" => continue,
            b"content-type" => names.content_type.bind(py).clone(),
            b"content-length" => names.content_length.bind(py).clone(),
            field if memchr::memchr(b'_', field).is_some() => continue,
            field => names.field(py, field),
        };
        let value = latin1(py, value)?;
        match environ.get_item(&name)? {
            None => environ.set_item(name, value)?,
            // The first one counts; they say the same, or the server had refused them.
            Some(_) if field.starts_with(b"content-") => {}
            Some(before) => {
                let between = if field == b"cookie" { "; " } else { "," };
                let before = before.cast_into::<PyString>()?;
                let joined = format!("{}{between}{}", before.to_cow()?, value.to_cow()?);
                environ.set_item(name, joined)?;
            }
        }
    }
    Ok(())
}

/// Percent-encoded bytes decoded; what is no code stays as it is.
fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', path) else { return path.into() };
    let mut decoded = path[..first].to_vec();
    let mut rest = &path[first..];
    while let Some((&byte, after)) = rest.split_first() {
        let code = match (byte, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match code {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded.into()
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// `127.0.0.1:80` is `127.0.0.1` and `80`; `[::1]:80` is `::1` and `80`.
fn halves(address: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memrchr(b':', address) else { return (address, b"") };
    let host = &address[..colon];
    let inner = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    (inner.unwrap_or(host), &address[colon + 1..])
}
