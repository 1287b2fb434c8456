//! The layouts of `csgi.h`, field for field; the header is the contract and says what each means.
//!
//! Everything here is `#[repr(C)]` with fixed-width fields, checked against the sizes the header
//! asserts. Hosts use this module; plugin authors use the safe types above it.

use core::ffi::{c_char, c_int, c_void};

pub const ABI_MAJOR: u16 = 1;
pub const ABI_MINOR: u16 = 0;
pub const MAGIC: u32 = 0x4947_5343;

pub const ERROR: i32 = 0;
pub const OK: i32 = 1;
pub const END: i32 = -1;
pub const PENDING: i32 = -2;
pub const LATE: i32 = -3;

pub const THREADSAFE: u32 = 1;
pub const NONBLOCKING: u32 = 2;
pub const STREAM_INPUT: u32 = 4;
pub const SHARED_LOCK: u32 = 8;
/// Manifest flags that this version knows.
pub const KNOWN_FLAGS: u32 = THREADSAFE | NONBLOCKING | STREAM_INPUT | SHARED_LOCK;
/// Manifest flags a host must refuse when it does not know them.
pub const MUST_UNDERSTAND: u32 = 0xffff_0000;

pub const ENV_UPGRADE: u16 = 1;

pub const LOG_ERROR: i32 = 1;
pub const LOG_WARN: i32 = 2;
pub const LOG_INFO: i32 = 3;
pub const LOG_DEBUG: i32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Str {
    pub ptr: *const c_char,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    pub name: Str,
    pub value: Str,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub need_minor: u16,
    pub size: u16,
    pub flags: u32,
    pub name: [u8; 32],
    pub version: [u8; 16],
}

pub type StartResponse =
    unsafe extern "C" fn(*const Env, *const c_char, *const Header, usize) -> i32;

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Env {
    pub size: u32,
    pub http_version: u16,
    pub flags: u16,
    pub id: u64,
    pub host: *const Host,
    pub method: Str,
    pub scheme: Str,
    pub authority: Str,
    pub mount: Str,
    pub path: Str,
    pub query: Str,
    pub target: Str,
    pub remote: Str,
    pub local: Str,
    pub headers: *const Header,
    pub header_count: usize,
    pub content_length: i64,
    pub variables: *const Header,
    pub variable_count: usize,
}

/// `next` and `close` may unwind as far as the host's types go: a host must survive a plugin that
/// breaks the rule that nothing unwinds across the border.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Body {
    pub size: u32,
    pub reserved: u32,
    pub next: Option<unsafe extern "C-unwind" fn(*mut Body, *mut Str, i32) -> i32>,
    pub close: Option<unsafe extern "C-unwind" fn(*mut Body)>,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub name: Str,
    pub config: Str,
    pub read: unsafe extern "C" fn(*const Env, *mut c_void, usize) -> i64,
    pub bytes: unsafe extern "C" fn(
        *const Env,
        *const c_void,
        usize,
        Option<unsafe extern "C-unwind" fn(*mut c_void)>,
        *mut c_void,
    ) -> *mut Body,
    pub file: unsafe extern "C" fn(*const Env, c_int, i64, i64) -> *mut Body,
    pub wake: unsafe extern "C" fn(*const Host, u64),
    pub log: unsafe extern "C" fn(*const Host, u64, i32, *const c_char, usize),
    pub extension: unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

/// The table of the extension `csgi.timer/1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Timer1 {
    pub wake_after: unsafe extern "C" fn(*const Host, u64, u32),
}

/// The table of the extension `csgi.process/1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Process1 {
    pub processes: u32,
    pub threads: u32,
}

/// The table of the plugin's extension `csgi.language/1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Language1 {
    pub suffix: Str,
    pub folder_files: *const Str,
    pub folder_file_count: usize,
    pub load: Option<unsafe extern "C-unwind" fn(*const Host, Str, Str, *mut Str) -> i32>,
    pub unload: Option<unsafe extern "C-unwind" fn(*const Host)>,
}

// SAFETY: the strings are constant, as csgi.h asks, so the table may be a plugin's `static`.
unsafe impl Sync for Language1 {}

/// The types of what a plugin exports, as a host calls them.
pub type Application = unsafe extern "C-unwind" fn(*const Env, StartResponse) -> *mut Body;
pub type Init = unsafe extern "C-unwind" fn(*const Host) -> i32;
pub type Exit = unsafe extern "C-unwind" fn();
pub type Extension = unsafe extern "C-unwind" fn(*const c_char) -> *const c_void;

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Str>() == 16);
    assert!(size_of::<Header>() == 32);
    assert!(size_of::<Manifest>() == 64);
    assert!(size_of::<Env>() == 208);
    assert!(offset_of!(Env, id) == 8);
    assert!(offset_of!(Env, method) == 24);
    assert!(offset_of!(Env, headers) == 168);
    assert!(offset_of!(Env, content_length) == 184);
    assert!(size_of::<Body>() == 24);
    assert!(offset_of!(Body, next) == 8);
    assert!(size_of::<Host>() == 88);
    assert!(offset_of!(Host, read) == 40);
    assert!(size_of::<Language1>() == 48);
    assert!(offset_of!(Language1, load) == 32);
};
