//! What was found out about a library, for people and as JSON.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It cannot be served.
    Refuse,
    /// It can, but may surprise.
    Warn,
    Note,
}

/// One plain line: what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub text: String,
}

/// The manifest as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    /// The header it was compiled with.
    pub abi: String,
    pub threadsafe: bool,
    pub nonblocking: bool,
    pub stream_input: bool,
    pub shared_lock: bool,
}

/// All about one file. Serialized, it is an element of the output of `tenon check --json`; keys are
/// only ever added.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub file: PathBuf,
    /// It can be served.
    pub ok: bool,
    pub findings: Vec<Finding>,
    pub manifest: Option<Manifest>,
    /// The libraries that it needs (DT_NEEDED).
    pub needed: Vec<String>,
    /// It looks for libraries beside itself (`$ORIGIN`).
    pub uses_origin: bool,
    /// It brings a Go runtime.
    pub go: bool,
}

impl Report {
    pub fn new(file: PathBuf) -> Self {
        Self {
            file,
            ok: true,
            findings: Vec::new(),
            manifest: None,
            needed: Vec::new(),
            uses_origin: false,
            go: false,
        }
    }

    pub fn refuse(&mut self, text: impl Into<String>) {
        self.ok = false;
        self.findings.push(Finding { level: Level::Refuse, text: text.into() });
    }

    pub fn warn(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { level: Level::Warn, text: text.into() });
    }

    pub fn note(&mut self, text: impl Into<String>) {
        self.findings.push(Finding { level: Level::Note, text: text.into() });
    }

    /// What may surprise.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        let warnings = self.findings.iter().filter(|finding| finding.level == Level::Warn);
        warnings.map(|finding| finding.text.as_str())
    }

    /// The first reason why it cannot be served: one line, with the file.
    pub fn refusal(&self) -> Option<String> {
        let first = self.findings.iter().find(|finding| finding.level == Level::Refuse)?;
        Some(format!("{}: {}", self.file.display(), first.text))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.ok { "ok" } else { "refused" };
        write!(formatter, "{}: {verdict}", self.file.display())?;
        if let Some(manifest) = &self.manifest {
            let name = if manifest.name.is_empty() { "unnamed" } else { &manifest.name };
            write!(formatter, ", {name} {}, CSGI {}", manifest.version, manifest.abi)?;
        }
        for finding in &self.findings {
            let level = match finding.level {
                Level::Refuse => "refused",
                Level::Warn => "warning",
                Level::Note => "note",
            };
            write!(formatter, "\n  {level}: {}", finding.text)?;
        }
        Ok(())
    }
}
