//! `tenon ctl`: asks the running server and prints what it says.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::client::{self, Client};
use super::protocol::{Begun, Command, Status};
use super::replay::{self, Outcome, Under};
use super::top;
use crate::config::Config;
use crate::crash::report::{Report, Summary, printable};

/// What is to be done.
pub enum Action {
    Status {
        json: bool,
    },
    Top {
        once: bool,
        json: bool,
    },
    Reload,
    Crashes {
        json: bool,
    },
    Crash {
        id: String,
        json: bool,
    },
    Replay {
        id: String,
        under: Under,
    },
    Upgrade,
    /// A command whose answer is a sentence.
    Say(Command),
}

/// How long a reload may take until nobody wants to wait for it.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);
/// The server itself says when an upgrade takes too long, after a time that only it knows.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(3600);

/// Does it. Exit status 1: the server has said no; 2: a request that was run again has crashed again.
pub fn run(config: &Config, action: Action) -> ExitCode {
    let mut has_failed = false;
    let outcome = client::find(config).and_then(|mut client| match action {
        Action::Status { json } => status(&mut client, json),
        Action::Top { once, json } => top::run(&mut client, once, json),
        Action::Reload => reload(&mut client),
        Action::Crashes { json } => crashes(&mut client, json),
        Action::Crash { id, json } => crash(&mut client, id, json),
        Action::Upgrade => {
            client.be_patient(UPGRADE_PATIENCE)?;
            say(&mut client, Command::Upgrade)
        }
        Action::Say(command) => say(&mut client, command),
        Action::Replay { id, under } => {
            let outcome = replay::run(&mut client, &id, under, config)?;
            has_failed = outcome == Outcome::Again;
            Ok(())
        }
    });
    match outcome {
        Ok(()) if has_failed => ExitCode::from(2),
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("tenon ctl: {reason}");
            ExitCode::from(1)
        }
    }
}

/// Asks for something of a known form.
pub(super) fn ask<T: DeserializeOwned>(client: &mut Client, command: Command) -> Result<T, String> {
    let value = client.ask(command)?;
    serde_json::from_value(value)
        .map_err(|error| format!("the server's answer is of another version: {error}"))
}

pub(super) fn print_json(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        println!("{text}");
    }
}

fn say(client: &mut Client, command: Command) -> Result<(), String> {
    match client.ask(command)? {
        Value::String(text) => println!("{text}"),
        other => print_json(&other),
    }
    Ok(())
}

fn status(client: &mut Client, json: bool) -> Result<(), String> {
    if json {
        print_json(&client.ask(Command::Status)?);
        return Ok(());
    }
    let status: Status = ask(client, Command::Status)?;
    let uptime = duration(status.uptime_seconds);
    println!("tenon {}, process {}, up {uptime}", status.version, status.pid);
    println!("listening on {}", status.listening.join(", "));
    let generation = status.generation.map_or("none yet".to_owned(), |number| number.to_string());
    let changing = if status.is_changing { ", the next one is on its way" } else { "" };
    println!("generation {generation}{changing}\n");
    println!(
        "{:>8}  {:>10}  {:<9}  {:>11}  {:>7}  UP",
        "WORKER", "GENERATION", "PHASE", "CONNECTIONS", "RUNNING"
    );
    for worker in &status.workers {
        println!(
            "{:>8}  {:>10}  {:<9}  {:>11}  {:>7}  {}",
            worker.pid,
            worker.generation,
            worker.phase,
            worker.connections,
            worker.running,
            duration(worker.uptime_seconds)
        );
    }
    println!("\n{:<20}  {:<12}  {:<12}  STATE", "PLUGIN", "VERSION", "HASH");
    for plugin in &status.plugins {
        let version = plugin.version.as_deref().unwrap_or("-");
        let hash = plugin.hash.as_deref().map_or("-", |hash| hash.get(..12).unwrap_or(hash));
        let reason = plugin.refusal.as_deref().and_then(|reason| reason.lines().next());
        let state = match (&plugin.hash, reason) {
            (Some(_), None) => "served".to_owned(),
            (Some(_), Some(reason)) => format!("served, but not its newest file: {reason}"),
            (None, reason) => format!("not served: {}", reason.unwrap_or_default()),
        };
        println!("{:<20}  {version:<12}  {hash:<12}  {state}", plugin.name);
    }
    Ok(())
}

/// Waits for the end of it, so that what comes next in a script finds the new generation.
fn reload(client: &mut Client) -> Result<(), String> {
    let begun: Begun = ask(client, Command::Reload)?;
    let deadline = Instant::now() + RELOAD_PATIENCE;
    let status = loop {
        let status: Status = ask(client, Command::Status)?;
        if !status.is_changing {
            break status;
        }
        if Instant::now() >= deadline {
            return Err("the new generation is not ready yet; see tenon ctl status".to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let refused: Vec<_> = status.plugins.iter().filter(|plugin| plugin.refusal.is_some()).collect();
    for plugin in &refused {
        let reason = plugin.refusal.as_deref().unwrap_or_default();
        println!("{}: {reason}", plugin.name);
    }
    match status.generation {
        Some(number) if status.generation != begun.generation => {
            println!("generation {number} serves now");
            Ok(())
        }
        _ => Err("the old generation still serves; the server's log says why".to_owned()),
    }
}

fn crashes(client: &mut Client, json: bool) -> Result<(), String> {
    if json {
        print_json(&client.ask(Command::Crashes)?);
        return Ok(());
    }
    let crashes: Vec<Summary> = ask(client, Command::Crashes)?;
    if crashes.is_empty() {
        println!("no crash is on record");
    }
    for crash in &crashes {
        let plugin = crash.plugin.as_deref().unwrap_or("-");
        let place = crash.place.as_deref().unwrap_or("-");
        let request = crash.request.as_deref().unwrap_or("-");
        let text = format!("{}  {plugin}  {}  {place}  {request}", crash.id, crash.event);
        println!("{}", printable(&text));
    }
    Ok(())
}

fn crash(client: &mut Client, id: String, json: bool) -> Result<(), String> {
    if json {
        print_json(&client.ask(Command::Crash { id })?);
        return Ok(());
    }
    let report: Report = ask(client, Command::Crash { id })?;
    print!("{}", printable(&report.to_string()));
    Ok(())
}

pub(super) fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
