//! What the supervisor and its workers say to each other: JSON messages, one per packet, over a
//! `SOCK_SEQPACKET` pair whose worker end is the worker's standard input. Descriptors travel with
//! `Start` only.
//!
//! End of file on that socket means that the other side is gone: a worker then drains and ends.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Isolation};
use crate::sandbox::Profile;

/// Supervisor → worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// First message, once. Descriptors, in this order: the specification (a memory file holding a
    /// `WorkerSpec` as JSON), the scoreboard, the crash area, the receiver of its pool's channel, the
    /// listeners in the order of `WorkerSpec`, then the sender of every pool's channel.
    Start,
    /// Say which requests wait; answered by `Waiting` with the same number.
    ListWaiting { inquiry: u64 },
    /// Open the files of the log anew: somebody has moved them away.
    Reopen,
    /// Stop accepting, finish what runs within `Timeouts::drain`, then exit with status 0.
    Drain {
        /// Others go on: every connection that can moves to them, and no client sees anything.
        /// Else idle connections end.
        hand_over: bool,
    },
}

/// Worker → supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToSupervisor {
    /// Every plugin is loaded or refused; the worker is accepting.
    Ready { refusals: Vec<Refusal> },
    /// The requests that no thread is inside a plugin for, oldest first; not all, if there are very
    /// many.
    Waiting { inquiry: u64, requests: Vec<Waiting> },
    /// A thread has crashed, or was stuck: the worker serves no more, hands over what it can, and
    /// ends. Written by a signal handler as it stands: `"Dying"`.
    Dying,
}

/// A request that no thread is inside a plugin for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waiting {
    pub state: State,
    /// Its number in the generation; none for a file, and for what is left of an answer.
    pub plugin: Option<u32>,
    pub request: Option<u64>,
    /// In ticks of the worker's clock; of an answer that is only being sent, since when its client
    /// takes no more.
    pub began: u32,
}

/// What a request in flight is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A thread is inside the plugin.
    Running,
    /// The plugin is to go on when it is woken.
    Pending,
    /// It waits for its turn in the plugin.
    Queued,
    /// The client is sending the body.
    Receiving,
    /// The client is taking the answer.
    Sending,
}

/// Why a plugin is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub plugin: String,
    /// One plain line: file, reason, remedy. In `dev` the lines of a failed build follow.
    pub reason: String,
}

/// Everything a worker needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// Which of the workers, from 0: also its row in the scoreboard.
    pub slot: usize,
    pub generation: u64,
    /// The pool that it is of; 0 is the main one, which accepts and serves files.
    pub pool: usize,
    /// For each plugin, in their order, the pool that serves it.
    pub pools: Vec<usize>,
    /// How many workers that pool has.
    pub workers: usize,
    /// Show reasons of refusals to clients.
    pub dev: bool,
    pub listen: Vec<SocketAddr>,
    pub config: Config,
    pub plugins: Vec<PluginSpec>,
    /// What the worker is to keep itself to.
    pub sandbox: Option<Profile>,
}

/// One plugin of a generation, in the order of its number in the scoreboard (from 0).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginSpec {
    pub name: String,
    /// The file as the user knows it, for messages.
    pub source: PathBuf,
    /// What to load, or why not.
    pub library: Result<Library, Refusal>,
    /// The plugin's `config` table as JSON; empty if there is none.
    pub config: String,
    /// It runs in processes of its own, which may do no more than this.
    pub isolation: Option<Isolation>,
    /// What it is asked in its trial: a path, which must not be answered with 500 or above.
    pub self_test: Option<String>,
    /// It is one that the library, a language plugin, runs.
    pub application: Option<Application>,
}

/// A plugin written in a language that another plugin runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// The name of the plugin that runs it, and that one's configuration.
    pub language: String,
    pub language_config: String,
    /// Where to read it from: a private copy of a file, or the folder itself.
    pub copy: PathBuf,
    /// SHA-256 of its content in hexadecimal.
    pub hash: String,
    /// Applications of one language share a process only if this is the same; its trial tells.
    #[serde(default)]
    pub group: String,
}

/// What a plugin says of the language that it runs (`csgi.language/1`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    /// Of files that are applications: `.py`.
    pub suffix: String,
    /// A folder with one of these files is an application too.
    pub folder_files: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// The private copy, named by its content.
    pub copy: PathBuf,
    /// SHA-256 of the content in hexadecimal.
    pub hash: String,
    /// As its manifest says.
    pub version: String,
}

/// What was found out about a plugin that can be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// It runs a language.
    pub language: Option<Language>,
    /// As an application: which others may share a process with it.
    pub group: String,
}
