//! Collects records in the supervisor: one thread lets them be examined, one after the other, keeps
//! the reports and says in the log what happened. Many crashes at once make it drop the later ones,
//! but for a line in the log: it must not take the machine's time from those who serve.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};

use super::area::Area;
use super::autopsy::{self, Circumstances};
use super::record::{BODY, Cause, HEAD, Numbers, Section};
use super::report::printable;
use super::signals;
use super::store::Store;
use crate::breaker;
use crate::config::Config;
use crate::control::PluginSpec;
use crate::own_folder::own_folder;

/// Records that may wait.
const QUEUE: usize = 8;

struct Job {
    circumstances: Circumstances,
    record: Vec<u8>,
}

pub struct Collector {
    pub store: Arc<Store>,
    jobs: Sender<Job>,
    redacts: bool,
}

/// Where the records of a server are kept.
///
/// # Errors
/// The usual folder cannot be made.
pub fn store(config: &Config) -> std::io::Result<Store> {
    let folder: PathBuf = match &config.crashes.folder {
        Some(folder) => folder.clone(),
        None => own_folder(&config.plugins)?.join("crashes"),
    };
    Ok(Store::new(folder, config.crashes.records, config.crashes.size))
}

impl Collector {
    /// # Errors
    /// No thread can be started, or there is no folder for the records.
    pub fn start(config: &Config) -> std::io::Result<Self> {
        let store = Arc::new(store(config)?);
        let (jobs, inbox) = bounded(QUEUE);
        let kept = store.clone();
        std::thread::Builder::new()
            .name("crashes".to_owned())
            .spawn(move || work(&inbox, &kept))?;
        Ok(Self { store, jobs, redacts: config.crashes.redact })
    }

    /// Takes the records of a worker that are not in `taken` yet. Gives the plugins that they are
    /// of, each with the fingerprint of its request.
    pub fn collect(
        &self,
        area: &Area,
        generation: u64,
        plugins: &[PluginSpec],
        taken: &mut HashSet<usize>,
    ) -> Vec<(usize, u64)> {
        let records = area.records().unwrap_or_else(|error| {
            tracing::error!("cannot read the crash area of a worker: {error}");
            Vec::new()
        });
        let mut new = Vec::new();
        for (index, numbers) in records {
            if !taken.insert(index) {
                continue;
            }
            let plugin = usize::try_from(numbers.plugin).ok().and_then(|one| plugins.get(one));
            let circumstances = Circumstances {
                id: id(&numbers, index),
                generation,
                plugin: plugin.map(without_secrets),
                redacts: self.redacts,
            };
            self.submit(area, index, circumstances, &numbers);
            if let (Ok(plugin), Ok(record)) = (usize::try_from(numbers.plugin), area.bytes(index)) {
                new.push((plugin, fingerprint(&numbers, &record)));
            }
        }
        new
    }

    fn submit(&self, area: &Area, index: usize, circumstances: Circumstances, numbers: &Numbers) {
        if self.jobs.is_full() {
            return log_short(&circumstances, numbers, "others are being examined");
        }
        let record = match area.bytes(index) {
            Ok(record) => record,
            Err(error) => return log_short(&circumstances, numbers, &error.to_string()),
        };
        match self.jobs.try_send(Job { circumstances, record }) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                log_short(&job.circumstances, numbers, "others are being examined");
            }
        }
    }
}

/// Of the request in a record.
fn fingerprint(numbers: &Numbers, record: &[u8]) -> u64 {
    let part = |section: Section, length: u64| {
        let begin = section.offset as usize;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(section.size);
        record.get(begin..begin + length).unwrap_or_default()
    };
    let (head, body) = (part(HEAD, numbers.head_length), part(BODY, numbers.body_length));
    breaker::fingerprint(numbers.plugin as u32, head, body)
}

/// What a record keeps of a plugin: not its configuration.
fn without_secrets(plugin: &PluginSpec) -> PluginSpec {
    let mut plugin = PluginSpec { config: String::new(), ..plugin.clone() };
    if let Some(application) = &mut plugin.application {
        application.language_config.clear();
    }
    plugin
}

/// Time, process, and the record's place in its area.
fn id(numbers: &Numbers, index: usize) -> String {
    let seconds = (numbers.time / 1_000_000_000).min(253_402_300_799);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let time = humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':', 'Z'], "");
    format!("{time}-{}-{index}", numbers.process as u32)
}

fn log_short(circumstances: &Circumstances, numbers: &Numbers, reason: &str) {
    let plugin = circumstances.plugin.as_ref().map_or("none", |plugin| plugin.name.as_str());
    let what = match numbers.cause() {
        Cause::Signal => signals::name(numbers.signal),
        Cause::Exit(status) => format!("exit with status {status}"),
        Cause::Hang => "a hang".to_owned(),
    };
    let request = numbers.request;
    tracing::error!("plugin {plugin}: {what}, request {request:x}; no record is kept: {reason}");
}

fn work(inbox: &Receiver<Job>, store: &Store) {
    while let Ok(Job { circumstances, record }) = inbox.recv() {
        let report = match autopsy::run(&circumstances, &record) {
            Ok(report) => report,
            Err(error) => {
                // What needs no other file than the record is safe to read here.
                let mut report = autopsy::without_stack(&circumstances, &record);
                report.notes.push(format!("the stack could not be read: {error}"));
                report
            }
        };
        tracing::error!("{}", printable(&report.headline()).replace('\n', " "));
        if let Err(error) = store.keep(&report) {
            tracing::error!("cannot keep the record {}: {error}", report.id);
        }
    }
}
