//! Connections move between processes: one mechanism for a reload, a recycled worker, a new server
//! binary, a crash, a hang, and plugins that run in workers of their own.
//!
//! What moves is a connection whose next step needs no plugin code that has begun to run: idle,
//! in the middle of a head or of a request body, or with host-made bytes or a file on their way. Its
//! descriptor and what is buffered travel through a *channel*, a pair of `SOCK_SEQPACKET` sockets
//! that the supervisor makes once and that outlives every worker (`channel`). `message` is what is
//! on the wire, `evacuate` sends what can be sent from a worker that ends, `adopt` takes it in.
//!
//! Everything on the sending side works without the heap and without locks, because a signal
//! handler in a process whose heap may be broken runs it too (`crate::crash::handler`).

pub mod adopt;
pub mod channel;
pub mod evacuate;
pub mod message;
