//! One request inside a plugin: the calls into it.
//!
//! A `Call` owns everything the plugin may look at. What the plugin calls back meanwhile is in
//! `current`. Nothing here waits, logs or knows of HTTP framing.

use std::os::fd::OwnedFd;
use std::ptr;

use csgi::raw;

use super::Plugin;
use super::current::start_response;
use super::facts::{Facts, Texts, misleads_languages};
use super::fence::Borrowed;
use super::given_head::GivenHead;
use super::host::{Face, text};
use super::input::Input;
use super::unwind::Thrown;
use crate::http::request_id;
use crate::http::response::ResponseHead;

/// Parts that a plugin may return at once.
const PARTS: usize = 16;

/// Memory that is kept for the next body that `bytes` copies.
const ROOM: usize = 16 * 1024;

/// What came of letting the plugin run.
#[derive(Debug)]
pub enum Step {
    /// The host's own body was returned: the plugin is done, but for a `release`.
    Host(HostBody),
    /// `Call::parts` has the next bytes.
    Parts,
    Pending,
    End,
    /// With the reason, for the log.
    Failed(&'static str),
}

/// A body made by `bytes` or `file`.
#[derive(Debug)]
pub enum HostBody {
    Copied(Vec<u8>),
    Borrowed(Borrowed),
    File { file: OwnedFd, offset: u64, length: u64 },
}

#[repr(C)]
pub struct Call {
    plugin: &'static Plugin,
    body: *mut raw::Body,
    part_count: usize,
    pub(super) head_given: bool,
    /// The head, or the first bytes after it, are on their way.
    pub head_sent: bool,
    pub(super) was_made: bool,
    /// Encoded interim responses that wait to be sent.
    pub interim: Vec<u8>,
    pub input: Input,
    pub(super) env: Box<raw::Env>,
    parts: [raw::Str; PARTS],
    pub(super) made: Option<HostBody>,
    /// Room for a body that `bytes` copies.
    pub(super) room: Vec<u8>,
    /// The answer's, if there is one: a copy of what was given, which compression changes. It is kept for
    /// the next request.
    pub(super) head: ResponseHead,
    /// The state of `given` that it is a copy of; 0: it is no copy any more.
    pub(super) head_from: u64,
    /// The head that was given last, for this request or an earlier one.
    pub(super) given: GivenHead,
    /// What `env.headers` and `env.variables` point at.
    headers: Vec<raw::Header>,
    variables: Vec<raw::Header>,
    /// The same as `env`, where no plugin can reach it.
    told: raw::Env,
}

// SAFETY: the ABI lets the calls of one request happen on different threads, one after the other;
// the pointers are to memory of this call and to the plugin's body, which only this call uses.
unsafe impl Send for Call {}

const NO_TEXT: raw::Str = raw::Str { ptr: ptr::null(), len: 0 };

impl Call {
    /// Memory for calls; none is running.
    pub fn new(plugin: &'static Plugin) -> Self {
        let env = raw::Env {
            size: size_of::<raw::Env>() as u32,
            http_version: 0,
            flags: 0,
            id: 0,
            host: ptr::null(),
            method: NO_TEXT,
            scheme: NO_TEXT,
            authority: NO_TEXT,
            mount: NO_TEXT,
            path: NO_TEXT,
            query: NO_TEXT,
            target: NO_TEXT,
            remote: NO_TEXT,
            local: NO_TEXT,
            headers: ptr::null(),
            header_count: 0,
            content_length: 0,
            variables: ptr::null(),
            variable_count: 0,
        };
        Self {
            plugin,
            env: Box::new(env),
            told: env,
            headers: Vec::new(),
            variables: Vec::new(),
            head: ResponseHead::default(),
            head_from: 0,
            given: GivenHead::default(),
            head_given: false,
            head_sent: false,
            interim: Vec::new(),
            input: Input::none(),
            room: Vec::new(),
            made: None,
            was_made: false,
            body: ptr::null_mut(),
            parts: [NO_TEXT; PARTS],
            part_count: 0,
        }
    }

