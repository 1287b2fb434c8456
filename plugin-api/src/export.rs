//! What the attributes expand to: the functions that the host calls. Not for plugin authors.
//!
//! `unsafe`: turns the host's pointers into safe types and the plugin's body into a pointer and
//! back. No panic passes: it ends one request.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::body::{BodyStream, Next};
use crate::env::{Env, field};
use crate::host::{Host, Level};
use crate::raw;
use crate::response::{IntoResponse, Payload, Response};

/// The manifest of a plugin; longer names are cut.
pub const fn manifest(name: &str, version: &str, flags: u32) -> raw::Manifest {
    raw::Manifest {
        magic: raw::MAGIC,
        abi_major: raw::ABI_MAJOR,
        abi_minor: raw::ABI_MINOR,
        need_minor: 0,
        size: size_of::<raw::Manifest>() as u16,
        flags,
        name: fixed(name),
        version: fixed(version),
    }
}

const fn fixed<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let text = text.as_bytes();
    let mut index = 0;
    // One byte stays zero, for readers that look for the end.
    while index < text.len() && index + 1 < LENGTH {
        bytes[index] = text[index];
        index += 1;
    }
    bytes
}

/// The export `application`.
///
/// # Safety
/// Called by a host, as csgi.h says.
pub unsafe fn application<R: IntoResponse>(
    env: *const raw::Env,
    start: raw::StartResponse,
    f: fn(&Env) -> R,
) -> *mut raw::Body {
    // SAFETY: both come from the host in this very call.
    let view = unsafe { Env::new(env, start) };
    let result = catch_unwind(AssertUnwindSafe(|| {
        f(&view).into_response().and_then(|response| send(&view, env, start, response))
    }));
    match result {
        Ok(Ok(body)) => body,
        Ok(Err(reason)) => fail(&view, &reason),
        Err(panic) => fail(&view, &panic_text(&*panic)),
    }
}

fn fail(env: &Env, reason: &str) -> *mut raw::Body {
    env.log(Level::Error, reason);
    core::ptr::null_mut()
}

/// Gives the head, and makes the body.
fn send(
    view: &Env,
    env: *const raw::Env,
    start: raw::StartResponse,
    response: Response,
) -> Result<*mut raw::Body, String> {
    if let Some(status) = response.status_text() {
        let headers: Vec<_> = response
            .headers
            .iter()
            .map(|(name, value)| field(name.as_bytes(), value.as_bytes()))
            .collect();
        view.start_raw(&status, &headers)
            .map_err(|error| format!("{error}: {status:?}, {:?}", response.headers))?;
    }
    let body = match response.payload {
        Payload::Bytes(bytes) => view.host_bytes(bytes),
        Payload::File { file, offset, length } => view.host_file(file, offset, length),
        Payload::Stream(stream) => return Ok(StreamBody::into_raw(stream, env, start)),
    };
    if body.is_null() {
        return Err("the server does not take this body; a file must be a regular one".to_owned());
    }
    Ok(body)
}

/// A stream as the host sees it.
#[repr(C)]
struct StreamBody {
    /// First: the host knows only this.
    body: raw::Body,
    stream: Box<dyn BodyStream>,
    env: *const raw::Env,
    start: raw::StartResponse,
    /// What `next` gave last: it must stay until the next call.
    part: std::borrow::Cow<'static, [u8]>,
}

impl StreamBody {
    fn into_raw(
        stream: Box<dyn BodyStream>,
        env: *const raw::Env,
        start: raw::StartResponse,
    ) -> *mut raw::Body {
        let size = size_of::<raw::Body>() as u32;
        let body = raw::Body { size, reserved: 0, next: Some(next), close: Some(close) };
        Box::into_raw(Box::new(Self { body, stream, env, start, part: (&[][..]).into() })).cast()
    }

    fn advance(&mut self) -> Result<i32, String> {
        // SAFETY: the host calls `next` of this body inside a call of its request, which lives
        // until `close` has returned.
        let env = unsafe { Env::new(self.env, self.start) };
        let stream = &mut self.stream;
        let next = catch_unwind(AssertUnwindSafe(|| stream.next(&env)));
        match next.map_err(|panic| panic_text(&*panic))? {
            Next::Part(part) => {
                self.part = part;
                Ok(1)
            }
            Next::Pending => Ok(raw::PENDING),
            Next::End => Ok(raw::END),
            Next::Error(reason) => Err(reason),
        }
    }
}

/// # Safety
/// Called by the host with a body that `into_raw` made and room for `cap` parts.
unsafe extern "C-unwind" fn next(body: *mut raw::Body, parts: *mut raw::Str, cap: i32) -> i32 {
    // SAFETY: the body is the first field of a `StreamBody`, and the host makes one call at a time.
    let this = unsafe { &mut *body.cast::<StreamBody>() };
    if cap < 1 {
        return raw::ERROR;
    }
    match this.advance() {
        Ok(1) => {
            let part = raw::Str { ptr: this.part.as_ptr().cast(), len: this.part.len() };
            // SAFETY: the host has room for `cap` parts, and that is at least one.
            unsafe { parts.write(part) };
            1
        }
        Ok(result) => result,
        Err(reason) => {
            // SAFETY: as in `advance`.
            let env = unsafe { Env::new(this.env, this.start) };
            env.log(Level::Error, &reason);
            raw::ERROR
        }
    }
}

/// # Safety
/// Called by the host once, with a body that `into_raw` made.
unsafe extern "C-unwind" fn close(body: *mut raw::Body) {
    // SAFETY: `into_raw` made it from such a box, and the host gives it back here.
    let this = unsafe { Box::from_raw(body.cast::<StreamBody>()) };
    // A destructor that panics must not unwind into the host; there is nobody to tell any more.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(this)));
}

/// What `csgi_init` may return.
pub trait IntoInit {
    /// # Errors
    /// Why the plugin cannot be served.
    fn into_init(self) -> Result<(), String>;
}

impl IntoInit for () {
    fn into_init(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> IntoInit for Result<(), E> {
    fn into_init(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// The export `csgi_init`.
///
/// # Safety
/// Called by a host, as csgi.h says.
pub unsafe fn init<R: IntoInit>(host: *const raw::Host, f: fn(&Host) -> R) -> i32 {
    // SAFETY: the table that the host gives this plugin.
    let host = unsafe { Host::new(host) };
    let result = catch_unwind(AssertUnwindSafe(|| f(&host).into_init()));
    match result.unwrap_or_else(|panic| Err(panic_text(&*panic))) {
        Ok(()) => raw::OK,
        Err(reason) => {
            host.log(Level::Error, &reason);
            raw::ERROR
        }
    }
}

/// The export `csgi_exit`.
pub fn exit(f: fn()) {
    // The process ends; the standard panic message has been printed.
    let _ = catch_unwind(f);
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the plugin panicked: {}", text.unwrap_or("without a message"))
}
