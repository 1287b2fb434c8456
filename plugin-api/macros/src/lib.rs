//! The attributes of the `csgi` crate.
