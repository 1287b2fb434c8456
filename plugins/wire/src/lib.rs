//! What goes over a network wire, for the labs of chapters 4 to 6: texts as bytes, frames taken from
//! an interface and decoded layer by layer, pictures of them, and pcap files.
//!
//! Knows sockets, bytes and pictures; it knows nothing of plugins.
#![forbid(unsafe_code)]

mod capture;
mod frame;
pub mod hex;
mod interface;
mod ladder;
mod pcap;
mod text;

pub use capture::Capture;
pub use frame::{Field, Frame, Layer, TcpFacts};
pub use interface::Interface;
pub use ladder::{Arrow, ladder};
pub use pcap::pcap;
pub use text::{Charset, Decoded, Unmappable};
