//! The host functions of the request that a thread is inside of: what a plugin calls back while
//! `call` runs it.
//!
//! `CURRENT` holds the call of this thread; the functions find it there and check the request's id, so
//! that a plugin that uses an old `env` gets `CSGI_ERROR` and no more.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use csgi::raw;

use super::call::{Call, HostBody};
use super::fence::Borrowed;
use super::given_head::Address;
use super::input;
use super::unwind::{Thrown, guard};

thread_local! {
    static CURRENT: Cell<*mut Call> = const { Cell::new(ptr::null_mut()) };
}

/// The current call, if `env` belongs to it.
///
/// # Safety
/// `env` is null or points at an `Env` (contract of the host functions). The reference must not
/// outlive the host function it is made in.
unsafe fn current<'a>(env: *const raw::Env) -> Option<&'a mut Call> {
    let call = CURRENT.get();
    if call.is_null() || env.is_null() {
        return None;
    }
    // SAFETY: `inside` set it for the time of the plugin's call, in which we are, on this thread;
    // its own caller touches the call through this pointer alone until the plugin returns.
    let call = unsafe { &mut *call };
    // SAFETY: the caller promises that a non-null `env` can be read.
    (unsafe { (*env).id } == call.env.id).then_some(call)
}

/// # Safety
/// As the ABI says of `start_response`.
pub(super) unsafe extern "C" fn start_response(
    env: *const raw::Env,
    status: *const c_char,
    headers: *const raw::Header,
    count: usize,
) -> i32 {
    // SAFETY: `env` comes from the plugin, which got it from us or copied it.
    let Some(call) = (unsafe { current(env) }) else { return raw::ERROR };
    if call.head_sent {
        return raw::LATE;
    }
    if status.is_null() || (headers.is_null() && count > 0) {
        return raw::ERROR;
    }
    let address = Address { status: status.addr(), fields: headers.addr(), count };
    if call.given.is_still_at(address) {
        return call.accept_head();
    }
    // SAFETY: not null, NUL-terminated by contract.
    let status = unsafe { CStr::from_ptr(status) };
    let headers = match count {
        0 => &[][..],
        // SAFETY: not null, `count` of them by contract, for the time of this call.
        _ => unsafe { std::slice::from_raw_parts(headers, count) },
    };
    call.take_head(status, headers, address)
}

impl Call {
    /// Runs `f` with this call as the thread's current one.
    pub(super) fn inside<T>(&mut self, f: impl FnOnce(*mut Self) -> T) -> Result<T, Thrown> {
        let call: *mut Self = self;
        let outer = CURRENT.replace(call);
        let result = guard(|| f(call));
        CURRENT.set(outer);
        result
    }

    /// A function of its own, as most heads end before it.
    #[inline(never)]
    fn take_head(&mut self, status: &CStr, headers: &[raw::Header], address: Address) -> i32 {
        let fields =
            headers.iter().map(|header| Some((bytes_of(&header.name)?, bytes_of(&header.value)?)));
        let constants = self.plugin().constants();
        let constant = || {
            let hold = |text: &[u8]| text.is_empty() || constants.hold(text);
            let mut texts = fields.clone().flatten().flat_map(|(name, value)| [name, value]);
            // Interim heads are more than remembered.
            let is_constant = !status.to_bytes().starts_with(b"1")
                && hold(status.to_bytes_with_nul())
                && (headers.is_empty() || constants.hold(headers))
                && texts.all(hold);
            is_constant.then_some(address)
        };
        // Kept aside, because a head that is refused changes nothing.
        let Ok(given) = self.given.take(status.to_bytes(), fields.clone(), constant) else {
            return raw::ERROR;
        };
        match given.status() {
            101 if self.env.flags & raw::ENV_UPGRADE == 0 => return raw::ERROR,
            101 => self.input.become_raw(),
            100..200 => {
                if self.env.http_version >= 11 {
                    given.encode_interim_into(&mut self.interim);
                    self.input.send_interim(&mut self.interim);
                }
                return raw::OK;
            }
            _ => {}
        }
        self.accept_head()
    }

    /// The head that was given is that of the answer.
    #[inline]
    fn accept_head(&mut self) -> i32 {
        if self.head_from != self.given.changes() {
            self.copy_head();
        }
        self.head_given = true;
        raw::OK
    }

    #[inline(never)]
    fn copy_head(&mut self) {
        self.head.copy_from(self.given.head());
        self.head_from = self.given.changes();
    }
}

/// The bytes of a text in a header that is being given; `None`: it points nowhere.
fn bytes_of(text: &raw::Str) -> Option<&[u8]> {
    match text.len {
        0 => Some(&[]),
        _ if text.ptr.is_null() => None,
        // SAFETY: not null, `len` bytes by contract, for this call: the header lives no longer.
        _ => Some(unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) }),
    }
}

/// # Safety
/// As the ABI says of `csgi_host.read`.
pub unsafe extern "C" fn read(env: *const raw::Env, buffer: *mut c_void, cap: usize) -> i64 {
    // SAFETY: `env` comes from the plugin, which got it from us or copied it.
    let Some(call) = (unsafe { current(env) }) else { return i64::from(raw::ERROR) };
    if buffer.is_null() || cap == 0 {
        return i64::from(raw::ERROR);
    }
    // SAFETY: writable for `cap` bytes by contract, for the time of this call. Bytes that were
    // never written are not read: `Input::read` only writes.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), cap) };
    call.input.read(buffer, &mut call.interim)
}

/// # Safety
/// As the ABI says of `csgi_host.bytes`.
pub unsafe extern "C" fn bytes(
    env: *const raw::Env,
    ptr: *const c_void,
    len: usize,
    release: Option<unsafe extern "C-unwind" fn(*mut c_void)>,
    arg: *mut c_void,
) -> *mut raw::Body {
    let ptr = match len {
        0 => ptr::NonNull::dangling().as_ptr(),
        _ => ptr.cast::<u8>().cast_mut(),
    };
    // Made first, so that `release` is called in every outcome.
    let borrowed = release.map(|release| Borrowed { ptr, len, release, arg });
    // SAFETY: `env` comes from the plugin, which got it from us or copied it.
    let Some(call) = (unsafe { current(env) }) else { return ptr::null_mut() };
    if call.was_made || ptr.is_null() || isize::try_from(len).is_err() {
        return ptr::null_mut();
    }
    call.was_made = true;
    call.made = Some(match borrowed {
        Some(borrowed) => HostBody::Borrowed(borrowed),
        None => {
            let mut copied = std::mem::take(&mut call.room);
            // SAFETY: not null; `len` bytes are there for the time of this call, by contract.
            copied.extend_from_slice(unsafe { std::slice::from_raw_parts(ptr, len) });
            HostBody::Copied(copied)
        }
    });
    call.token()
}

/// # Safety
/// As the ABI says of `csgi_host.file`: the descriptor is ours from here on.
pub unsafe extern "C" fn file(
    env: *const raw::Env,
    descriptor: c_int,
    offset: i64,
    length: i64,
) -> *mut raw::Body {
    if descriptor < 0 {
        return ptr::null_mut();
    }
    // SAFETY: the plugin gives an open descriptor away (contract of `file`).
    let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: `env` comes from the plugin, which got it from us or copied it.
    let Some(call) = (unsafe { current(env) }) else { return ptr::null_mut() };
    if call.was_made {
        return ptr::null_mut();
    }
    let Some((offset, length)) = input::file_range(&file, offset, length) else {
        return ptr::null_mut();
    };
    call.was_made = true;
    call.made = Some(HostBody::File { file, offset, length });
    call.token()
}
