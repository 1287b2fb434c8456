//! The fence around calls into a plugin: what is thrown there ends one request, not the process.
//!
//! `catch_unwind` cannot be this fence: it ends the process at an exception of another runtime
//! (std::panic, "Notes"), and a panic of a plugin is one too, because a plugin brings a standard
//! library of its own. So a few lines of assembly make a frame whose personality routine (Itanium
//! C++ ABI, Exception Handling, §2.5) stops every exception, whoever threw it.
//!
//! `unsafe`: the frame, and the unwinder's interface.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

/// Something was thrown across the border: in words, for the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Thrown(pub &'static str);

const CPP: u64 = u64::from_be_bytes(*b"GNUCC++\0");
/// Of exceptions that were rethrown through `std::rethrow_exception`.
const CPP_DEPENDENT: u64 = u64::from_be_bytes(*b"GNUCC++\x01");
/// Its letters in the order of memory; older runtimes have them as a number, as C++ does.
const RUST: u64 = u64::from_ne_bytes(*b"MOZ\0RUST");
const OLD_RUST: u64 = u64::from_be_bytes(*b"MOZ\0RUST");

/// As in unwind.h.
#[repr(C)]
struct Exception {
    class: u64,
    rest: [usize; 3],
}

const SEARCH_PHASE: c_int = 1;
const FORCED: c_int = 8;
const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;
const CONTINUE: c_int = 8;

unsafe extern "C" {
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
    fn _Unwind_DeleteException(exception: *mut Exception);
    /// Calls `f` with `data`; gives null, or the exception that it ended with.
    fn tenon_fenced_call(
        f: unsafe extern "C-unwind" fn(*mut c_void),
        data: *mut c_void,
    ) -> *mut Exception;
    /// Where that function goes on after an exception.
    static tenon_fence: u8;
}

// The frame is an ordinary one. An exception comes in at `tenon_fence` with itself in the register
// of the return value, as if the call had returned it.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.tenon_fenced_call,\"ax\",@progbits",
    ".globl tenon_fenced_call",
    ".hidden tenon_fenced_call",
    ".type tenon_fenced_call,@function",
    "tenon_fenced_call:",
    ".cfi_startproc",
    ".cfi_personality 0x9b, tenon_fence_personality",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "call rax",
    "xor eax, eax",
    ".globl tenon_fence",
    ".hidden tenon_fence",
    "tenon_fence:",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size tenon_fenced_call, . - tenon_fenced_call",
    ".popsection",
    ".pushsection .data.rel.ro.tenon_fence,\"aw\",@progbits",
    ".p2align 3",
    "tenon_fence_personality: .quad {personality}",
    ".popsection",
    personality = sym personality,
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.tenon_fenced_call,\"ax\",@progbits",
    ".globl tenon_fenced_call",
    ".hidden tenon_fenced_call",
    ".type tenon_fenced_call,@function",
    "tenon_fenced_call:",
    ".cfi_startproc",
    ".cfi_personality 0x9b, tenon_fence_personality",
    "stp x29, x30, [sp, #-16]!",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset x29, -16",
    ".cfi_offset x30, -8",
    "mov x29, sp",
    "mov x2, x0",
    "mov x0, x1",
    "blr x2",
    "mov x0, xzr",
    ".globl tenon_fence",
    ".hidden tenon_fence",
    "tenon_fence:",
    "ldp x29, x30, [sp], #16",
    ".cfi_def_cfa sp, 0",
    "ret",
    ".cfi_endproc",
    ".size tenon_fenced_call, . - tenon_fenced_call",
    ".popsection",
    ".pushsection .data.rel.ro.tenon_fence,\"aw\",@progbits",
    ".p2align 3",
    "tenon_fence_personality: .xword {personality}",
    ".popsection",
    personality = sym personality,
);

/// Stops every exception at the frame above. A forced unwinding (pthread_exit(3)) passes: its aim is
/// the end of the thread.
///
/// # Safety
/// Called by the unwinder.
unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    _class: u64,
    exception: *mut Exception,
    context: *mut c_void,
) -> c_int {
    if actions & FORCED != 0 {
        return CONTINUE;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    // Register 0 is the one of the return value on both processors.
    // SAFETY: the unwinder's own context, in the phase in which it may be changed.
    unsafe { _Unwind_SetGR(context, 0, exception as usize) };
    // SAFETY: as above; the address is inside the function whose frame this is.
    unsafe { _Unwind_SetIP(context, (&raw const tenon_fence) as usize) };
    INSTALL_CONTEXT
}

/// Runs `f`, which calls into a plugin.
///
/// # Errors
/// Something was thrown.
pub(super) fn guard<T, F: FnOnce() -> T>(f: F) -> Result<T, Thrown> {
    let mut call = Call { f: Some(f), result: MaybeUninit::uninit() };
    // SAFETY: `run` gets a pointer to a `Call` of its own types, which lives until it returns.
    let exception = unsafe { tenon_fenced_call(run::<T, F>, (&raw mut call).cast()) };
    if exception.is_null() {
        // SAFETY: `run` has returned, and has written the result before that.
        return Ok(unsafe { call.result.assume_init() });
    }
    // SAFETY: the unwinder gave this exception, and nobody has deleted it.
    Err(unsafe { take(exception) })
}

struct Call<T, F> {
    f: Option<F>,
    result: MaybeUninit<T>,
}

/// # Safety
/// `call` points to a `Call<T, F>` that nobody else uses.
unsafe extern "C-unwind" fn run<T, F: FnOnce() -> T>(call: *mut c_void) {
    // SAFETY: the caller's promise.
    let call = unsafe { &mut *call.cast::<Call<T, F>>() };
    if let Some(f) = call.f.take() {
        call.result.write(f());
    }
}

/// # Safety
/// `exception` is a living one that nobody else handles.
unsafe fn take(exception: *mut Exception) -> Thrown {
    // SAFETY: the caller's promise.
    match unsafe { (*exception).class } {
        // A Rust runtime ends the process if its panic is deleted by another; it is left where it
        // is.
        RUST | OLD_RUST => {
            Thrown("it panicked across the border; the attributes of the crate csgi catch that")
        }
        class => {
            // SAFETY: as above.
            unsafe { _Unwind_DeleteException(exception) };
            match class {
                CPP | CPP_DEPENDENT => Thrown("it threw a C++ exception across the border"),
                _ => Thrown("it threw an exception across the border"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_returns_comes_back() {
        assert_eq!(guard(|| vec![1, 2, 3]), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_thrown_is_stopped_and_destructors_have_run() {
        struct Note<'n>(&'n std::cell::Cell<u32>);
        impl Drop for Note<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let dropped = std::cell::Cell::new(0);
        for _ in 0..3 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let note = Note(&dropped);
                guard(|| {
                    let _note = note;
                    // Not a panic, which the runtime would go on counting: what C++ does.
                    raise();
                })
            }));
            assert!(matches!(result, Ok(Err(Thrown(text))) if text.contains("an exception")));
        }
        assert_eq!(dropped.get(), 3);
    }

    unsafe extern "C-unwind" {
        fn _Unwind_RaiseException(exception: *mut Exception) -> c_int;
    }

    /// Throws an exception of a language that nobody knows.
    fn raise() {
        let class = u64::from_be_bytes(*b"TENOTEST");
        // No clean-up function: the object is a leak of this test's.
        let exception = Box::leak(Box::new(Exception { class, rest: [0; 3] }));
        // SAFETY: a whole exception object (unwind.h), which the unwinder keeps.
        unsafe { _Unwind_RaiseException(exception) };
    }
}
