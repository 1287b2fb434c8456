//! The signal path: what a thread does that crashes, or that is stuck and told so.
//!
//! The order: a record, a word to the supervisor (who starts a successor at once), an answer to the
//! thread's own client, and then, by the first thread that crashes, the evacuation: connections
//! leave as soon as no plugin is at work on them, while the other threads finish what they run, for
//! as long as `Timeouts::drain` allows. Then the process ends as the signal would have ended it.
//!
//! What this file and what it calls may touch, and why that is safe at any moment, also with the
//! heap broken or its lock held by this very thread:
//!
//! - its own stack, which is the alternate stack of the thread (`prepare_thread`);
//! - memory of the worker that is never freed: `Worker`, the table and its connections. They are
//!   only looked at, and only by their owner: a connection is claimed first, as by any thread, so
//!   no other thread changes it meanwhile (`Slot::claim`, `Slot::try_lock`);
//! - atomics, and a queue of fixed size that works without locks (`Worker::give_back`);
//! - thread-locals without destructors, which are part of the thread's block in a program;
//! - the kernel. Bytes that a plugin may have made unreadable (the request, what is still to be
//!   sent) are read by the kernel alone, which gives EFAULT where reading them would fault.
//!
//! Nothing here allocates, waits for a lock, formats, logs or panics. If the memory of connections
//! itself is broken, looking at it crashes again: the second signal ends the process at once, and
//! that is the guarantee's limit. It is tested with the heap's lock held, with the heap broken, and
//! with threads that crash at the same time (`tests/tests/e2e/crash.rs`).
//!
//! `unsafe`: sigaction, sigaltstack, on_exit, and descriptors by number.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};

use super::record::Cause;
use super::running::{self, Answer, Request, Span};
use crate::handoff::channel;
use crate::handoff::evacuate;
use crate::handoff::message::SIZE;
use crate::http::date;
use crate::worker::Worker;

/// What the processor or abort(3) says of a thread that cannot go on.
const CRASHES: [c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGTRAP,
];
/// For everything that a handler does; the kernel's own part of a signal frame can be 12 KiB.
const STACK: usize = 128 * 1024;
/// How long the thread's own client may take for its answer.
const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
const CRASHED_PAGE: &[u8] = b"<!doctype html>\n<html lang=\"en\">\n\
    <title>500 Internal Server Error</title>\n<h1>500 Internal Server Error</h1>\n";
const HUNG: &[u8] = b"<!doctype html>\n<html lang=\"en\">\n\
    <title>504 Gateway Timeout</title>\n<h1>504 Gateway Timeout</h1>\n";
/// Exit status of a process that ended because a request hung.
const HANG_STATUS: c_int = 75;

static WORKER: AtomicPtr<Worker> = AtomicPtr::new(ptr::null_mut());
static BUFFER: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// This thread has crashed already.
    static CRASHED: Cell<bool> = const { Cell::new(false) };
}

/// The signal by which the supervisor tells a thread that it is past its deadline.
pub fn hang_signal() -> c_int {
    libc::SIGRTMIN() + 7
}

/// Interrupts a thread of a worker with `hang_signal`. The supervisor's.
pub fn interrupt(process: u32, thread: u32) {
    // SAFETY: sends a signal to a thread of a child that nobody has waited for yet, so that the
    // number is not another process's; a thread that has ended gets nothing.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, hang_signal()) };
}

/// Before plugins are loaded, so that what they register for the end of the process comes before
/// this (atexit(3): in reverse order).
///
/// # Errors
/// There is no memory for it.
pub fn watch_exit() -> std::io::Result<()> {
    unsafe extern "C" {
        fn on_exit(f: extern "C" fn(c_int, *mut c_void), arg: *mut c_void) -> c_int;
    }
    // SAFETY: the function is there for as long as the process.
    match unsafe { on_exit(at_exit, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::other("cannot register a handler for the end of the process")),
    }
}

/// After plugins are loaded, so that handlers of theirs do not take the place of these.
///
/// # Errors
/// A signal cannot be handled.
pub fn install(worker: &'static Worker) -> std::io::Result<()> {
    BUFFER.store(Box::leak(vec![0_u8; SIZE].into_boxed_slice()).as_mut_ptr(), Ordering::Release);
    WORKER.store(ptr::from_ref(worker).cast_mut(), Ordering::Release);
    for signal in CRASHES {
        handle(signal, on_crash)?;
    }
    handle(hang_signal(), on_hang)
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn handle(signal: c_int, handler: Handler) -> std::io::Result<()> {
    // SAFETY: all zeros are a valid sigaction.
    let mut action = unsafe { std::mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // A second signal in the handler must arrive, to end the process instead of being lost.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    // SAFETY: the action is complete, and its function is one for SA_SIGINFO.
    match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Gives this thread a stack for its handlers: a crash may be an overflow of the usual one. Never
/// freed: the thread lives as long as the process.
pub fn prepare_thread() {
    let memory = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: memory.len() };
    // SAFETY: the memory is used by nobody else, for ever.
    if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } != 0 {
        tracing::warn!(
            "a thread has no stack of its own for crashes; an overflow will not be seen"
        );
    }
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    crash(Cause::Signal, info, context.cast());
    // As the signal would have ended it: the status, and a core if the system wants one.
    // SAFETY: SIG_DFL is a valid disposition.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: sends a signal to this thread.
    unsafe { libc::raise(signal) };
    end(128 + signal);
}

extern "C" fn on_hang(_signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let Some(worker) = worker() else { return };
    let Some(thread) = running::thread() else { return };
    // The request that was meant may have ended meanwhile.
    let cell = worker.cell(thread);
    let is_meant = cell.running().is_some_and(|running| running.request == cell.accused());
    if !is_meant || CRASHED.get() {
        return;
    }
    crash(Cause::Hang, info, context.cast());
    end(HANG_STATUS);
}

/// A plugin has called exit(3). Our own end is _exit(2), which does not come here.
extern "C" fn at_exit(status: c_int, _: *mut c_void) {
    if worker().is_some() {
        crash(Cause::Exit(status), ptr::null(), ptr::null());
    }
    end(status);
}

fn end(status: c_int) -> ! {
    // SAFETY: ends the process; nothing is used afterwards.
    unsafe { libc::_exit(status) }
}

fn worker() -> Option<&'static Worker> {
    // SAFETY: null, or the worker that `install` was given, which is never freed.
    unsafe { WORKER.load(Ordering::Acquire).as_ref() }
}

