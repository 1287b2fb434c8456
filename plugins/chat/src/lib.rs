//! Chat for the network labs. A *room* relays what its members say and knows no sockets; a *session*
//! is a browser's seat in it: a thread with a socket of its own, shown as server-sent events.
//!
//! The requests of one browser may reach any worker of the server. So a session has a *mailbox*, an
//! abstract Unix socket that only who knows its token can write to, and what the browser says finds
//! its session from every worker, without anything shared between them.
#![forbid(unsafe_code)]

mod mailbox;
mod page;
mod room;
mod serve;
mod session;

pub use mailbox::Mailbox;
pub use page::{CHARSET_SEAT, Page, Seat};
pub use room::{Out, Room};
pub use serve::{
    CHARSET, Guest, checked, config, config_port, given, guest, refuse, say, wrong_fields,
};
pub use session::{Session, open};
