//! The request that a thread is inside of, where its signal handler finds it.
//!
//! A constant-initialised thread-local without a destructor: in a program (unlike in a library) it
//! is part of the thread's first block, so reading it is reading memory, in a handler too. The
//! pointers in it are never followed by this program: `capture` lets the kernel copy what is behind
//! them, and the kernel says so if nothing is.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::ptr;

/// Bytes that are somewhere, or were.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub start: *const u8,
    pub length: usize,
}

impl Span {
    pub const NONE: Self = Self { start: ptr::null(), length: 0 };

    pub fn of(bytes: &[u8]) -> Self {
        Self { start: bytes.as_ptr(), length: bytes.len() }
    }
}

/// A request inside a plugin.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The plugin's number in the generation.
    pub plugin: u32,
    pub id: u64,
    /// Request line and fields.
    pub head: Span,
    /// The body, if it is held in memory.
    pub body: Span,
    /// The client's; -1: there is none.
    pub socket: RawFd,
    /// Bytes that wait to be sent before anything else.
    pub output: Span,
    pub answer: Answer,
}

/// What the client has of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: another answer can be given.
    Due { is_head: bool },
    /// Some of it, or all.
    Begun,
}

impl Request {
    /// The thread is in no plugin.
    pub const NONE: Self = Self {
        plugin: u32::MAX,
        id: 0,
        head: Span::NONE,
        body: Span::NONE,
        socket: -1,
        output: Span::NONE,
        answer: Answer::Begun,
    };
}

thread_local! {
    static CURRENT: Cell<Request> = const { Cell::new(Request::NONE) };
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The thread goes into a plugin with this request.
pub fn enter(request: &Request) {
    CURRENT.set(*request);
    IS_INSIDE.set(true);
}

pub fn leave() {
    IS_INSIDE.set(false);
}

/// The request of this thread.
pub fn current() -> Request {
    if IS_INSIDE.get() { CURRENT.get() } else { Request::NONE }
}

/// Says which of the worker's threads this one is; once, at its start.
pub fn set_thread(number: usize) {
    THREAD.set(number);
}

/// The number of this thread; `None`: it is none of those that serve.
pub fn thread() -> Option<usize> {
    Some(THREAD.get()).filter(|number| *number != usize::MAX)
}