/// Returns when the process is to end. Of several threads that crash, only the first comes back.
fn crash(cause: Cause, info: *const libc::siginfo_t, context: *const libc::ucontext_t) {
    if CRASHED.replace(true) {
        // In the middle of this very function: what it looks at is broken.
        end(128 + libc::SIGABRT);
    }
    let Some(worker) = worker() else { return };
    let request = running::current();
    // SAFETY: both are null or what the kernel gave the handler.
    unsafe { worker.recorder.capture(running::thread(), cause, info, context, &request) };
    let is_first = worker.begin_dying();
    if is_first {
        worker.tell_dying();
    }
    if request.socket >= 0 {
        answer(&request, cause);
        worker.lose_connection();
    }
    if !is_first {
        loop {
            channel::pause(Duration::from_secs(1));
        }
    }
    evacuate(worker);
}

fn evacuate(worker: &Worker) {
    let start = BUFFER.load(Ordering::Acquire);
    if start.is_null() {
        return;
    }
    // SAFETY: `install` leaked so many bytes, and only the first thread that crashes gets here.
    let buffer = unsafe { std::slice::from_raw_parts_mut(start, SIZE) };
    evacuate::run_dying(worker, buffer);
}

/// Answers the client of a request that will not be answered any more: what waits to be sent, and
/// then, if nothing of this answer has been, the status that says why. Then its end: the client may
/// have sent more that nobody has read.
fn answer(request: &Request, cause: Cause) {
    // SAFETY: the number of the connection's socket, which this thread owns and has not closed.
    let socket = unsafe { BorrowedFd::borrow_raw(request.socket) };
    if send(socket, request.output).is_ok()
        && let Answer::Due { is_head } = request.answer
    {
        // The client may be gone.
        let _ = send(socket, Span::of(Page::new(cause, is_head).bytes()));
    }
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
}

/// Sends bytes that need not be readable.
fn send(socket: BorrowedFd<'_>, span: Span) -> Result<(), Errno> {
    let mut patience = ANSWER_PATIENCE;
    let mut done = 0;
    while done < span.length {
        // SAFETY: the kernel reads the bytes, and refuses what is not there (EFAULT).
        let sent = unsafe {
            libc::send(
                std::os::fd::AsRawFd::as_raw_fd(&socket),
                span.start.wrapping_add(done).cast(),
                span.length - done,
                SendFlags::NOSIGNAL.bits() as c_int,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) => done += sent,
            Err(_) => match std::io::Error::last_os_error().raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) if !patience.is_zero() => {
                    let step = Duration::from_millis(10);
                    patience = patience.saturating_sub(step);
                    wait_writable(socket, step);
                }
                _ => return Err(Errno::PIPE),
            },
        }
    }
    Ok(())
}

fn wait_writable(socket: BorrowedFd<'_>, patience: Duration) {
    let timeout = rustix::time::Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    let _ = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&timeout));
}

/// An answer of the server's own, made without the heap.
struct Page {
    bytes: [u8; 512],
    length: usize,
}

impl Page {
    fn new(cause: Cause, is_head: bool) -> Self {
        let mut page = Self { bytes: [0; 512], length: 0 };
        let (status, body): (&[u8], &[u8]) = match cause {
            Cause::Hang => (b"504 Gateway Timeout", HUNG),
            Cause::Signal | Cause::Exit(_) => (b"500 Internal Server Error", CRASHED_PAGE),
        };
        let mut length = itoa::Buffer::new();
        let parts: [&[u8]; 8] = [
            b"HTTP/1.1 ",
            status,
            b"\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ",
            length.format(body.len()).as_bytes(),
            b"\r\nConnection: close\r\nDate: ",
            &date::now_on_stack(),
            b"\r\n\r\n",
            if is_head { b"" } else { body },
        ];
        parts.iter().for_each(|part| page.push(part));
        page
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_page_is_what_it_says() {
        for cause in [Cause::Hang, Cause::Exit(0)] {
            let page = Page::new(cause, false);
            let text = std::str::from_utf8(page.bytes()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{text}");
            assert_eq!(Page::new(cause, true).bytes().len(), head.len() + 4);
        }
    }
}
