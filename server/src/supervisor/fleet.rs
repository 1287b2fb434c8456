//! The workers: starting one in each place of a generation, replacing one that dies, ending those of
//! a generation that is over, in bounded time.
//!
//! A *place* is a worker that there is to be; a *row* is where one writes in the scoreboard. They
//! are apart, because a worker that is dying goes on for a while beside its successor.

use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use nix::sys::signal::Signal;

use super::generation::Generation;
use super::policy::Backoff;
use super::spawn::Handle;
use super::{Event, Supervisor, announce};
use crate::control::Refusal;

/// Between two tries where something is missing that may be there soon: memory, a row.
const RETRY: Duration = Duration::from_millis(100);
/// How long a killed worker may take to end before it is killed again.
const KILLING: Duration = Duration::from_secs(10);
/// A worker that dies of a crash ends by itself in its time; so much later it is killed.
const DYING_MARGIN: Duration = Duration::from_secs(2);

pub enum Phase {
    Starting,
    Serving,
    /// Killed at that time.
    Draining(Instant),
    /// It has crashed, and saves what it can; killed at that time.
    Dying(Instant),
}

pub struct Worker {
    pub generation: Arc<Generation>,
    pub place: usize,
    pub row: usize,
    pub handle: Handle,
    pub phase: Phase,
    /// Another is starting in its place: when that is ready, this one hands over to it.
    pub has_successor: bool,
}

impl Worker {
    fn drain(&mut self, hand_over: bool) {
        self.handle.drain(hand_over);
        self.phase = Phase::Draining(Instant::now() + self.generation.config.timeouts.drain);
    }

    fn is_going_on(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Serving)
    }

    pub fn is_serving(&self) -> bool {
        matches!(self.phase, Phase::Serving)
    }

    /// Requests run in it, which may hang.
    pub fn runs_requests(&self) -> bool {
        !matches!(self.phase, Phase::Starting)
    }

    pub fn is_dying(&self) -> bool {
        matches!(self.phase, Phase::Dying(_))
    }

    fn is_of(&self, generation: &Option<Arc<Generation>>) -> bool {
        generation.as_ref().is_some_and(|one| one.number == self.generation.number)
    }
}

impl Supervisor {
    /// Starts the workers of a new generation.
    pub(super) fn begin(&mut self, generation: Generation) -> Result<(), String> {
        self.abandon_pending();
        self.next_generation += 1;
        self.breakers.carry_over(&generation);
        let generation = Arc::new(generation);
        self.pending = Some(generation.clone());
        for place in 0..generation.places() {
            self.start_worker(&generation, place)?;
            if self.pending.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn is_pending(&self, generation: &Generation) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.number == generation.number)
    }

    fn abandon_pending(&mut self) {
        if let Some(abandoned) = self.pending.take() {
            self.drain_all_but(&[], Some(abandoned.number));
        }
    }

    pub(super) fn start_worker(
        &mut self,
        generation: &Arc<Generation>,
        place: usize,
    ) -> Result<(), String> {
        let Some(row) = self.free_row(generation) else {
            tracing::warn!("too many workers are dying at once: a successor has to wait");
            self.restarts.push((Instant::now() + RETRY, place));
            return Ok(());
        };
        let started = generation.start_worker(place, row, self.options.dev);
        let (handle, child) = match started {
            Ok(started) => started,
            Err(error) if self.current.is_none() => {
                return Err(format!("cannot start a worker: {error}"));
            }
            Err(error) if self.is_pending(generation) => {
                tracing::error!("cannot start a worker: {error}: what serves now stays");
                self.abandon_pending();
                return Ok(());
            }
            // What is served goes on being served; there may be memory for it later.
            Err(error) => {
                tracing::error!("cannot start a worker: {error}");
                self.restarts.push((Instant::now() + Duration::from_secs(1), place));
                return Ok(());
            }
        };
        let number = self.next_worker;
        self.next_worker += 1;
        listen_to(number, &handle, child, self.sender.clone());
        let generation = generation.clone();
        let phase = Phase::Starting;
        let worker = Worker { generation, place, row, handle, phase, has_successor: false };
        self.workers.insert(number, worker);
        Ok(())
    }

