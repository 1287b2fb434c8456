//! The calls into a plugin that belong to no request: initialising it, ending it, and giving back what
//! it has lent.

use std::ffi::c_void;

use csgi::raw;

use super::host::Face;
use super::unwind::{Thrown, guard};

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
        Err(Thrown(what)) => Err(format!("csgi_init failed: {what}; catch it in the plugin")),
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
