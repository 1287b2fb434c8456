//! What the end-to-end tests are written with: the built server, compiled plugins, a client that
//! sends exactly the bytes it is told to.

pub mod browser;
pub mod client;
pub mod labs;
pub mod load;
pub mod net;
pub mod plugins;
pub mod process;
pub mod python;
pub mod server;

use std::time::{Duration, Instant};

/// Nothing that these tests wait for takes longer, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
