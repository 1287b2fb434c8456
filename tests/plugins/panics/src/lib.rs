//! A plugin that was written without the attributes, and panics across the border.
//!
//! `unsafe`: the exports that an attribute would have written.

use csgi::raw;

/// # Safety
/// Called by a host.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn application(
    _env: *const raw::Env,
    _start: raw::StartResponse,
) -> *mut raw::Body {
    panic!("across the border");
}

const fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    let mut index = 0;
    while index < text.len() {
        padded[index] = text[index];
        index += 1;
    }
    padded
}

/// The manifest.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is the ABI's")]
pub static csgi_plugin: raw::Manifest = raw::Manifest {
    magic: raw::MAGIC,
    abi_major: raw::ABI_MAJOR,
    abi_minor: raw::ABI_MINOR,
    need_minor: 0,
    size: size_of::<raw::Manifest>() as u16,
    flags: 0,
    name: padded(b"panics"),
    version: padded(b"1"),
};
