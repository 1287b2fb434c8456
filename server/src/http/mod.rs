//! HTTP/1.1 as pure functions: bytes in, requests out; responses in, bytes out. No sockets here.

pub mod body;
pub mod characters;
pub mod coding;
pub mod compress;
pub mod conditional;
pub mod date;
mod fields;
pub mod forwarded;
pub mod glimpse;
pub mod head;
mod lines;
pub mod proxy_protocol;
pub mod range;
pub mod request_error;
pub mod request_id;
pub mod response;
pub mod status;
mod target;
