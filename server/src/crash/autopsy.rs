//! An autopsy: a record of bytes becomes a report, in a process of its own. What a dying plugin left
//! behind, and the files it came from, may have been made to mislead whoever reads them: this process
//! has nothing to lose, few resources and little time.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};
use zerocopy::FromBytes;

use super::lines::Line;
use super::modules::{self, Module};
use super::record::{
    BODY, Cause, HEAD, LAYOUT, LINES, MAPS, Numbers, REGISTER_NAMES, REGISTERS, Registers, STACK,
    Section,
};
use super::report::{Frame, Report};
use super::symbols::Symbols;
use super::unwind::{self, Stack};
use super::{request, signals};
use crate::control::PluginSpec;

/// What it may take.
const TIME: Duration = Duration::from_secs(20);
const MEMORY: u64 = 4 << 30;
/// No report is longer.
const LONGEST_REPORT: u64 = 1 << 20;

/// What is known of a record without reading what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Circumstances {
    pub id: String,
    pub generation: u64,
    pub plugin: Option<PluginSpec>,
    /// Hide the values of header fields, and the body.
    pub redacts: bool,
}

/// The hidden command `tenon autopsy`: standard input is a line of JSON with the circumstances, then
/// the record; the report goes to standard output.
pub fn command() -> ExitCode {
    confine();
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut line = String::new();
    let mut bytes = Vec::new();
    let read = input.read_line(&mut line).and_then(|_| input.read_to_end(&mut bytes));
    let circumstances: Result<Circumstances, String> = read
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_str(&line).map_err(|error| error.to_string()));
    let report = circumstances.and_then(|circumstances| {
        serde_json::to_vec(&examine(&circumstances, &bytes)).map_err(|error| error.to_string())
    });
    let said = report
        .and_then(|json| std::io::stdout().write_all(&json).map_err(|error| error.to_string()));
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tenon autopsy: {error}");
            ExitCode::from(100)
        }
    }
}

fn confine() {
    let limits = [
        (Resource::Core, 0),
        (Resource::As, MEMORY),
        (Resource::Cpu, TIME.as_secs()),
        (Resource::Fsize, 0),
        (Resource::Nofile, 64),
    ];
    for (resource, limit) in limits {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        // A lower limit is in force already.
        let _ = rustix::process::setrlimit(resource, limit);
    }
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
}

/// Runs an autopsy in a child, and waits for it. From a thread that lives as long as it takes.
///
/// # Errors
/// In plain words: it could not be started, crashed, or took too long.
pub fn run(circumstances: &Circumstances, record: &[u8]) -> Result<Report, String> {
    let input = || {
        let flags = MemfdFlags::CLOEXEC;
        let mut file = std::fs::File::from(rustix::fs::memfd_create("tenon-autopsy", flags)?);
        file.write_all(&serde_json::to_vec(circumstances)?)?;
        file.write_all(b"\n")?;
        file.write_all(record)?;
        file.rewind()?;
        Ok(file)
    };
    let input = input().map_err(|error: std::io::Error| format!("no memory for it: {error}"))?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("tenon")
        .arg("autopsy")
        .stdin(Stdio::from(input))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start a process for it: {error}"))?;
    let said = read_all(&mut child).recv_timeout(TIME);
    // Not yet waited for, it holds the number of the group.
    if said.is_err() {
        let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for it: {error}"))?;
    let json = said.map_err(|_| format!("it took more than {} s", TIME.as_secs()))?;
    if !status.success() {
        return Err(format!("it ended with {status}"));
    }
    serde_json::from_slice(&json).map_err(|error| format!("its report is not whole: {error}"))
}

/// Reads on a thread of its own, so that there is an end to waiting.
fn read_all(child: &mut Child) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut json = Vec::new();
            // What is cut off is no JSON.
            let _ = output.take(LONGEST_REPORT).read_to_end(&mut json);
            let _ = sender.send(json);
        });
    }
    receiver
}

/// The report of a record but for its stack: what needs no other file.
pub fn without_stack(circumstances: &Circumstances, record: &[u8]) -> Report {
    report(circumstances, record, Vec::new(), Vec::new())
}

