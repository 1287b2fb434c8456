//! A browser's seat: a thread that works for it, and the stream of events that it reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use csgi::{BodyStream, Env, Next, Response, Waker};
use serde_json::{Value, json};

use crate::mailbox::{Mailbox, post};
use crate::serve::refuse;

/// Sessions of one worker process at once.
const SESSION_LIMIT: usize = 64;
/// Events that wait for a slow browser; the oldest are lost first.
const EVENT_LIMIT: usize = 1000;
/// Something is sent at least so often, so that no timeout on the way strikes.
const BEAT: Duration = Duration::from_secs(10);

static SESSIONS: AtomicUsize = AtomicUsize::new(0);

struct State {
    events: VecDeque<String>,
    /// `None`: the browser has gone.
    waker: Option<Waker>,
    has_ended: bool,
}

/// What the thread of a session works with.
pub struct Session {
    state: Arc<Mutex<State>>,
    pub mailbox: Mailbox,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // The state is whole after every operation.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Shows something in the browser.
    pub fn tell(&self, kind: &str, value: &Value) {
        let mut state = lock(&self.state);
        if state.events.len() >= EVENT_LIMIT {
            state.events.pop_front();
        }
        state.events.push_back(format!("event: {kind}\ndata: {value}\n\n"));
        state.waker.as_ref().inspect(|waker| waker.wake());
    }

    /// The browser has gone, and the session is to end.
    pub fn is_over(&self) -> bool {
        lock(&self.state).waker.is_none()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.has_ended = true;
        state.waker.as_ref().inspect(|waker| waker.wake());
        SESSIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Begins a session: `work` runs in a thread until it returns or the browser goes away, which it
/// learns by [`Session::is_over`], at once after a letter.
pub fn open(env: &Env, work: impl FnOnce(Session) + Send + 'static) -> Response {
    if SESSIONS.fetch_add(1, Ordering::Relaxed) >= SESSION_LIMIT {
        SESSIONS.fetch_sub(1, Ordering::Relaxed);
        return refuse(
            503,
            "busy",
            "too many browsers chat here already; try again in a while",
            &[],
        )
        .header("retry-after", "10");
    }
    let mailbox = match Mailbox::new() {
        Ok(mailbox) => mailbox,
        Err(error) => {
            SESSIONS.fetch_sub(1, Ordering::Relaxed);
            return refuse(500, "error", &format!("cannot make a mailbox: {error}"), &[]);
        }
    };
    let state = State { events: VecDeque::new(), waker: Some(env.waker()), has_ended: false };
    let state = Arc::new(Mutex::new(state));
    let token = mailbox.token().to_owned();
    let session = Session { state: state.clone(), mailbox };
    session.tell("session", &json!({"session": token}));
    let thread = std::thread::Builder::new().name("chat".to_owned()).stack_size(256 << 10);
    // If there is no thread, the session is dropped, and with it its place.
    if let Err(error) = thread.spawn(move || work(session)) {
        return refuse(503, "busy", &format!("cannot start a thread: {error}"), &[]);
    }
    Response::stream(Stream { state, token, next_beat: Instant::now() + BEAT, is_timed: false })
        .header("content-type", "text/event-stream")
        .header("cache-control", "no-store")
}

/// What the browser reads.
struct Stream {
    state: Arc<Mutex<State>>,
    token: String,
    next_beat: Instant,
    is_timed: bool,
}

impl BodyStream for Stream {
    fn next(&mut self, env: &Env) -> Next {
        let (events, has_ended) = {
            let mut state = lock(&self.state);
            (state.events.drain(..).collect::<String>(), state.has_ended)
        };
        if !events.is_empty() {
            return Next::part(events);
        }
        if has_ended {
            return Next::End;
        }
        let now = Instant::now();
        let is_due = now >= self.next_beat;
        if is_due || !self.is_timed {
            (self.next_beat, self.is_timed) = (now + BEAT, true);
            // A little later than the deadline, so that it has passed.
            env.timer().inspect(|timer| timer.wake_after(BEAT + Duration::from_millis(50)));
        }
        // A comment: it means nothing, but the connection is seen to live.
        if is_due { Next::part(":\n\n") } else { Next::Pending }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        lock(&self.state).waker = None;
        // The thread may wait for a letter; if it has ended, nobody minds.
        let _ = post(&self.token, "");
    }
}
