//! Applications whose language plugin is not served: their addresses say so, as nobody else would.

use std::collections::HashSet;

use super::applications;
use super::catalog::{Scan, specify};
use crate::build;
use crate::config::Config;
use crate::control::{Language, Refusal};

/// A language plugin that is not served.
pub(super) struct Absent {
    /// Of the files that it would run.
    pub suffix: String,
    reason: String,
    is_told: bool,
}

impl Absent {
    /// One that did not compile.
    pub fn of(failure: &build::Failure) -> Option<Self> {
        Some(Self {
            suffix: failure.suffix.clone()?,
            reason: format!("plugin {}, which runs it, is not there: {failure}", failure.plugin),
            is_told: !matches!(failure.reason, build::Reason::PutOff),
        })
    }

    /// Python's: the one whose files are known before it is there, as they have the suffix of addresses.
    pub fn python() -> Self {
        let reason =
            "nothing here runs it: this folder has no plugin python (python.so) that is served";
        Self { suffix: ".py".to_owned(), reason: reason.to_owned(), is_told: true }
    }
}

/// The applications of language plugins that are not served, and which nothing else runs.
pub(super) fn leave_out(
    config: &Config,
    absent: &[Absent],
    taken: &HashSet<String>,
    scan: &mut Scan,
) {
    for Absent { suffix, reason, is_told } in absent {
        let language = Language { suffix: suffix.clone(), folder_files: Vec::new() };
        for (name, source) in applications::find(&config.plugins, &language, taken) {
            if scan.plugins.iter().any(|plugin| plugin.name == name) {
                continue;
            }
            let reason = format!("{}: {reason}", source.display());
            let refusal = Refusal { plugin: name.clone(), reason };
            if *is_told {
                scan.refusals.push(refusal.clone());
            }
            scan.plugins.push(specify(config, name, source, Err(refusal)));
        }
    }
}
