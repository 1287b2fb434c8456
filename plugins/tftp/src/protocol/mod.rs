//! TFTP as a library: packets, options, one transfer, a client and a server.
//!
//! RFC 1350 with the options of RFC 2347, 2348 and 2349, and RFC 1123's rules of retransmission.

pub mod client;
pub mod files;
pub mod link;
pub mod lossy;
pub mod netascii;
pub mod options;
pub mod packet;
pub mod server;
pub mod transfer;

pub use client::{Client, Report};
pub use files::Root;
pub use link::{Event, Failure};
pub use lossy::Lossy;
pub use options::Options;
pub use packet::{Code, Kind, Mode, Packet, Request};
pub use server::{News, Server};

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
