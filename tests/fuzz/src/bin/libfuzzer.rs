//! libFuzzer around one target, the one that `TENON_FUZZ_TARGET` names; started by `run`.
#![no_main]

use std::sync::OnceLock;

use fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let target = CHOSEN.get_or_init(|| {
        let name = std::env::var("TENON_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|target| target.name == name);
        *found.expect("TENON_FUZZ_TARGET names a target")
    });
    (target.run)(bytes);
});
