//! One request, as a plugin sees it.
//!
//! `unsafe`: reads the host's `csgi_env`, which does not change until the request's end, and calls
//! the host functions that belong to a running request.

use std::borrow::Cow;
use std::ffi::CString;
use std::io;

use crate::host::{Host, Level, Timer, Waker, bytes};
use crate::raw;

/// What reading the request body gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The body is complete.
    End,
    /// Nothing has arrived yet; `next` is called when something has. Only with `stream_input`.
    Pending,
}

/// Why a head was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// Something in it is not allowed, or no plugin may set it.
    Refused,
    /// Bytes of the body exist already.
    Late,
}

impl std::error::Error for StartError {}

impl std::fmt::Display for StartError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "the server refuses this response head",
            Self::Late => "the response has begun already",
        })
    }
}

/// The request. Texts are bytes: HTTP does not promise UTF-8.
#[derive(Debug)]
pub struct Env {
    raw: *const raw::Env,
    start: raw::StartResponse,
}

impl Env {
    /// # Safety
    /// `raw` and `start` came from the host in one call of `application`, and the `Env` is used on
    /// this thread, inside calls of that request, only.
    pub(crate) unsafe fn new(raw: *const raw::Env, start: raw::StartResponse) -> Self {
        Self { raw, start }
    }

    fn raw(&self) -> &raw::Env {
        // SAFETY: by the contract of `new` the request lives, and csgi.h says that the host does not
        // change it.
        unsafe { &*self.raw }
    }

    pub(crate) fn host(&self) -> Host {
        // SAFETY: the table that the host put into this request.
        unsafe { Host::new(self.raw().host) }
    }

    /// `GET`, for instance.
    pub fn method(&self) -> &[u8] {
        bytes(&self.raw().method)
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &[u8] {
        bytes(&self.raw().scheme)
    }

    /// The host the client asked for, as in the Host field.
    pub fn authority(&self) -> &[u8] {
        bytes(&self.raw().authority)
    }

    /// Where the plugin is served: WSGI's SCRIPT_NAME.
    pub fn mount(&self) -> &[u8] {
        bytes(&self.raw().mount)
    }

    /// What follows the mount, as sent: WSGI's PATH_INFO before decoding.
    pub fn path(&self) -> &[u8] {
        bytes(&self.raw().path)
    }

    /// Without the question mark.
    pub fn query(&self) -> &[u8] {
        bytes(&self.raw().query)
    }

    /// The whole request target.
    pub fn target(&self) -> &[u8] {
        bytes(&self.raw().target)
    }

    /// The client's address and port.
    pub fn remote(&self) -> &[u8] {
        bytes(&self.raw().remote)
    }

    /// The server's address and port.
    pub fn local(&self) -> &[u8] {
        bytes(&self.raw().local)
    }

    /// 10, 11, 20 or 30.
    pub fn http_version(&self) -> u16 {
        self.raw().http_version
    }

    /// The number of this request, never used again in the process.
    pub fn id(&self) -> u64 {
        self.raw().id
    }

    /// The header fields in order of arrival, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(self.raw().headers, self.raw().header_count)
    }

