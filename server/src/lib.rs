//! The Tenon server. `main.rs` is the command line; `respond.rs` is the map of a request.

pub mod access_log;
pub mod breaker;
pub mod build;
pub mod check;
pub mod cli;
pub mod config;
pub mod connection;
pub mod control;
pub mod crash;
pub mod ctl;
pub mod error_page;
pub mod handoff;
pub mod http;
pub mod logging;
pub mod own_folder;
pub mod plugin;
pub mod respond;
pub mod route_cache;
pub mod router;
pub mod sandbox;
pub mod scoreboard;
pub mod static_files;
pub mod supervisor;
pub mod trial;
pub mod worker;
