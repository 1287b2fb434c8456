//! What a plugin sees of its host: the table of functions that may be called from any thread.
//!
//! The functions that belong to a running request are in `call`. None of these calls the plugin
//! before it returns, so a plugin may hold its locks.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use csgi::raw;

use super::current;
use crate::crash::lines;

/// Who carries out a plugin's wakes: the worker. A trial has none, and wakes go nowhere.
pub trait Alarm: Sync {
    fn wake(&self, request: u64);
    fn wake_after(&self, request: u64, delay: Duration);
}

static ALARM: OnceLock<&'static dyn Alarm> = OnceLock::new();

/// Says who carries out wakes; once in a process.
pub fn set_alarm(alarm: &'static dyn Alarm) {
    // A second worker in one process does not exist; the first one stays.
    let _ = ALARM.set(alarm);
}

/// The host as one plugin sees it; lives as long as the process, as the ABI promises.
#[repr(C)]
pub struct Face {
    /// First, so that a pointer to it is a pointer to the whole.
    table: raw::Host,
    name: String,
    _config: String,
    process: raw::Process1,
    /// The reason a plugin gives before `csgi_init` fails.
    last_line: Mutex<Option<String>>,
}

// SAFETY: the pointers inside `table` point into the strings beside it, which are never changed,
// and to functions; the only field that changes is behind a mutex.
unsafe impl Sync for Face {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Face {}

impl Face {
    /// Never freed: the plugin may keep the pointer until the process ends.
    pub fn new(name: &str, config: &str, process: raw::Process1) -> &'static Self {
        let (name, config) = (name.to_owned(), config.to_owned());
        let table = raw::Host {
            size: size_of::<raw::Host>() as u32,
            abi_major: raw::ABI_MAJOR,
            abi_minor: raw::ABI_MINOR,
            name: text(&name),
            config: text(&config),
            read: current::read,
            bytes: current::bytes,
            file: current::file,
            wake,
            log,
            extension,
        };
        let last_line = Mutex::new(None);
        Box::leak(Box::new(Self { table, name, _config: config, process, last_line }))
    }

    pub fn table(&'static self) -> *const raw::Host {
        (&raw const *self).cast()
    }

    /// The plugin's last line of log, taken.
    pub fn take_last_line(&self) -> Option<String> {
        self.last_line.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }

    /// # Safety
    /// `host` is null or came from `table`.
    unsafe fn from_table(host: *const raw::Host) -> Option<&'static Self> {
        // SAFETY: the caller promises a pointer from `table`, which points at a leaked `Face`.
        unsafe { host.cast::<Self>().as_ref() }
    }
}

/// How much of what a plugin says of a failure is kept.
const COMPLAINT: usize = 16 * 1024;

thread_local! {
    /// The errors that a plugin has logged on this thread, and for which request.
    static COMPLAINTS: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

fn note_complaint(request: u64, message: &str) {
    COMPLAINTS.with_borrow_mut(|(current, text)| {
        if *current != request {
            *current = request;
            text.clear();
        }
        if text.len() + message.len() < COMPLAINT {
            text.push_str(message);
            text.push('\n');
        }
    });
}

/// The errors that a plugin has logged for a request in calls on this thread.
pub fn complaints(request: u64) -> Option<String> {
    COMPLAINTS.with_borrow(|(current, text)| {
        (*current == request && !text.is_empty()).then(|| text.trim_end().to_owned())
    })
}

/// Bytes of ours as the ABI shows them.
pub fn text(bytes: &(impl AsRef<[u8]> + ?Sized)) -> raw::Str {
    let bytes = bytes.as_ref();
    raw::Str { ptr: bytes.as_ptr().cast(), len: bytes.len() }
}

extern "C" fn wake(_host: *const raw::Host, request: u64) {
    if let Some(alarm) = ALARM.get() {
        alarm.wake(request);
    }
}

extern "C" fn wake_after(_host: *const raw::Host, request: u64, milliseconds: u32) {
    if let Some(alarm) = ALARM.get() {
        alarm.wake_after(request, Duration::from_millis(milliseconds.into()));
    }
}

/// # Safety
/// As the ABI says: `host` is the table this plugin was given, `message` holds `len` bytes.
unsafe extern "C" fn log(
    host: *const raw::Host,
    request: u64,
    level: i32,
    message: *const c_char,
    len: usize,
) {
    // SAFETY: the plugin passes on the table that it was given (contract of `log`).
    let Some(face) = (unsafe { Face::from_table(host) }) else { return };
    if message.is_null() {
        return;
    }
    // SAFETY: not null, and `len` bytes are there for the time of this call (contract of `log`).
    let message = unsafe { std::slice::from_raw_parts(message.cast::<u8>(), len) };
    lines::note(request, level, message);
    let message = String::from_utf8_lossy(message);
    let plugin = &face.name;
    match level {
        raw::LOG_ERROR => {
            tracing::error!("plugin {plugin}, request {request:x}: {message}");
            note_complaint(request, &message);
        }
        raw::LOG_WARN => tracing::warn!("plugin {plugin}, request {request:x}: {message}"),
        raw::LOG_DEBUG => tracing::debug!("plugin {plugin}, request {request:x}: {message}"),
        _ => tracing::info!("plugin {plugin}, request {request:x}: {message}"),
    }
    let mut last = face.last_line.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    *last = Some(message.into_owned());
}

static TIMER_1: raw::Timer1 = raw::Timer1 { wake_after };

/// # Safety
/// As the ABI says: `host` is the table this plugin was given, `id` is null or a NUL-terminated
/// string.
unsafe extern "C" fn extension(host: *const raw::Host, id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: not null, and NUL-terminated by the contract of `extension`.
    match unsafe { CStr::from_ptr(id) }.to_bytes() {
        b"csgi.timer/1" => (&raw const TIMER_1).cast(),
        b"csgi.process/1" => {
            // SAFETY: the plugin passes on the table that it was given (contract of `extension`).
            let face = unsafe { Face::from_table(host) };
            face.map_or(std::ptr::null(), |face| (&raw const face.process).cast())
        }
        _ => std::ptr::null(),
    }
}