    /// The first header field of that name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// What the route rule captured: its named groups.
    pub fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let raw = self.raw();
        let has = raw.size as usize >= size_of::<raw::Env>();
        pairs(raw.variables, if has { raw.variable_count } else { 0 })
    }

    /// One named group of the route rule.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        self.variables().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// The length of the request body in bytes, if it is known.
    pub fn content_length(&self) -> Option<u64> {
        u64::try_from(self.raw().content_length).ok()
    }

    /// Status 101 is allowed here.
    pub fn may_upgrade(&self) -> bool {
        self.raw().flags & raw::ENV_UPGRADE != 0
    }

    /// A variable of CGI or WSGI by its name, such as `PATH_INFO` or `HTTP_USER_AGENT`, as
    /// `csgi_get` gives it in C; also the named groups of the route rule.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        Some(match name {
            "REQUEST_METHOD" | "Method" => self.method(),
            "SCRIPT_NAME" => self.mount(),
            "PATH_INFO" => self.path(),
            "QUERY_STRING" => self.query(),
            "REQUEST_URI" => self.target(),
            "wsgi.url_scheme" => self.scheme(),
            "CONTENT_TYPE" => self.header("content-type")?,
            "CONTENT_LENGTH" => self.header("content-length")?,
            "SERVER_NAME" => halves(self.local()).0,
            "SERVER_PORT" => halves(self.local()).1,
            "REMOTE_ADDR" => halves(self.remote()).0,
            "REMOTE_PORT" => halves(self.remote()).1,
            "SERVER_PROTOCOL" => match self.http_version() {
                10 => b"HTTP/1.0",
                11 => b"HTTP/1.1",
                20 => b"HTTP/2",
                _ => b"HTTP/3",
            },
            "HTTP_HOST" => self.authority(),
            // A client could set a program's proxy with it (httpoxy).
            "HTTP_PROXY" => return None,
            _ => match name.strip_prefix("HTTP_") {
                Some(name) => self.field_by_variable(name)?,
                None => self.variable(name)?,
            },
        })
    }

    /// `USER_AGENT` is `user-agent`; a field with `_` in its name cannot stand for one with `-`.
    fn field_by_variable(&self, variable: &str) -> Option<&[u8]> {
        let name = variable.to_ascii_lowercase().replace('_', "-");
        self.headers().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }

    /// This plugin's part of the server's configuration.
    pub fn config(&self) -> &[u8] {
        bytes(&self.raw_host().config)
    }

    fn raw_host(&self) -> &raw::Host {
        // SAFETY: the host's table lives longer than the request.
        unsafe { &*self.raw().host }
    }

    /// Reads from the request body.
    ///
    /// # Errors
    /// The body is broken or the client has gone.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<Input> {
        if buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "there is no room to read into",
            ));
        }
        let read = self.raw_host().read;
        // SAFETY: the buffer can be written for its length, and we are inside a call of this request.
        let result = unsafe { read(self.raw, buffer.as_mut_ptr().cast(), buffer.len()) };
        match result {
            1.. => Ok(Input::Bytes((result as usize).min(buffer.len()))),
            result if result == i64::from(raw::END) => Ok(Input::End),
            result if result == i64::from(raw::PENDING) => Ok(Input::Pending),
            _ => Err(io::Error::other("the request body cannot be read")),
        }
    }

    /// The request body as a [`Read`](io::Read). With `stream_input`, `WouldBlock` stands for
    /// [`Input::Pending`].
    pub fn body(&self) -> Body<'_> {
        Body { env: self }
    }

    /// Gives the head of the response: a final one, or an interim one such as
    /// `103 Early Hints`. May be called again until body bytes exist; the last one counts. A
    /// [`Response`](crate::Response) with a head does this by itself.
    ///
    /// # Errors
    /// See [`StartError`]; what was given before stays.
    pub fn start_response(&self, status: &str, headers: &[(&str, &str)]) -> Result<(), StartError> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect();
        let status = CString::new(status).map_err(|_| StartError::Refused)?;
        self.start_raw(&status, &headers)
    }

    pub(crate) fn start_raw(
        &self,
        status: &std::ffi::CStr,
        headers: &[raw::Header],
    ) -> Result<(), StartError> {
        // SAFETY: the status is NUL-terminated, the fields point at living bytes, and the host
        // copies both; we are inside a call of this request.
        match unsafe { (self.start)(self.raw, status.as_ptr(), headers.as_ptr(), headers.len()) } {
            raw::OK => Ok(()),
            raw::LATE => Err(StartError::Late),
            _ => Err(StartError::Refused),
        }
    }

    /// Hands `body` to the host as the body of this response. `None`: it made one already.
    pub(crate) fn host_bytes(&self, body: Cow<'static, [u8]>) -> *mut raw::Body {
        let host_bytes = self.raw_host().bytes;
        // The vector itself is the argument of `release`, so that its bytes need not be copied.
        let owner = Box::new(body);
        let (pointer, length) = (owner.as_ptr(), owner.len());
        let owner = Box::into_raw(owner);
        // SAFETY: the bytes stay where they are until `release` drops their owner, which the host
        // calls exactly once, whatever the outcome.
        unsafe { host_bytes(self.raw, pointer.cast(), length, Some(drop_bytes), owner.cast()) }
    }

    pub(crate) fn host_file(
        &self,
        file: std::fs::File,
        offset: u64,
        length: Option<u64>,
    ) -> *mut raw::Body {
        use std::os::fd::IntoRawFd;
        let host_file = self.raw_host().file;
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let length = length.map_or(-1, |length| i64::try_from(length).unwrap_or(i64::MAX));
        // SAFETY: the descriptor is given away, as csgi.h says, also on failure.
        unsafe { host_file(self.raw, file.into_raw_fd(), offset, length) }
    }

    /// Writes a line about this request to the server's log.
    pub fn log(&self, level: Level, line: &str) {
        self.host().log_for(self.id(), level, line);
    }

    /// For waking this request from anywhere.
    pub fn waker(&self) -> Waker {
        self.host().waker(self.id())
    }

    /// For waking this request later; `None` if the host has no timers.
    pub fn timer(&self) -> Option<Timer> {
        self.host().timer(self.id())
    }

    /// Has the host an extension of that id?
    pub fn has_extension(&self, id: &str) -> bool {
        let Ok(id) = CString::new(id) else { return false };
        let extension = self.raw_host().extension;
        // SAFETY: the id is NUL-terminated, and the table is not used.
        let table = unsafe { extension(self.raw().host, id.as_ptr()) };
        !table.is_null()
    }
}

/// Drops what `host_bytes` lent.
unsafe extern "C-unwind" fn drop_bytes(owner: *mut core::ffi::c_void) {
    // SAFETY: `host_bytes` made this pointer from such a box, and the host calls this once.
    drop(unsafe { Box::from_raw(owner.cast::<Cow<'static, [u8]>>()) });
}

pub(crate) fn field(name: &[u8], value: &[u8]) -> raw::Header {
    let text = |bytes: &[u8]| raw::Str { ptr: bytes.as_ptr().cast(), len: bytes.len() };
    raw::Header { name: text(name), value: text(value) }
}

fn pairs<'e>(
    first: *const raw::Header,
    count: usize,
) -> impl Iterator<Item = (&'e [u8], &'e [u8])> {
    let fields = match count {
        0 => &[][..],
        // SAFETY: csgi.h: `count` of them, which live and do not change as long as the request.
        _ => unsafe { core::slice::from_raw_parts(first, count) },
    };
    fields.iter().map(|field| (bytes(&field.name), bytes(&field.value)))
}

/// `[::1]:80` is `::1` and `80`.
fn halves(address: &[u8]) -> (&[u8], &[u8]) {
    let colon = address.iter().rposition(|byte| *byte == b':');
    let Some(colon) = colon else { return (address, &[]) };
    let host = &address[..colon];
    let inner = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    (inner.unwrap_or(host), &address[colon + 1..])
}

/// See [`Env::body`].
#[derive(Debug)]
pub struct Body<'e> {
    env: &'e Env,
}

impl io::Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.env.read(buffer)? {
            Input::Bytes(count) => Ok(count),
            Input::End => Ok(0),
            Input::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
