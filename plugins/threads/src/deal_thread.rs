//! The lesson's C library, loaded at run time: `DealThread` in `libdealthread.so`.
//!
//! `unsafe`: dlopen, and the call of a C function.
#![allow(unsafe_code, reason = "loading a library is what the lesson is about")]

use std::path::Path;
use std::thread::{self, JoinHandle};

use libloading::{Library, Symbol};

/// Compiled from `dealthread.c` with the plugin.
pub const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/libdealthread.so"));

/// Loads the library and starts a thread that runs `DealThread`. It never ends by itself: it ends
/// with the process.
pub fn start(library: &Path) -> Result<JoinHandle<()>, libloading::Error> {
    // SAFETY: the library has no constructors; it is the one we compiled.
    let library = unsafe { Library::new(library) }?;
    // Before the thread starts, so that a missing function is an error here.
    // SAFETY: the function has this type in dealthread.c.
    let found: Result<Symbol<'_, extern "C" fn()>, _> = unsafe { library.get(b"DealThread") };
    let deal_thread: extern "C" fn() = *found?;
    // Never closed: the thread is inside of it.
    std::mem::forget(library);
    Ok(thread::spawn(move || deal_thread()))
}