    /// Makes the `env`. Every slice in `texts` and `facts` must stay where it is, unchanged, until
    /// `end`: `Exchange` keeps them in buffers that it does not touch meanwhile.
    pub fn begin<'a>(
        &mut self,
        plugin: &'static Plugin,
        texts: &Texts<'_>,
        facts: Facts<
            '_,
            impl Iterator<Item = (&'a [u8], &'a [u8])>,
            impl Iterator<Item = (&'a [u8], &'a [u8])>,
        >,
    ) {
        self.headers.clear();
        self.variables.clear();
        let pair =
            |(name, value): (&[u8], &[u8])| raw::Header { name: text(name), value: text(value) };
        let file = plugin.file.as_deref();
        let gives_id = facts.request_id.is_some();
        let told = facts.headers.filter(|(name, _)| {
            let is_replaced = gives_id && *name == request_id::FIELD.as_bytes();
            let misleads = file.is_some() && misleads_languages(name);
            !is_replaced && !misleads
        });
        self.headers.extend(told.map(pair));
        if let Some(id) = facts.request_id {
            self.headers.push(pair((request_id::FIELD.as_bytes(), id)));
        }
        self.variables.extend(facts.variables.map(pair));
        self.variables.extend(file.map(|file| pair((b"SCRIPT_FILENAME", file.as_bytes()))));
        *self.env = raw::Env {
            size: size_of::<raw::Env>() as u32,
            http_version: facts.http_version,
            flags: if facts.may_upgrade { raw::ENV_UPGRADE } else { 0 },
            id: facts.id,
            host: Face::table(plugin.face),
            method: text(texts.method),
            scheme: text(texts.scheme),
            authority: text(texts.authority),
            mount: text(texts.mount),
            path: text(texts.path),
            query: text(texts.query),
            target: text(texts.target),
            remote: text(texts.remote),
            local: text(texts.local),
            headers: self.headers.as_ptr(),
            header_count: self.headers.len(),
            content_length: facts.content_length,
            variables: self.variables.as_ptr(),
            variable_count: self.variables.len(),
        };
        self.told = *self.env;
        self.plugin = plugin;
    }

    /// The same as the last request, which has ended, but for these; its texts are where they were.
    pub fn begin_again(&mut self, id: u64, request_id: Option<&[u8]>, remote: &[u8], local: &[u8]) {
        if let (Some(id), Some(field)) = (request_id, self.headers.last_mut()) {
            field.value = text(id);
        }
        // A plugin that has written to its `env` has done so for one request.
        *self.env = raw::Env { id, remote: text(remote), local: text(local), ..self.told };
    }

    /// The request is over: nothing of it is kept but memory.
    pub fn end(&mut self) {
        self.close();
        // No request has this id: a host function finds nothing by an `env` of the past.
        self.env.id = 0;
        self.head_given = false;
        self.head_sent = false;
        self.interim.clear();
        self.input.end();
        self.made = None;
        self.was_made = false;
    }

    /// Takes back the memory of a body that `bytes` copied.
    pub fn reuse(&mut self, mut copied: Vec<u8>) {
        if copied.capacity() <= ROOM {
            copied.clear();
            self.room = copied;
        }
    }

