//! Two people, each with a socket, a thread that sends and a thread that receives: the lesson's QQ.

mod experiment;
pub mod seat;

pub use experiment::EXPERIMENT;
