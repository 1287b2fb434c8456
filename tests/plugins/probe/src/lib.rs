//! Every CSGI feature as a Rust plugin uses it.