    pub fn plugin(&self) -> &'static Plugin {
        self.plugin
    }

    pub fn id(&self) -> u64 {
        self.env.id
    }

    pub fn has_head(&self) -> bool {
        self.head_given
    }

    /// The head of the answer, if there is one.
    pub fn head(&self) -> &ResponseHead {
        debug_assert!(self.head_given, "this is the head of another answer");
        &self.head
    }

    /// The same, to be changed.
    pub fn change_head(&mut self) -> &mut ResponseHead {
        self.head_from = 0;
        &mut self.head
    }

    /// As long as this stays the same, so does the head that the plugin gives.
    pub fn head_changes(&self) -> u64 {
        self.given.changes()
    }

    /// The plugin has a body of its own that must be closed.
    pub fn is_open(&self) -> bool {
        !self.body.is_null()
    }

    /// Calls `application`.
    pub fn start(&mut self) -> Step {
        let application = self.plugin.loaded.application;
        let result = self.inside(|call| {
            // SAFETY: `call` is this very call, alive while the plugin runs; `env` lives in it.
            let env = unsafe { &raw const *(*call).env };
            // SAFETY: `load` found this symbol in the plugin; the arguments are as the ABI says.
            unsafe { application(env, start_response) }
        });
        let body = match result {
            Ok(body) => body,
            Err(Thrown(what)) => return Step::Failed(what),
        };
        if body.is_null() {
            return Step::Failed("application returned NULL");
        }
        if self.was_made && body == self.token() {
            return match self.made.take() {
                Some(_) if !self.head_given => Step::Failed("it gave a body without a head"),
                Some(made) => Step::Host(made),
                None => Step::Failed("it returned a body that was released already"),
            };
        }
        self.made = None;
        // SAFETY: not null and not ours, so by the ABI it is a body of the plugin's, alive until
        // `close`; `size` is frozen as its first field.
        let size = unsafe { (*body).size };
        if (size as usize) < size_of::<raw::Body>() {
            return Step::Failed("its body's size is too small: set it to sizeof(csgi_body)");
        }
        // SAFETY: as above, and `size` says that all fields are there.
        let fields = unsafe { *body };
        if fields.next.is_none() || fields.close.is_none() {
            return Step::Failed("its body has no next or no close");
        }
        self.body = body;
        Step::Pending
    }

    /// Calls the body's `next`.
    pub fn pull(&mut self) -> Step {
        self.part_count = 0;
        let body = self.body;
        let result = self.inside(|call| {
            // SAFETY: `call` is this very call, alive while the plugin runs; only the address of
            // the array is taken.
            let parts = unsafe { (&raw mut (*call).parts).cast::<raw::Str>() };
            // SAFETY: `start` kept only a body whose fields are there, and it is not closed.
            let next = unsafe { (*body).next };
            let next = next.expect("start refuses a body without next");
            // SAFETY: `parts` has room for PARTS of them, as we say.
            unsafe { next(body, parts, PARTS as i32) }
        });
        let result = match result {
            Ok(result) => result,
            Err(Thrown(what)) => return Step::Failed(what),
        };
        match result {
            raw::END => Step::End,
            raw::PENDING => Step::Pending,
            raw::ERROR => Step::Failed("it reported an error"),
            1.. if result as usize <= PARTS => self.accept_parts(result as usize),
            1.. => Step::Failed("next returned more parts than it was asked for"),
            _ => Step::Failed("next returned a result that does not exist"),
        }
    }

    fn accept_parts(&mut self, count: usize) -> Step {
        if self.parts[..count].iter().any(|part| part.ptr.is_null() && part.len > 0) {
            return Step::Failed("next returned a part that points nowhere");
        }
        self.part_count = count;
        Step::Parts
    }

    /// The parts of the last `next`, valid until the next call of it: none of them is empty.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts[..self.part_count].iter().filter(|part| part.len > 0).map(|part| {
            // SAFETY: `accept_parts` refused null; the ABI keeps the bytes unchanged until the
            // next call of `next` or `close`, and both need `&mut self`.
            unsafe { std::slice::from_raw_parts(part.ptr.cast::<u8>(), part.len) }
        })
    }

    /// Calls `close`, if there is a body and it is still open.
    pub fn close(&mut self) {
        self.part_count = 0;
        let body = std::mem::replace(&mut self.body, ptr::null_mut());
        if body.is_null() {
            return;
        }
        let _ = self.inside(|_| {
            // SAFETY: `start` kept only a body whose fields are there; it was taken out above, so
            // this is the one call of `close`.
            let close = unsafe { (*body).close };
            let close = close.expect("start refuses a body without close");
            // SAFETY: as above.
            unsafe { close(body) }
        });
    }

    /// What `bytes` and `file` return: an address of this call's, so that no other body equals it.
    pub(super) fn token(&self) -> *mut raw::Body {
        (&raw const *self.env).cast_mut().cast()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.close();
    }
}
