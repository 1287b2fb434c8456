//! The labs, as scripts and as people use them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chat;
mod lessons;
mod pages;
mod regex;
mod safety;
mod servers;
mod tcp;
mod tftp;
mod udp;
