//! `tenon ctl top`: every request that a thread is inside a plugin for, live.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::client::Client;
use super::command::{age, ask, print_json};
use super::protocol::{Command, InFlight, Status};

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
            "{HOME}tenon, process {}: {} workers, {connections} connections, {} requests in plugins\n\n{}",
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
        "{:>9}  {:<20}  {:>8}  {:>6}  {:>10}  {:>9}  REQUEST\n",
        "AGE", "PLUGIN", "WORKER", "THREAD", "GENERATION", "CALL"
    );
    for request in requests.iter().take(room) {
        let call = format!("{:.1} s", request.call_ms as f64 / 1000.0);
        let _ = writeln!(
            text,
            "{:>9}  {:<20}  {:>8}  {:>6}  {:>10}  {call:>9}  {}",
            age(request),
            request.plugin,
            request.worker,
            request.thread,
            request.generation,
            request.request
        );
    }
    if requests.len() > room {
        let _ = writeln!(text, "and {} more", requests.len() - room);
    }
    text
}
