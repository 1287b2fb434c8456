//! The fence around every call into a plugin, and the calls that belong to no request: initialising
//! it, ending it, and giving back what it has lent.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use csgi::raw;

use super::host::Face;

/// Something was thrown across the border.
#[derive(Debug)]
pub(super) struct Thrown;

/// Fences a call into a plugin. A panic of this program's own runtime becomes `Thrown`; a foreign
/// exception ends the process with a message, which is defined, unlike letting it pass.
pub(super) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, Thrown> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| Thrown)
}

/// Calls `csgi_init`; the error is the plugin's last line of log.
pub fn init(init: raw::Init, face: &'static Face) -> Result<(), String> {
    let table = face.table();
    let result = guard(|| {
        // SAFETY: `load` found this symbol in the plugin; the table lives as long as the process.
        unsafe { init(table) }
    });
    match result {
        Ok(raw::OK) => Ok(()),
        Ok(_) => Err(match face.take_last_line() {
            Some(line) => format!("csgi_init failed: {line}"),
            None => "csgi_init failed and did not log why; ask its author".to_owned(),
        }),
        Err(Thrown) => Err("csgi_init threw an exception; catch it in the plugin".to_owned()),
    }
}

/// Calls `csgi_exit`.
pub fn exit(exit: raw::Exit) {
    let _ = guard(|| {
        // SAFETY: `load` found this symbol in the plugin; the caller makes no call after it.
        unsafe { exit() }
    });
}

/// Bytes of the plugin that are given back when this is dropped.
#[derive(Debug)]
pub struct Borrowed {
    pub(super) ptr: *const u8,
    pub(super) len: usize,
    pub(super) release: unsafe extern "C-unwind" fn(*mut c_void),
    pub(super) arg: *mut c_void,
}

// SAFETY: the ABI allows `release` on any thread, and the bytes do not change until then.
unsafe impl Send for Borrowed {}

impl Borrowed {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `bytes` checked for null; the ABI keeps `len` bytes unchanged until `release`.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let _ = guard(|| {
            // SAFETY: called here and nowhere else, so exactly once, with the plugin's argument.
            unsafe { (self.release)(self.arg) }
        });
    }
}
