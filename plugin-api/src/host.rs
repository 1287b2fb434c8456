//! What a plugin may ask of its host at any time and from any thread.
//!
//! `unsafe`: calls through the host's table, which lives until `csgi_exit` has returned.

use core::ffi::CStr;
use std::time::Duration;

use crate::raw;

/// How important a line of log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    fn code(self) -> i32 {
        match self {
            Self::Error => raw::LOG_ERROR,
            Self::Warn => raw::LOG_WARN,
            Self::Info => raw::LOG_INFO,
            Self::Debug => raw::LOG_DEBUG,
        }
    }
}

/// The server, as this plugin sees it.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    table: *const raw::Host,
}

// SAFETY: the table does not change and may be used from any thread (csgi.h, [any]).
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    /// `table` is the one the host gave this plugin, and it is used until `csgi_exit` has returned
    /// at the latest.
    pub(crate) unsafe fn new(table: *const raw::Host) -> Self {
        Self { table }
    }

    pub(crate) fn raw(&self) -> &raw::Host {
        // SAFETY: by the contract of `new` the table is there and does not change.
        unsafe { &*self.table }
    }

    /// The name this plugin is served under.
    pub fn name(&self) -> &str {
        str::from_utf8(bytes(&self.raw().name)).unwrap_or_default()
    }

    /// This plugin's part of the server's configuration; Tenon gives JSON, or nothing.
    pub fn config(&self) -> &[u8] {
        bytes(&self.raw().config)
    }

    /// Writes a line to the server's log; line breaks in it are shown escaped.
    pub fn log(&self, level: Level, line: &str) {
        self.log_for(0, level, line);
    }

    pub(crate) fn log_for(&self, request: u64, level: Level, line: &str) {
        let log = self.raw().log;
        // SAFETY: the arguments are as csgi.h says; `log` copies the line.
        unsafe { log(self.table, request, level.code(), line.as_ptr().cast(), line.len()) };
    }

    pub(crate) fn waker(self, request: u64) -> Waker {
        Waker { host: self, request }
    }

    pub(crate) fn timer(self, request: u64) -> Option<Timer> {
        let table = self.extension(c"csgi.timer/1")?.cast::<raw::Timer1>();
        // SAFETY: csgi.h says that this id stands for such a table, which lives as the host's does.
        let wake_after = unsafe { (*table).wake_after };
        Some(Timer { host: self, request, wake_after })
    }

    fn extension(&self, id: &CStr) -> Option<*const core::ffi::c_void> {
        let extension = self.raw().extension;
        // SAFETY: the id is NUL-terminated.
        let table = unsafe { extension(self.table, id.as_ptr()) };
        (!table.is_null()).then_some(table)
    }
}

/// A text of the host's.
pub(crate) fn bytes(text: &raw::Str) -> &[u8] {
    if text.ptr.is_null() || text.len == 0 {
        return &[];
    }
    // SAFETY: csgi.h: `len` bytes, unchanged as long as what the text was reached from.
    unsafe { core::slice::from_raw_parts(text.ptr.cast(), text.len) }
}

/// Makes the server call [`BodyStream::next`](crate::BodyStream::next) again after `Pending`. May be
/// kept, cloned and used from any thread; after the request's end it does nothing.
#[derive(Clone, Debug)]
pub struct Waker {
    host: Host,
    request: u64,
}

impl Waker {
    /// A wake that comes before `Pending` is returned is not lost; several may become one. Whoever wakes
    /// its own stream from `next` is asked again when others have had their turn.
    pub fn wake(&self) {
        let wake = self.host.raw().wake;
        // SAFETY: any id is allowed, also that of a request that has ended.
        unsafe { wake(self.host.table, self.request) };
    }
}

/// Wakes a request later, without a thread of the plugin's.
#[derive(Clone, Debug)]
pub struct Timer {
    host: Host,
    request: u64,
    wake_after: unsafe extern "C" fn(*const raw::Host, u64, u32),
}

impl Timer {
    /// As [`Waker::wake`], once, after `delay` (at most 49 days).
    pub fn wake_after(&self, delay: Duration) {
        let milliseconds = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: any id and any time are allowed.
        unsafe { (self.wake_after)(self.host.table, self.request, milliseconds) };
    }
}
