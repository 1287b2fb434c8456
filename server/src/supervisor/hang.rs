//! Requests that hang: a call into a plugin that is past its deadline is told so to its own thread,
//! which then ends as after a crash (`crate::crash::handler`), with 504 instead of 500.
//!
//! The scoreboard says when each call is due. Nobody polls: the supervisor looks when the first of
//! the calls that it knows is due, or when one that begins now could be.

use std::time::{Duration, Instant};

use super::fleet::Worker;
use crate::crash::handler;
use crate::worker::monitor::monotonic_milliseconds;

/// How long a thread that was told so may take to say that its process is dying.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at the least.
const LEAST: Duration = Duration::from_millis(50);

/// When a worker is to be looked at; `None`: it serves nothing.
pub fn next_look(worker: &Worker) -> Option<Instant> {
    if !worker.runs_requests() {
        return None;
    }
    let generation = &worker.generation;
    let earliest = generation.shortest_call;
    let now = monotonic_milliseconds();
    let row = generation.scoreboard.row(worker.row);
    let calls = generation.scoreboard.cells(worker.row).filter_map(|cell| {
        let running = cell.running()?;
        // A call that was told so has been dealt with: its thread gets its time.
        let is_told = cell.accused() == running.request;
        let patience = if is_told { PATIENCE } else { Duration::ZERO };
        let due = row.time_of(running.due).saturating_sub(now);
        Some(Duration::from_millis(due) + patience)
    });
    Some(Instant::now() + calls.fold(earliest, Duration::min).max(LEAST))
}

/// Interrupts the threads of a worker that are past their deadline.
pub fn look(worker: &mut Worker) {
    if !worker.runs_requests() {
        return;
    }
    let now = monotonic_milliseconds();
    let generation = worker.generation.clone();
    let row = generation.scoreboard.row(worker.row);
    for cell in generation.scoreboard.cells(worker.row) {
        let Some(running) = cell.running() else { continue };
        if row.time_of(running.due) > now {
            continue;
        }
        let late = Duration::from_millis(now - row.time_of(running.due));
        if cell.accused() != running.request {
            let plugin = generation.plugins.get(running.plugin as usize);
            let plugin = plugin.map_or("?", |plugin| plugin.name.as_str());
            tracing::error!(
                "plugin {plugin}, request {:x}: it is past its deadline and is given up",
                running.request
            );
            cell.accuse(running.request);
            handler::interrupt(worker.handle.pid, cell.thread());
        } else if late > PATIENCE && !worker.is_dying() {
            tracing::error!("worker {} does not react: killing it", worker.handle.pid);
            worker.handle.kill();
        }
    }
}
