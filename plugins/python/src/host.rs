//! What the server gives: one request, and the functions of its table.
//!
//! `unsafe`: reads the host's structures and calls its functions, as csgi.h says.

use std::ffi::{CStr, c_void};
use std::os::fd::{IntoRawFd, OwnedFd};

use csgi::raw;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use smallvec::SmallVec;

/// The server as one application sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Host(*const raw::Host);

// SAFETY: the table does not change and may be used from any thread (csgi.h, [any]).
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    /// `table` is a host's table, and is used until `csgi_exit` has returned at the latest.
    pub unsafe fn new(table: *const raw::Host) -> Self {
        Self(table)
    }

    fn table(&self) -> &raw::Host {
        // SAFETY: by the contract of `new` the table is there and does not change.
        unsafe { &*self.0 }
    }

    pub fn name(&self) -> String {
        String::from_utf8_lossy(bytes(&self.table().name)).into_owned()
    }

    pub fn config(&self) -> &[u8] {
        bytes(&self.table().config)
    }

    /// A line, or several, about a request; 0 for none.
    pub fn log(&self, request: u64, level: i32, text: &str) {
        let log = self.table().log;
        // SAFETY: the arguments are as csgi.h says; the text is copied.
        unsafe { log(self.0, request, level, text.as_ptr().cast(), text.len()) };
    }

    pub fn wake(&self, request: u64) {
        let wake = self.table().wake;
        // SAFETY: any id is allowed.
        unsafe { wake(self.0, request) };
    }

    pub fn wake_after(&self, request: u64, milliseconds: u32) -> bool {
        let table = self.extension(c"csgi.timer/1").cast::<raw::Timer1>();
        // SAFETY: csgi.h says that this id stands for such a table, or it is null.
        let Some(timer) = (unsafe { table.as_ref() }) else { return false };
        // SAFETY: any id and any time are allowed.
        unsafe { (timer.wake_after)(self.0, request, milliseconds) };
        true
    }

    /// Processes that serve this application, and threads of this one that may be inside it; a
    /// host that does not say so may have several of each.
    pub fn process(&self) -> (u32, u32) {
        let table = self.extension(c"csgi.process/1").cast::<raw::Process1>();
        // SAFETY: as in `wake_after`.
        let process = unsafe { table.as_ref() };
        process.map_or((2, 2), |process| (process.processes, process.threads))
    }

    fn extension(&self, id: &CStr) -> *const c_void {
        let extension = self.table().extension;
        // SAFETY: the id is NUL-terminated.
        unsafe { extension(self.0, id.as_ptr()) }
    }
}

/// What reading input gave.
pub enum Input {
    Bytes(usize),
    End,
    Failed,
}

/// What giving a head gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Taken,
    Refused,
    Late,
}

/// A request of the server's, as long as it lives. The functions of a running request work on the
/// thread that the server has called on, and fail on every other.
#[derive(Clone, Copy)]
pub struct Call {
    env: *const raw::Env,
    start: raw::StartResponse,
}

// SAFETY: the calls of one request may happen on different threads, one after the other; what is
// read of the request does not change.
unsafe impl Send for Call {}

impl Call {
    /// # Safety
    /// Both come from the host in one call of `application`, and it is not used after that request.
    pub unsafe fn new(env: *const raw::Env, start: raw::StartResponse) -> Self {
        Self { env, start }
    }

    fn env(&self) -> &raw::Env {
        // SAFETY: by the contract of `new` the request lives, and csgi.h says it does not change.
        unsafe { &*self.env }
    }

    pub fn id(&self) -> u64 {
        self.env().id
    }

    pub fn host(&self) -> Host {
        Host(self.env().host)
    }

    pub fn method(&self) -> &[u8] {
        bytes(&self.env().method)
    }

    pub fn scheme(&self) -> &[u8] {
        bytes(&self.env().scheme)
    }

    pub fn authority(&self) -> &[u8] {
        bytes(&self.env().authority)
    }

    pub fn mount(&self) -> &[u8] {
        bytes(&self.env().mount)
    }

    pub fn path(&self) -> &[u8] {
        bytes(&self.env().path)
    }

    pub fn query(&self) -> &[u8] {
        bytes(&self.env().query)
    }

    pub fn target(&self) -> &[u8] {
        bytes(&self.env().target)
    }

    pub fn remote(&self) -> &[u8] {
        bytes(&self.env().remote)
    }

