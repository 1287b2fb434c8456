//! Descriptors: those that the supervisor was started with are not for its children, and there
//! should be enough of them.

use rustix::process::{Resource, Rlimit};

/// Takes as many descriptors as the system allows: a connection is one, and the usual limit is from
/// a time when programs had few. Workers inherit it.
pub fn raise_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
        tracing::debug!("cannot raise the limit of open files: {error}");
    }
}

/// Marks every descriptor but standard input, output and error as closed on exec
/// (close_range(2)). Whoever started us may have left files open; a worker must not hold them.
pub fn keep_from_children() {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: no descriptor is closed here; the mark changes nothing in this process.
    let result = unsafe { libc::close_range(3, libc::c_uint::MAX, flags) };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!("cannot mark inherited descriptors (Linux 5.11 can): {error}");
    }
}
