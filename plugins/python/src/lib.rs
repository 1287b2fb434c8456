//! The language plugin for Python: runs WSGI applications (PEP 3333) that lie among the plugins as
//! `NAME.py`, or as a folder with `__init__.py` or `wsgi.py`.
//!
//! `interpreter` starts Python, `application` imports, and then for every request: `desk` lays it out,
//! with the dictionary that `environ` makes, `answer` calls the application, `request` is what it calls back, `body` is what
//! the server pulls. Everything here may be called on several threads at a time: Python's own lock,
//! or its absence in free-threaded builds, decides what of it happens at once.
//!
//! `unsafe`: the exports of a plugin.

mod answer;
mod application;
mod body;
mod desk;
mod environ;
mod errors;
mod host;
mod input;
mod interpreter;
mod names;
mod objects;
mod park;
mod request;
mod settings;
mod wrapper;
mod written;

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use csgi::raw;
use pyo3::prelude::*;

use errors::Errors;
use host::{Call, Host};
use settings::Settings;

#[unsafe(export_name = "csgi_plugin")]
static MANIFEST: raw::Manifest =
    csgi::export::manifest("python", env!("CARGO_PKG_VERSION"), raw::THREADSAFE | LOCK);

/// A build of Python without the global lock computes on all threads at once.
const LOCK: u32 = if cfg!(Py_GIL_DISABLED) { 0 } else { raw::SHARED_LOCK };

/// The settings of `[plugin.python]`: what applications have where they say nothing else.
static DEFAULTS: OnceLock<Settings> = OnceLock::new();
/// Texts that the host keeps: the groups of applications.
static GROUPS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
/// This process is a copy that an application made with fork().
static IS_CHILD: AtomicBool = AtomicBool::new(false);

#[unsafe(export_name = "csgi_init")]
unsafe extern "C-unwind" fn init(host: *const raw::Host) -> i32 {
    // SAFETY: the table that the host gives this plugin.
    let host = unsafe { Host::new(host) };
    match Settings::parse(host.config()) {
        Ok(settings) => {
            // The first one stays: a library is initialised once.
            let _ = DEFAULTS.set(settings);
            raw::OK
        }
        Err(reason) => {
            host.log(0, raw::LOG_ERROR, &reason);
            raw::ERROR
        }
    }
}

#[unsafe(export_name = "csgi_exit")]
extern "C-unwind" fn exit() {
    let _ = catch_unwind(application::at_exit);
}

struct FolderFiles([raw::Str; 2]);

// SAFETY: texts of the program, which nobody changes.
unsafe impl Sync for FolderFiles {}

static FOLDER_FILES: FolderFiles = FolderFiles([constant("__init__.py"), constant("wsgi.py")]);

static LANGUAGE: raw::Language1 = raw::Language1 {
    suffix: constant(".py"),
    folder_files: (&raw const FOLDER_FILES.0).cast(),
    folder_file_count: 2,
    load: Some(load),
    unload: Some(unload),
};

const fn constant(text: &'static str) -> raw::Str {
    raw::Str { ptr: text.as_ptr().cast(), len: text.len() }
}

#[unsafe(export_name = "csgi_extension")]
unsafe extern "C-unwind" fn extension(id: *const c_char) -> *const c_void {
    // SAFETY: the host gives a NUL-terminated id.
    match unsafe { CStr::from_ptr(id) }.to_bytes() {
        b"csgi.language/1" => (&raw const LANGUAGE).cast(),
        _ => std::ptr::null(),
    }
}

/// # Safety
/// Called by a host, as csgi.h says of `csgi_language_1.load`.
unsafe extern "C-unwind" fn load(
    host: *const raw::Host,
    file: raw::Str,
    copy: raw::Str,
    group: *mut raw::Str,
) -> i32 {
    // SAFETY: the table that the host gives this application.
    let host = unsafe { Host::new(host) };
    let file = String::from_utf8_lossy(host::bytes(&file)).into_owned();
    let copy = Path::new(OsStr::from_bytes(host::bytes(&copy)));
    let defaults = DEFAULTS.get_or_init(Settings::default);
    let result = catch_unwind(|| application::load(host, &file, copy, defaults));
    match result.unwrap_or_else(|_| Err("the Python plugin panicked".to_owned())) {
        Ok(text) => {
            // SAFETY: the host gives a place for it.
            unsafe { group.write(constant(kept(text))) };
            raw::OK
        }
        Err(reason) => {
            host.log(0, raw::LOG_ERROR, &reason);
            raw::ERROR
        }
    }
}

/// The same text, for as long as the process lives.
fn kept(text: String) -> &'static str {
    let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = groups.iter().find(|known| **known == text) {
        return known;
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    groups.push(text);
    text
}

/// Python ends all applications together, in `csgi_exit`.
unsafe extern "C-unwind" fn unload(_host: *const raw::Host) {}

/// # Safety
/// Called by a host, as csgi.h says.
#[unsafe(export_name = "application")]
unsafe extern "C-unwind" fn application(
    env: *const raw::Env,
    start: raw::StartResponse,
) -> *mut raw::Body {
    // SAFETY: both come from the host in this very call.
    let call = unsafe { Call::new(env, start) };
    let host = call.host();
    let result = catch_unwind(AssertUnwindSafe(|| {
        enter_python(host, call.id(), |py| {
            answer::answer(py, call).unwrap_or_else(|error| {
                report(py, host, call.id(), &error);
                Some(std::ptr::null_mut())
            })
        })
    }));
    match result {
        Ok(Some(Some(body))) => body,
        Ok(_) => nothing_here(&call),
        Err(_) => std::ptr::null_mut(),
    }
}

/// The plugin's own name stands for no application.
fn nothing_here(call: &Call) -> *mut raw::Body {
    call.start_response(c"404 Not Found", &[(b"content-type", b"text/plain")]);
    call.body_of_bytes(b"This plugin runs the .py files beside it.\n")
}

/// Runs `f` with the thread attached to Python, in the name of a request. `None`: Python does not run.
fn enter_python<T>(host: Host, request: u64, f: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    interpreter::place_thread();
    let before = errors::enter(request);
    let result = Python::try_attach(f);
    Errors::finish(host);
    errors::enter(before);
    if IS_CHILD.load(Ordering::Relaxed) {
        leave_child();
    }
    result
}

/// Called by Python in every process that fork() makes.
#[pyfunction]
fn in_child() {
    IS_CHILD.store(true, Ordering::Relaxed);
}

/// The application has returned in a copy of the server that it made with fork(): the request is the
/// first process's to answer, and there is nothing for this one to do.
fn leave_child() -> ! {
    // SAFETY: ends this process without touching what it shares with the server.
    unsafe { libc::_exit(0) }
}

/// Logs an exception with its traceback.
fn report(py: Python<'_>, host: Host, request: u64, error: &PyErr) {
    // What it wrote to wsgi.errors came before.
    Errors::finish(host);
    let text = application::trace(py, error);
    host.log(request, raw::LOG_ERROR, &text);
}
