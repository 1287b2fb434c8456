//! `tenon ctl top`: every request in flight, live.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::client::Client;
use super::command::{ask, print_json};
use super::protocol::{Command, InFlight, Status};
use crate::control::State;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Puts the cursor into the upper left corner and clears what is below it.
const HOME: &str = "\x1b[H\x1b[J";
const CLEAR: &str = "\x1b[2J";

/// Shows it until it is interrupted, or once; once only, too, where nobody sees it refresh.
pub fn run(client: &mut Client, once: bool, json: bool) -> Result<(), String> {
    if json {
        print_json(&client.ask(Command::Top)?);
        return Ok(());
    }
    let mut stdout = std::io::stdout();
    if once || !stdout.is_terminal() {
        let requests: Vec<InFlight> = ask(client, Command::Top)?;
        print!("{}", table(&requests, usize::MAX));
        return Ok(());
    }
    let mut screen = CLEAR.to_owned();
    loop {
        let status: Status = ask(client, Command::Status)?;
        let requests: Vec<InFlight> = ask(client, Command::Top)?;
        let connections: u32 = status.workers.iter().map(|worker| worker.connections).sum();
        let _ = write!(
            screen,
            "{HOME}tenon, process {}: {} workers, {connections} connections, {} requests in flight\n\n{}",
            status.pid,
            status.workers.len(),
            requests.len(),
            table(&requests, rows().saturating_sub(4))
        );
        // The terminal is gone.
        stdout.write_all(screen.as_bytes()).map_err(|error| error.to_string())?;
        stdout.flush().map_err(|error| error.to_string())?;
        screen.clear();
        std::thread::sleep(PAUSE);
    }
}

/// Lines of the terminal.
fn rows() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(24, |size| size.ws_row.into())
}

fn table(requests: &[InFlight], room: usize) -> String {
    let mut text = format!(
        "{:>9}  {:<20}  {:<9}  {:>8}  {:>6}  {:>10}  {:>9}  REQUEST\n",
        "AGE", "PLUGIN", "STATE", "WORKER", "THREAD", "GENERATION", "CALL"
    );
    let seconds = |milliseconds: u64| format!("{:.1} s", milliseconds as f64 / 1000.0);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for request in requests.iter().take(room) {
        let _ = writeln!(
            text,
            "{:>9}  {:<20}  {:<9}  {:>8}  {:>6}  {:>10}  {:>9}  {}",
            seconds(request.age_ms),
            request.plugin.as_deref().unwrap_or("(file)"),
            state(request.state),
            request.worker,
            or_dash(request.thread.map(|thread| thread.to_string())),
            request.generation,
            or_dash(request.call_ms.map(seconds)),
            request.request.as_deref().unwrap_or("-")
        );
    }
    if requests.len() > room {
        let _ = writeln!(text, "and {} more", requests.len() - room);
    }
    text
}

fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Pending => "pending",
        State::Queued => "queued",
        State::Receiving => "receiving",
        State::Sending => "sending",
    }
}
