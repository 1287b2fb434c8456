//! CSGI, the C Server Gateway Interface: plugins for native application servers, in Rust.

pub mod raw;