    fn free_row(&self, generation: &Generation) -> Option<usize> {
        let workers = self.workers.values();
        let of_it = workers.filter(|worker| worker.generation.number == generation.number);
        let taken: Vec<_> = of_it.map(|worker| worker.row).collect();
        (0..generation.rows()).find(|row| !taken.contains(row))
    }

    pub(super) fn on_ready(&mut self, number: u64, refusals: &[Refusal]) {
        let Some(worker) = self.workers.get_mut(&number) else { return };
        for refusal in refusals {
            tracing::debug!("worker {}: {}", worker.handle.pid, refusal.reason);
        }
        if matches!(worker.phase, Phase::Starting) {
            worker.phase = Phase::Serving;
        }
        let (generation, place) = (worker.generation.number, worker.place);
        self.relieve(generation, place, number);
        let Some(pending) = self.pending.clone() else { return };
        let ready = self
            .workers
            .values()
            .filter(|worker| worker.generation.number == pending.number && worker.is_serving());
        if ready.count() == pending.places() {
            self.switch_to(pending);
        }
    }

    /// The worker `newest` serves in that place: its predecessor hands over to it.
    fn relieve(&mut self, generation: u64, place: usize, newest: u64) {
        for (number, worker) in &mut self.workers {
            let is_there = worker.generation.number == generation && worker.place == place;
            if is_there && *number < newest && worker.has_successor && worker.is_serving() {
                worker.drain(true);
            }
        }
    }

    fn switch_to(&mut self, generation: Arc<Generation>) {
        let is_first = self.current.is_none();
        let number = generation.number;
        self.pending = None;
        self.restarts.clear();
        self.backoffs = (0..generation.places()).map(|_| Backoff::default()).collect();
        self.current = Some(generation.clone());
        self.breakers.remember(&generation);
        self.drain_all_but(&[number], None);
        announce::print(&generation);
        if is_first {
            self.on_first_generation();
        } else {
            tracing::info!("generation {number} serves now");
        }
    }

    /// Drains the workers of all generations but those in `kept`, or of `only` that one.
    pub(super) fn drain_all_but(&mut self, kept: &[u64], only: Option<u64>) {
        for worker in self.workers.values_mut() {
            let number = worker.generation.number;
            let is_meant = only.is_none_or(|only| only == number) && !kept.contains(&number);
            if is_meant && worker.is_going_on() {
                worker.drain(!self.is_stopping);
            }
        }
    }

    /// A thread of it has crashed or hung: a successor starts at once, while it saves what it can.
    pub(super) fn on_dying(&mut self, number: u64) {
        let Some(mut worker) = self.workers.remove(&number) else { return };
        tracing::warn!("worker {} is dying{}", worker.handle.pid, running(&worker));
        self.collect_crashes(&mut worker);
        // One that starts up fails with its generation, and one that drains has its time already.
        if worker.is_serving() {
            let patience = worker.generation.config.timeouts.drain + DYING_MARGIN;
            worker.phase = Phase::Dying(Instant::now() + patience);
            if worker.is_of(&self.current) && !worker.has_successor && !self.is_stopping {
                self.restarts.push((Instant::now(), worker.place));
            }
        }
        self.workers.insert(number, worker);
    }

