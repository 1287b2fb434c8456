//! What the kernel says of a signal, in words.

/// `SIGSEGV` for 11.
pub fn name(signal: u64) -> String {
    let number = i32::try_from(signal).unwrap_or(0);
    let known = nix::sys::signal::Signal::try_from(number);
    known.map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

/// `si_code` of a signal (sigaction(2)).
pub fn code(signal: u64, code: i32) -> Option<&'static str> {
    let name = match (signal as i32, code) {
        (_, libc::SI_USER) => "sent by kill",
        (_, libc::SI_TKILL) => "raised by the process itself",
        (_, libc::SI_QUEUE) => "sent by sigqueue",
        (_, libc::SI_KERNEL) => "not an address that can exist, or no more to say",
        (libc::SIGSEGV, 1) => "nothing is mapped there",
        (libc::SIGSEGV, 2) => "not allowed there",
        (libc::SIGSEGV, 3) => "bounds exceeded",
        (libc::SIGSEGV, 4) => "protection key",
        (libc::SIGBUS, 1) => "not aligned",
        (libc::SIGBUS, 2) => "no such memory, as behind the end of a mapped file",
        (libc::SIGBUS, 3..=5) => "hardware memory error",
        (libc::SIGFPE, 1) => "integer division by zero",
        (libc::SIGFPE, 2) => "integer overflow",
        (libc::SIGFPE, 3) => "floating-point division by zero",
        (libc::SIGILL, 1) => "no such instruction",
        (libc::SIGILL, 2) => "no such operand",
        (libc::SIGILL, 5) => "a privileged instruction",
        _ => return None,
    };
    Some(name)
}
