//! Tenon: a native application server. ARCHITECTURE.md has the picture; `respond` is the map.

pub mod config;
pub mod control;
