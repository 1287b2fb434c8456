//! `tenon ctl`: the control socket of a running server, and the command that speaks to it.
//!
//! `protocol` is what is said, `place` is where the socket lies, `socket` is the server's side, a
//! thread of the supervisor that passes every command on to its loop; `client` and `command` are the
//! other side. The socket is for the server's own user and for root, and for nobody else.

pub mod client;
pub mod command;
pub mod place;
pub mod protocol;
pub mod replay;
pub mod socket;
mod top;
