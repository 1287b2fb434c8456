//! End to end: the built server, real sockets, real libraries, real peers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access_log;
mod bodies;
mod breaker;
mod broadcast;
mod cli;
mod crash;
mod csgi;
mod ctl;
mod dev;
mod fairness;
mod handoff;
mod http;
mod isolation;
mod languages;
mod limits;
mod peers;
mod pools;
mod proxies;
mod python;
mod python_build;
mod python_faults;
mod python_frameworks;
mod python_load;
mod python_lock;
mod python_package;
mod readme;
mod records;
mod serving;
mod streaming;
mod supervisor;
mod upgrade;
mod versions;
mod zoo;
