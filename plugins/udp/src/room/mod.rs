//! The chat room of the lesson, with a page: browsers and plain UDP programs in one room.

mod experiment;
pub mod hub;
pub mod seat;

pub use experiment::EXPERIMENT;