/// The report of a record.
pub fn examine(circumstances: &Circumstances, record: &[u8]) -> Report {
    let numbers = numbers(record);
    let mut notes = Vec::new();
    let maps = String::from_utf8_lossy(section(record, MAPS, numbers.maps_length));
    let stack =
        Stack { start: numbers.stack_start, bytes: section(record, STACK, numbers.stack_length) };
    let modules = open_modules(&maps, &mut notes);
    let mut symbols = Symbols::new(&modules);
    let mut frames = Vec::<Frame>::new();
    for address in unwind::unwind(&registers(record), &stack, &modules) {
        symbols.frames(address, &mut frames);
    }
    report(circumstances, record, frames, notes)
}

fn numbers(record: &[u8]) -> Numbers {
    Numbers::from_bytes(record).unwrap_or_default()
}

fn report(
    circumstances: &Circumstances,
    record: &[u8],
    frames: Vec<Frame>,
    mut notes: Vec<String>,
) -> Report {
    let numbers = numbers(record);
    if numbers.layout != LAYOUT {
        notes.push("the record is of another version of the server".to_owned());
    }
    let (event, detail, address) = describe(&numbers);
    let body = section(record, BODY, numbers.body_length);
    let head = section(record, HEAD, numbers.head_length);
    let request = (numbers.request != 0 || !head.is_empty()).then(|| {
        let redacts = circumstances.redacts;
        request::read(numbers.request, head, body, numbers.body_length, redacts)
    });
    let registers = REGISTER_NAMES.iter().zip(registers(record).0);
    Report {
        id: circumstances.id.clone(),
        time: time(numbers.time),
        event,
        detail,
        address,
        plugin: circumstances.plugin.clone(),
        generation: circumstances.generation,
        process: numbers.process,
        thread: numbers.thread,
        request,
        frames,
        registers: registers.map(|(name, value)| ((*name).into(), format!("{value:#x}"))).collect(),
        lines: lines(section(record, LINES, numbers.lines_length)),
        notes,
    }
}

/// What there is of a section: lengths in a record are as bad as anything else in it.
fn section(record: &[u8], section: Section, length: u64) -> &[u8] {
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(section.size);
    let start = section.offset as usize;
    record.get(start..start + length).unwrap_or_default()
}

fn registers(record: &[u8]) -> Registers {
    let bytes = section(record, REGISTERS, size_of::<Registers>() as u64);
    Registers::read_from_bytes(bytes).unwrap_or_default()
}

fn open_modules(maps: &str, notes: &mut Vec<String>) -> Vec<Module> {
    let mut found = Vec::new();
    for mapping in modules::mappings(maps) {
        match Module::open(mapping) {
            Ok(module) => found.push(module),
            Err(reason) => notes.push(reason),
        }
    }
    found
}

fn describe(numbers: &Numbers) -> (String, Option<String>, Option<String>) {
    let code = numbers.code as i32;
    match numbers.cause() {
        Cause::Exit(status) => ("exit".to_owned(), Some(format!("status {status}")), None),
        Cause::Hang => ("hang".to_owned(), None, None),
        Cause::Signal => {
            let detail = signals::code(numbers.signal, code).map(str::to_owned);
            // Only the processor's own signals have one: their code is above zero.
            let address = (code > 0 && numbers.signal != libc::SIGABRT as u64)
                .then(|| format!("{:#x}", numbers.address));
            (signals::name(numbers.signal), detail, address)
        }
    }
}

fn lines(bytes: &[u8]) -> Vec<(String, String)> {
    let mut lines: Vec<_> = Line::from_bytes(bytes).collect();
    lines.sort_unstable();
    let level = |level| match level {
        csgi::raw::LOG_ERROR => "error",
        csgi::raw::LOG_WARN => "warn",
        csgi::raw::LOG_DEBUG => "debug",
        _ => "info",
    };
    let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    lines.into_iter().map(|(_, number, line)| (level(number).to_owned(), text(line))).collect()
}

fn time(nanoseconds: u64) -> String {
    // The formatter knows the years up to 9999.
    let seconds = (nanoseconds / 1_000_000_000).min(253_402_300_799);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_make_a_report() {
        let circumstances =
            Circumstances { id: "x".to_owned(), generation: 1, plugin: None, redacts: true };
        for byte in [0, 1, 0x7f, 0xff] {
            let size = super::super::record::RECORD_SIZE as usize;
            for length in [0, 100, 5000, size] {
                let report = examine(&circumstances, &vec![byte; length]);
                assert_eq!(report.id, "x");
            }
        }
    }
}
