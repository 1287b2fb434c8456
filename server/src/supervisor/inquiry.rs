//! Every request in flight, for `tenon ctl top`: what threads are inside of is in the scoreboards;
//! the workers are asked what waits, and the answer is complete when all of them have said so, or when
//! one takes too long.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;

use super::Supervisor;
use super::answer::to_json;
use super::fleet::Worker;
use crate::control::{State, Waiting};
use crate::ctl::protocol::{Answer, InFlight};
use crate::worker::monitor::monotonic_milliseconds;

/// For the workers' answers. One whose threads are all at work says nothing before.
const PATIENCE: Duration = Duration::from_millis(300);

/// Questions under way.
#[derive(Default)]
pub(super) struct Inquiries {
    last: u64,
    open: Vec<Inquiry>,
}

struct Inquiry {
    number: u64,
    reply: Sender<Answer>,
    /// Workers that have not answered.
    missing: BTreeSet<u64>,
    waiting: Vec<InFlight>,
    until: Instant,
}

impl Inquiries {
    pub fn next_deadline(&self) -> Option<Instant> {
        self.open.iter().map(|inquiry| inquiry.until).min()
    }
}

impl Supervisor {
    /// Asks the workers; the answer goes to `reply`.
    pub(super) fn inquire(&mut self, reply: Sender<Answer>) {
        self.inquiries.last += 1;
        let number = self.inquiries.last;
        let asked = self.workers.iter().filter(|(_, worker)| worker.runs_requests());
        let missing = asked
            .filter(|(_, worker)| !worker.is_dying() && worker.handle.list_waiting(number))
            .map(|(worker, _)| *worker)
            .collect();
        let until = Instant::now() + PATIENCE;
        let waiting = Vec::new();
        self.inquiries.open.push(Inquiry { number, reply, missing, waiting, until });
    }

    pub(super) fn on_waiting(&mut self, number: u64, inquiry: u64, requests: &[Waiting]) {
        let Some(worker) = self.workers.get(&number) else { return };
        let Some(inquiry) = self.inquiries.open.iter_mut().find(|one| one.number == inquiry) else {
            return;
        };
        inquiry.missing.remove(&number);
        inquiry.waiting.extend(requests.iter().map(|request| in_flight(worker, request)));
    }

    /// Answers what is complete, or has waited long enough.
    pub(super) fn answer_inquiries(&mut self, now: Instant) {
        let workers = &self.workers;
        let is_open = |inquiry: &mut Inquiry| {
            inquiry.missing.retain(|worker| workers.contains_key(worker));
            !inquiry.missing.is_empty() && inquiry.until > now
        };
        for inquiry in self.inquiries.open.extract_if(.., |inquiry| !is_open(inquiry)) {
            let mut requests = inquiry.waiting;
            requests.extend(workers.values().flat_map(running));
            requests.sort_by_key(|request| std::cmp::Reverse(request.age_ms));
            // Who asked may have gone.
            let _ = inquiry.reply.send(to_json(&requests));
        }
    }
}

fn in_flight(worker: &Worker, request: &Waiting) -> InFlight {
    let row = worker.generation.scoreboard.row(worker.row);
    InFlight {
        state: request.state,
        worker: worker.handle.pid,
        generation: worker.generation.number,
        thread: None,
        plugin: request.plugin.and_then(|plugin| plugin_name(worker, plugin)),
        request: request.request.map(|id| format!("{id:x}")),
        age_ms: monotonic_milliseconds().saturating_sub(row.time_of(request.began)),
        call_ms: None,
    }
}

/// What the threads of a worker are inside of.
fn running(worker: &Worker) -> impl Iterator<Item = InFlight> {
    let scoreboard = &worker.generation.scoreboard;
    let row = scoreboard.row(worker.row);
    let now = monotonic_milliseconds();
    let since = move |tick: u32| now.saturating_sub(row.time_of(tick));
    scoreboard.cells(worker.row).enumerate().filter_map(move |(thread, cell)| {
        let running = cell.running()?;
        Some(InFlight {
            state: State::Running,
            worker: worker.handle.pid,
            generation: worker.generation.number,
            thread: Some(thread),
            plugin: plugin_name(worker, running.plugin),
            request: Some(format!("{:x}", running.request)),
            age_ms: since(running.began),
            call_ms: Some(since(running.entered)),
        })
    })
}

fn plugin_name(worker: &Worker, number: u32) -> Option<String> {
    Some(worker.generation.plugins.get(number as usize)?.name.clone())
}
