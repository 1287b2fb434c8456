//! The smallest Rust plugin.