    pub(super) fn on_ended(
        &mut self,
        number: u64,
        status: &std::io::Result<ExitStatus>,
    ) -> Result<(), String> {
        let Some(mut worker) = self.workers.remove(&number) else { return Ok(()) };
        self.collect_crashes(&mut worker);
        log_end(&worker, status);
        self.remove_unused_copies();
        let present: Vec<_> = self.current.iter().chain(&self.pending).map(|one| &**one).collect();
        self.channels.empty_unused(&present);
        if worker.is_of(&self.pending) {
            self.abandon_pending();
            if self.current.is_none() {
                return Err("a worker could not start; the log says why".to_owned());
            }
            tracing::error!("a worker of the new generation could not start: the old one stays");
        } else if worker.is_of(&self.current)
            && worker.is_going_on()
            && !worker.has_successor
            && !self.is_stopping
        {
            let lived = worker.handle.started.elapsed();
            let delay = self.backoffs[worker.place].delay_after(lived);
            self.restarts.push((Instant::now() + delay, worker.place));
        }
        Ok(())
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let ends = self.workers.values().filter_map(|worker| match worker.phase {
            Phase::Draining(deadline) | Phase::Dying(deadline) => Some(deadline),
            Phase::Starting | Phase::Serving => None,
        });
        let restarts = self.restarts.iter().map(|(time, _)| *time);
        let hangs = self.workers.values().filter_map(super::hang::next_look);
        let recycle = self.current.as_ref().map(|current| &current.config.recycle);
        let recycling = recycle.and_then(super::recycle::next_look);
        let far = Instant::now() + Duration::from_secs(3600);
        let inquiries = self.inquiries.next_deadline();
        let all = ends.chain(restarts).chain(hangs).chain(recycling).chain(inquiries);
        all.min().unwrap_or(far)
    }

    /// Does what is due.
    pub(super) fn on_time(&mut self) -> Result<(), String> {
        let now = Instant::now();
        for worker in self.workers.values_mut() {
            match worker.phase {
                Phase::Draining(deadline) | Phase::Dying(deadline) if deadline <= now => {
                    let pid = worker.handle.pid;
                    tracing::warn!("worker {pid} has not finished in time{}", running(worker));
                    worker.handle.kill();
                    // It ends now; should that take long, it is killed again.
                    worker.phase = Phase::Draining(now + KILLING);
                }
                _ => super::hang::look(worker),
            }
        }
        self.answer_inquiries(now);
        self.recycle_what_is_due()?;
        let (due, later) = self.restarts.drain(..).partition(|(time, _)| *time <= now);
        self.restarts = later;
        let due: Vec<(Instant, usize)> = due;
        if let Some(current) = self.current.clone() {
            for (_, place) in due {
                self.start_worker(&current, place)?;
            }
        }
        Ok(())
    }
}

/// Passes on what a worker says, until its end.
fn listen_to(number: u64, handle: &Handle, mut child: Child, sender: Sender<Event>) {
    let control = handle.control.clone();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match rustix::io::read(&*control, &mut buffer) {
                Ok(0) => break,
                Ok(length) => match serde_json::from_slice(&buffer[..length]) {
                    Ok(message) => drop(sender.send(Event::Said(number, message))),
                    Err(error) => tracing::error!("unknown message of a worker: {error}"),
                },
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        // The receiver lives as long as the process.
        let _ = sender.send(Event::Ended(number, child.wait()));
    });
}

/// In which plugins a worker is, for a message.
fn running(worker: &Worker) -> String {
    let plugins = worker.generation.running_in(worker.row);
    match plugins.len() {
        0 => String::new(),
        _ => format!("; it was running plugin {}", plugins.join(", ")),
    }
}

fn log_end(worker: &Worker, status: &std::io::Result<ExitStatus>) {
    use std::os::unix::process::ExitStatusExt;
    let pid = worker.handle.pid;
    let how = match status {
        Ok(status) if status.success() && matches!(worker.phase, Phase::Draining(_)) => {
            return tracing::debug!("worker {pid} has finished");
        }
        Ok(status) => match status.signal().map(Signal::try_from) {
            Some(Ok(signal)) => format!("was killed by {signal}"),
            _ => format!("ended with {status}"),
        },
        Err(error) => format!("ended, and cannot be waited for: {error}"),
    };
    tracing::error!("worker {pid} {how}{}", running(worker));
}
