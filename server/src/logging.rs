//! The log: lines on standard error, with UTC time, so that nobody's standard output is disturbed.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;

/// Names the variable that sets the level: error, warn, info, debug, trace or off.
const LEVEL: &str = "TENON_LOG";

/// Begins logging; once in a process. Children inherit the level with the environment.
pub fn start() {
    let chosen = std::env::var(LEVEL).ok();
    let level = chosen.as_deref().and_then(|text| text.parse().ok());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
    if let (Some(text), None) = (chosen, level) {
        tracing::warn!("{LEVEL} is {text:?}, expected error, warn, info, debug, trace or off");
    }
}
