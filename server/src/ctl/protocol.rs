//! What goes over the control socket: one JSON object a line, a request and then its reply, any
//! number of them on one connection.
//!
//! ```text
//! → {"version":1,"command":"crash","id":"20260102T030405-17-0"}
//! ← {"version":1,"result":{…}}   or   {"version":1,"error":"…"}
//! ```
//!
//! A field that a reader does not know is to be ignored; a change that old readers would
//! misunderstand gets a new version, which is refused by name.

use serde::{Deserialize, Serialize};

use crate::control::State;

pub const VERSION: u32 = 1;
/// No line is longer.
pub const LONGEST_LINE: u64 = 4 * 1024 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    pub version: u32,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Generations, workers, plugins. A `Status`.
    Status,
    /// Every request in flight, oldest first. A list of `InFlight`.
    Top,
    /// Read the configuration and the plugins anew. A `Begun`.
    Reload,
    /// Serve the version of a plugin before this one.
    Rollback { plugin: String },
    /// Start the server's own program anew, from its file.
    Upgrade,
    /// Replace all workers by new ones.
    Recycle,
    /// The records that are kept, newest first.
    Crashes,
    /// One record.
    Crash { id: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Reply {
    pub version: u32,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Result(serde_json::Value),
    Error(String),
}

impl Reply {
    pub fn new(answer: Answer) -> Self {
        let outcome = match answer {
            Ok(value) => Outcome::Result(value),
            Err(error) => Outcome::Error(error),
        };
        Self { version: VERSION, outcome }
    }

    pub fn into_answer(self) -> Answer {
        match self.outcome {
            Outcome::Result(value) => Ok(value),
            Outcome::Error(error) => Err(error),
        }
    }
}

/// What a command comes to; the error is for people.
pub type Answer = Result<serde_json::Value, String>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub uptime_seconds: u64,
    pub listening: Vec<String>,
    /// The generation that serves.
    pub generation: Option<u64>,
    /// A new one is being prepared, or is starting up.
    pub is_changing: bool,
    pub workers: Vec<WorkerStatus>,
    pub plugins: Vec<PluginStatus>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub pid: u32,
    pub generation: u64,
    /// starting, serving, draining or dying.
    pub phase: String,
    pub uptime_seconds: u64,
    pub connections: u32,
    pub running: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PluginStatus {
    pub name: String,
    pub source: String,
    /// Of the file that is served.
    pub version: Option<String>,
    pub hash: Option<String>,
    /// Why it is not served, or why its newest file is not.
    pub refusal: Option<String>,
}

/// A request that has come and is not answered whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InFlight {
    pub state: State,
    pub worker: u32,
    pub generation: u64,
    /// Of the worker, if it is inside the plugin now.
    pub thread: Option<usize>,
    /// None: a file.
    pub plugin: Option<String>,
    /// As in the log.
    pub request: Option<String>,
    /// Since the request began.
    pub age_ms: u64,
    /// Since the plugin was called for it this time, if it is inside it now.
    pub call_ms: Option<u64>,
}

/// A change has begun; `Status::is_changing` says when it is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begun {
    /// The generation that served when it began.
    pub generation: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_flat_object() {
        let json = r#"{"version":1,"command":"rollback","plugin":"shop","later":true}"#;
        let request: Request = serde_json::from_str(json).unwrap();
        assert_eq!(request.command, Command::Rollback { plugin: "shop".to_owned() });
        let reply = Reply::new(Err("no".to_owned()));
        assert_eq!(serde_json::to_string(&reply).unwrap(), r#"{"version":1,"error":"no"}"#);
        let reply = Reply::new(Ok(serde_json::json!([1])));
        assert_eq!(serde_json::to_string(&reply).unwrap(), r#"{"version":1,"result":[1]}"#);
    }
}
