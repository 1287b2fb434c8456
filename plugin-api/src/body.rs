//! A body that the plugin makes while it is sent.

use std::borrow::Cow;

use crate::Env;

/// What a stream has to give now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next bytes; they are sent before `next` is called again, if the client takes them.
    Part(Cow<'static, [u8]>),
    /// Nothing yet; `next` is called after a [`Waker`](crate::Waker) or [`Timer`](crate::Timer) of
    /// this request, or when input arrives that was asked for.
    Pending,
    /// The body is complete.
    End,
    /// The body cannot be completed: the connection is cut, so that the client sees it. The reason
    /// goes to the log.
    Error(String),
}

impl Next {
    /// The next bytes.
    pub fn part(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Part(Cow::Owned(bytes.into()))
    }
}

/// The iterable of WSGI. Dropped exactly once, when the body is complete, given up or unwanted.
pub trait BodyStream: Send {
    /// Called when the client can take more, on any thread, never twice at a time. May be called
    /// although nobody has woken the request.
    fn next(&mut self, env: &Env) -> Next;
}

impl<F: FnMut(&Env) -> Next + Send> BodyStream for F {
    fn next(&mut self, env: &Env) -> Next {
        self(env)
    }
}
