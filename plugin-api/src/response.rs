//! A response, as a plugin builds it.

use std::borrow::Cow;
use std::ffi::CString;
use std::fmt::Display;
use std::fs::File;

use crate::body::BodyStream;

/// What is sent behind the head.
pub(crate) enum Payload {
    Bytes(Cow<'static, [u8]>),
    File { file: File, offset: u64, length: Option<u64> },
    Stream(Box<dyn BodyStream>),
}

/// Status, header fields and body. Which fields are allowed the server says when it gets them:
/// those of the connection, such as Connection and Transfer-Encoding, are its own.
pub struct Response {
    /// `None`: the stream gives the head itself.
    pub(crate) status: Option<Cow<'static, str>>,
    pub(crate) headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) payload: Payload,
}

impl Response {
    fn new(content_type: &'static str, payload: Payload) -> Self {
        let response = Self { status: Some("200 OK".into()), headers: Vec::new(), payload };
        if content_type.is_empty() {
            response
        } else {
            response.header("content-type", content_type)
        }
    }

    /// Plain text in UTF-8.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new("text/plain; charset=utf-8", Payload::Bytes(into_bytes(text.into())))
    }

    /// An HTML page in UTF-8.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Self {
        Self::new("text/html; charset=utf-8", Payload::Bytes(into_bytes(page.into())))
    }

    /// JSON, encoded already.
    pub fn json(json: impl Into<Cow<'static, str>>) -> Self {
        Self::new("application/json", Payload::Bytes(into_bytes(json.into())))
    }

    /// Any bytes, without a content type; they are not copied if they are many.
    pub fn bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Self::new("", Payload::Bytes(bytes.into()))
    }

    /// A status and no body.
    pub fn empty(status: u16) -> Self {
        Self::bytes(&b""[..]).status(status)
    }

    /// A part of a regular file, sent by the kernel; `length` `None` is the rest of it.
    pub fn file(file: File, offset: u64, length: Option<u64>) -> Self {
        Self::new("", Payload::File { file, offset, length })
    }

    /// A body that is made while it is sent.
    pub fn stream(stream: impl BodyStream + 'static) -> Self {
        Self::new("", Payload::Stream(Box::new(stream)))
    }

    /// A stream that calls [`Env::start_response`](crate::Env::start_response) itself, in
    /// `application` or before its first part.
    pub fn headless(stream: impl BodyStream + 'static) -> Self {
        Self { status: None, ..Self::stream(stream) }
    }

    /// 101: the connection speaks `protocol` from now on. What the stream gives is sent as it is, and
    /// [`Env::read`](crate::Env::read) gives what the client sends. Only if
    /// [`Env::may_upgrade`](crate::Env::may_upgrade).
    pub fn upgrade(protocol: &'static str, stream: impl BodyStream + 'static) -> Self {
        let response =
            Self { status: Some("101 Switching Protocols".into()), ..Self::stream(stream) };
        response.header("upgrade", protocol)
    }

    /// Sets the status by its code.
    pub fn status(mut self, code: u16) -> Self {
        self.status = Some(format!("{code} {}", reason(code)).into());
        self
    }

    /// Sets the status with a reason of one's own: `404 No such cat`.
    pub fn status_line(mut self, line: impl Into<Cow<'static, str>>) -> Self {
        self.status = Some(line.into());
        self
    }

    /// Adds a header field; a name may come several times.
    pub fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn status_text(&self) -> Option<CString> {
        // A NUL in it is the server's to refuse: the text ends there.
        let status = self.status.as_deref()?;
        CString::new(status.split('\0').next().unwrap_or_default()).ok()
    }
}

fn into_bytes(text: Cow<'static, str>) -> Cow<'static, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// The usual reasons (RFC 9110 §15); empty for other codes, which HTTP allows.
fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// What an application may return.
pub trait IntoResponse {
    /// # Errors
    /// Why there is no response, for the log; the client gets 500.
    fn into_response(self) -> Result<Response, String>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response, String> {
        Ok(self)
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Result<Response, String> {
        Ok(Response::text(self))
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Result<Response, String> {
        Ok(Response::text(self))
    }
}

impl<T: IntoResponse, E: Display> IntoResponse for Result<T, E> {
    fn into_response(self) -> Result<Response, String> {
        self.map_err(|error| error.to_string())?.into_response()
    }
}
