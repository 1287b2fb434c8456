//! The experiments of this worker process: starts them, at most so many at once, and wakes the
//! requests that show them.
//!
//! One thread, started with the first experiment, asleep in epoll: so no thread of the server's is
//! held while an experiment runs, and none starts a process.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use csgi::Waker;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::launch;

/// Experiments of one lab in one worker process at once.
const RUNNING_LIMIT: usize = 4;
/// Those that wait for a place.
const WAITING_LIMIT: usize = 256;
/// The event that says: look at the queue.
const QUEUE: u64 = u64::MAX;
/// Set in the number of a run: the event is about its process, not its socket.
const PROCESS: u64 = 1 << 63;

/// An experiment that a request has asked for.
pub(crate) struct Ticket {
    request: Vec<u8>,
    waker: Waker,
    state: Mutex<State>,
}

pub(crate) enum State {
    Waiting,
    /// Its messages come from here.
    Running(OwnedFd),
    Failed(String),
}

impl Ticket {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Centre {
    /// A ticket that nobody holds any more is one whose browser has gone.
    waiting: Mutex<VecDeque<Weak<Ticket>>>,
    bell: OwnedFd,
    epoll: OwnedFd,
}

/// Why an experiment is not even waited for.
pub(crate) enum NotTaken {
    Full,
    Broken(io::Error),
}

/// Asks for an experiment; the waker is woken when there is news.
pub(crate) fn submit(request: Vec<u8>, waker: Waker) -> Result<Arc<Ticket>, NotTaken> {
    let centre = centre().map_err(NotTaken::Broken)?;
    let ticket = Arc::new(Ticket { request, waker, state: Mutex::new(State::Waiting) });
    {
        let mut waiting = centre.waiting();
        waiting.retain(|ticket| ticket.strong_count() > 0);
        if waiting.len() >= WAITING_LIMIT {
            return Err(NotTaken::Full);
        }
        waiting.push_back(Arc::downgrade(&ticket));
    }
    centre.ring().map_err(NotTaken::Broken)?;
    Ok(ticket)
}

/// Started with the first experiment.
fn centre() -> io::Result<&'static Centre> {
    static CENTRE: OnceLock<Centre> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _only_one = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(centre) = CENTRE.get() {
        return Ok(centre);
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &bell, EventData::new_u64(QUEUE), EventFlags::IN | EventFlags::ET)?;
    let centre = CENTRE.get_or_init(|| Centre { waiting: Mutex::default(), bell, epoll });
    std::thread::Builder::new()
        .name("lab-centre".to_owned())
        .spawn(|| Work::default().run(centre))?;
    Ok(centre)
}

impl Centre {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Weak<Ticket>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> io::Result<()> {
        rustix::io::write(&self.bell, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

/// What the thread knows.
#[derive(Default)]
struct Work {
    running: HashMap<u64, Running>,
    last_number: u64,
}

struct Running {
    keeper: Child,
    waker: Waker,
    /// Readable when the keeper has ended; leaves the epoll when it is dropped.
    _pidfd: OwnedFd,
}

impl Work {
    fn run(mut self, centre: &Centre) {
        let mut events = Vec::with_capacity(64);
        loop {
            events.clear();
            // Only EINTR is possible here.
            let _ = epoll::wait(&centre.epoll, spare_capacity(&mut events), None);
            for event in &events {
                match event.data.u64() {
                    QUEUE => {}
                    number if number & PROCESS != 0 => self.bury(number & !PROCESS),
                    number => {
                        self.running.get(&number).inspect(|running| running.waker.wake());
                    }
                }
            }
            while self.running.len() < RUNNING_LIMIT {
                let Some(ticket) = centre.waiting().pop_front() else { break };
                if let Some(ticket) = ticket.upgrade() {
                    self.start(centre, &ticket);
                }
            }
        }
    }

    /// A keeper has ended, and with it all of its experiment.
    fn bury(&mut self, number: u64) {
        if let Some(mut running) = self.running.remove(&number) {
            // It is a zombie by now: this does not wait.
            let _ = running.keeper.wait();
            running.waker.wake();
        }
    }

    fn start(&mut self, centre: &Centre, ticket: &Ticket) {
        let state = self.try_start(centre, ticket);
        *ticket.state() = state.unwrap_or_else(|error| State::Failed(error.to_string()));
        ticket.waker.wake();
    }

    fn try_start(&mut self, centre: &Centre, ticket: &Ticket) -> io::Result<State> {
        let (keeper, socket) = launch::launch(&ticket.request)?;
        self.last_number += 1;
        let number = self.last_number;
        // Until it is waited for, the number of the process is its own.
        let pidfd = pidfd_open(Pid::from_child(&keeper), PidfdFlags::empty())?;
        let (process, socket_event) = (EventData::new_u64(number | PROCESS), number);
        epoll::add(&centre.epoll, &pidfd, process, EventFlags::IN)?;
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&centre.epoll, &socket, EventData::new_u64(socket_event), flags)?;
        let waker = ticket.waker.clone();
        self.running.insert(number, Running { keeper, waker, _pidfd: pidfd });
        Ok(State::Running(socket))
    }
}
