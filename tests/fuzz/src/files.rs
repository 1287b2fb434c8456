//! Files: the configuration, and libraries before any of their code runs.

use std::path::Path;

use tenon::config::{self, Config};

/// A configuration is read, or refused with its file and line.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let file = Path::new("/etc/tenon.toml");
    match config::parse(text, file, Config::default()) {
        Ok(config) => {
            // As the supervisor hands it to a worker.
            let json = serde_json(&config);
            assert!(json.starts_with('{') && config.threads >= 2 && config.workers >= 1);
        }
        Err(error) => {
            let shown = error.to_string();
            let line =
                shown.strip_prefix("/etc/tenon.toml:").and_then(|rest| rest.split_once(": "));
            let (line, reason) = line.expect("file, line and reason");
            let line: usize = line.parse().expect("a line is a number");
            assert!(line >= 1 && line <= text.lines().count() + 1, "{shown}");
            assert!(!reason.is_empty());
        }
    }
}

/// A worker gets the configuration as text, so every valid one must have such a form.
fn serde_json(config: &Config) -> String {
    serde_json::to_string(config).expect("a configuration can be handed on")
}

/// A library is examined, or refused in one line that says where.
pub fn library(bytes: &[u8]) {
    let report = tenon::check::examine_bytes(Path::new("plugins/x.so"), bytes);
    if let Some(refusal) = report.refusal() {
        assert!(!refusal.is_empty() && !report.ok);
    } else {
        assert!(bytes.starts_with(b"\x7fELF"));
    }
}