    pub fn local(&self) -> &[u8] {
        bytes(&self.env().local)
    }

    pub fn http_version(&self) -> u16 {
        self.env().http_version
    }

    /// -1: not known before the end.
    pub fn content_length(&self) -> i64 {
        self.env().content_length
    }

    /// Header fields in order of arrival, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        pairs(self.env().headers, self.env().header_count)
    }

    pub fn read(&self, buffer: &mut [u8]) -> Input {
        // SAFETY: the host's table lives longer than the request.
        let read = unsafe { (*self.env().host).read };
        // SAFETY: the buffer can be written for its length.
        match unsafe { read(self.env, buffer.as_mut_ptr().cast(), buffer.len()) } {
            count @ 1.. => Input::Bytes((count as usize).min(buffer.len())),
            end if end == i64::from(raw::END) => Input::End,
            _ => Input::Failed,
        }
    }

    pub fn start_response(&self, status: &CStr, headers: &[(&[u8], &[u8])]) -> Start {
        let text = |bytes: &[u8]| raw::Str { ptr: bytes.as_ptr().cast(), len: bytes.len() };
        let pair =
            |(name, value): &(&[u8], &[u8])| raw::Header { name: text(name), value: text(value) };
        let headers: SmallVec<[_; 16]> = headers.iter().map(pair).collect();
        // SAFETY: the texts live during the call, and the host copies them.
        match unsafe { (self.start)(self.env, status.as_ptr(), headers.as_ptr(), headers.len()) } {
            raw::OK => Start::Taken,
            raw::LATE => Start::Late,
            _ => Start::Refused,
        }
    }

    /// A body of these bytes, which are copied. Null: the host does not take it.
    pub fn body_of_bytes(&self, body: &[u8]) -> *mut raw::Body {
        // SAFETY: the host's table lives longer than the request.
        let host_bytes = unsafe { (*self.env().host).bytes };
        // SAFETY: without a release the bytes are copied before the host returns.
        unsafe {
            host_bytes(self.env, body.as_ptr().cast(), body.len(), None, std::ptr::null_mut())
        }
    }

    /// A body of a Python object's bytes, which the host keeps as long as it needs them.
    pub fn body_of_object(&self, object: &Bound<'_, PyBytes>) -> *mut raw::Body {
        // SAFETY: the host's table lives longer than the request.
        let host_bytes = unsafe { (*self.env().host).bytes };
        let bytes = object.as_bytes();
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        let owner = Box::into_raw(Box::new(object.clone().unbind()));
        // SAFETY: the bytes of a living object stay as and where they are; the host calls `release`
        // once, whatever the outcome, and the object lives until then.
        unsafe { host_bytes(self.env, start, length, Some(release), owner.cast()) }
    }

    /// A body of a regular file from `offset` on; `length` -1 is the rest of it.
    pub fn body_of_file(&self, file: OwnedFd, offset: i64, length: i64) -> *mut raw::Body {
        // SAFETY: the host's table lives longer than the request.
        let host_file = unsafe { (*self.env().host).file };
        // SAFETY: the descriptor is given away, as csgi.h says, also on failure.
        unsafe { host_file(self.env, file.into_raw_fd(), offset, length) }
    }
}

/// Gives back what `body_of_object` lent.
unsafe extern "C-unwind" fn release(owner: *mut c_void) {
    // SAFETY: made from such a box, and called once. If this thread is not attached to Python, the
    // object goes when a thread is.
    drop(unsafe { Box::from_raw(owner.cast::<Py<PyBytes>>()) });
}

/// A text of the host's.
pub fn bytes(text: &raw::Str) -> &[u8] {
    if text.ptr.is_null() || text.len == 0 {
        return &[];
    }
    // SAFETY: csgi.h: `len` bytes, unchanged as long as what the text was reached from.
    unsafe { std::slice::from_raw_parts(text.ptr.cast(), text.len) }
}

fn pairs<'e>(
    first: *const raw::Header,
    count: usize,
) -> impl Iterator<Item = (&'e [u8], &'e [u8])> {
    let fields = match count {
        0 => &[][..],
        // SAFETY: csgi.h: `count` of them, which live and do not change as long as the request.
        _ => unsafe { std::slice::from_raw_parts(first, count) },
    };
    fields.iter().map(|field| (bytes(&field.name), bytes(&field.value)))
}
