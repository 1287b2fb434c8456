//! The concurrent chat server of the lesson, with a page: browsers and plain TCP programs in one room.

mod experiment;
pub mod hub;
pub mod seat;

pub use experiment::EXPERIMENT;
