//! CSGI, the C Server Gateway Interface: write plugins for native application servers in Rust.
//!
//! ```
//! use csgi::{Env, Response};
//!
//! #[csgi::application]
//! fn application(_env: &Env) -> Response {
//!     Response::text("Hello, world\n")
//! }
//! ```
//!
//! A crate of type `cdylib` with such a function is a plugin. The attribute takes what the plugin
//! promises: `threadsafe` (calls of different requests may overlap), `nonblocking` (no call waits
//! for anything), `stream_input` (the body is read as it arrives), `shared_lock` (calls compute
//! under one lock, so that more threads help only those that wait), and `name` and `version`, which
//! are the crate's otherwise. [`macro@init`] and [`macro@exit`] mark functions that run once in a
//! process, before the first request and after the last.
//!
//! A panic, and an `Err`, end one request with status 500 and a line in the log.
//!
//! The contract itself is `include/csgi.h`; [`raw`] has its layouts for hosts.

mod body;
mod env;
pub mod export;
mod host;
pub mod raw;
mod response;

pub use body::{BodyStream, Next};
pub use csgi_macros::{application, exit, init};
pub use env::{Env, Input, StartError};
pub use host::{Host, Level, Timer, Waker};
pub use response::{IntoResponse, Response};
