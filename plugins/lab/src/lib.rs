//! What the labs share: pages in two languages, experiments in processes of their own, live output.
//!
//! # A guide for the author of a lab
//!
//! A lab is a plugin: a crate of type `cdylib` in `plugins/NAME/` with `build =
//! "../lab/program.rs"` in its `Cargo.toml` (see `plugins/process/`), and this `src/lib.rs`:
//!
//! ```ignore
//! mod first;
//!
//! static LAB: Lab = Lab {
//!     name: "name",
//!     title: text("标题", "Title"),
//!     introduction: text("<p>…", "<p>…"),
//!     experiments: &[first::EXPERIMENT],
//! };
//! lab::program!(LAB);
//!
//! #[csgi::application(threadsafe, nonblocking)]
//! fn application(env: &Env) -> Response {
//!     lab::serve(&LAB, env)
//! }
//! ```
//!
//! A route of the lab's own is one `if` before `lab::serve`. Each experiment is a file that reads like
//! the lesson:
//!
//! ```ignore
//! pub const EXPERIMENT: Experiment = Experiment {
//!     name: "first",                        // /name.py/run/first
//!     title: text("…", "…"),
//!     lesson: text("<p>…", "<p>…"),         // HTML
//!     parameters: &[Parameter::integer("count", text("个数", "count"), 1, 8, 3)],
//!     source: include_str!("first.rs"),
//!     python: "",                           // the lesson's program, or nothing
//!     limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
//!     run,
//! };
//!
//! fn run(run: &mut Run) -> Outcome {
//!     let count = run.values.count("count");
//!     say!("父进程 {count}" | "parent {count}");            // a line of live output
//!     lab::progress(1, 2);
//!     run.value("seconds", text("用时", "time"), "1.0");    // something measured
//!     run.picture(text("图", "Picture"), &lab::svg::bars(&[("a".into(), 1.0)], "s"));
//!     run.file("capture.pcap", "application/vnd.tcpdump.pcap", &bytes);
//!     run.check(text("个数", "count"), 3, count);           // at least one: what the lesson says
//!     Ok(())
//! }
//! ```
//!
//! - `run` is in a fresh process with one thread, in an empty folder that only it may write to, under
//!   [`Limits`]. It may fork ([`fork()`]), start threads, open sockets on the loopback, exec programs.
//!   What it leaves running is ended. Plain `println!`, C and Python are shown too, line by line.
//! - [`multiprocessing`] has the course's `Process`, `Pool` and `Queue`.
//! - The parameters have been checked before it starts; a wrong one is a 400 with words for its field.
//! - An `Err`, a panic and a crash are said on the page; a run that checks nothing is an error.
//! - Sockets are bound to the loopback with port 0, unless [`Run::config`] names something else.
//! - The browser tests press every *Run* of every lab with its defaults and want every check to
//!   pass, so an experiment whose defaults show something wrong checks that it *is* wrong.
//!
//! # What a script sees
//!
//! `GET /name.py/run/first?count=3&lang=en` answers, unless `Accept` names `text/event-stream`:
//!
//! ```json
//! {
//!   "lab": "name", "experiment": "first", "parameters": {"count": "3"},
//!   "ok": true, "outcome": "passed", "seconds": 1.02, "message": "",
//!   "checks": [{"what": "count", "expected": "3", "found": "3", "ok": true}],
//!   "values": {"seconds": "1.0"},
//!   "output": [{"ms": 12, "pid": 4711, "text": "parent 3"}],
//!   "pictures": [{"title": "Picture", "svg": "<svg …"}],
//!   "files": [{"name": "capture.pcap", "media": "…", "base64": "…"}]
//! }
//! ```
//!
//! `outcome` is `passed`, `failed` (a check), `error` or `limit`; `message` says why. `pictures` and
//! `files` are there if there are any. The events of the stream have the same objects: `start` (it
//! has a place), `line`, `progress`, `check`, `value`, `picture`, `file` (in parts), and last `end`.
//! What is wrong with a request is `{"error": "parameters", "message": "…", "fields": [{"name", "message"}]}` with status
//! 400; 403, 404, 405 and 503 have the same shape. `GET /name.py/experiments` lists what there is.

mod centre;
mod descendants;
mod event;
mod experiment;
pub mod fork;
pub mod keeper;
mod launch;
pub mod multiprocessing;
mod output;
mod page;
mod parameter;
mod program;
pub mod run;
mod serve;
pub mod shared;
mod start;
mod stream;
pub mod svg;
mod text;

pub use experiment::{Experiment, Lab, Limits, Outcome};
pub use fork::{Fork, child, fork};
pub use launch::library;
pub use page::{POLICY, frame};
pub use parameter::{FieldError, Kind, Parameter, Values};
pub use run::{Run, lang, now_ms, progress};
pub use serve::{asked_lang, serve};
pub use text::{Lang, Text, escape, same, text};
