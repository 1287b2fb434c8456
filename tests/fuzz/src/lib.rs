//! What is fuzzed: every reader of bytes that come from others, each with what must always be so.
//! `src/bin/libfuzzer.rs` feeds it new bytes for hours, `tests/replay.rs` the committed ones in every
//! run of the tests, `tests/properties.rs` made ones that are nearly valid.

pub mod body;
pub mod files;
pub mod head;
pub mod proxies;
pub mod requests;

/// One reader under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Also the folder of its inputs in `corpus/`.
    pub name: &'static str,
    /// Panics if something is not as it must be.
    pub run: fn(&[u8]),
}

pub const TARGETS: &[Target] = &[
    Target { name: "head", run: head::fuzz },
    Target { name: "body", run: body::fuzz },
    Target { name: "configuration", run: files::configuration },
    Target { name: "library", run: files::library },
    Target { name: "proxy_protocol", run: proxies::proxy_protocol },
    Target { name: "forwarded", run: proxies::forwarded },
    Target { name: "range", run: requests::range },
    Target { name: "multipart", run: requests::multipart },
    Target { name: "preconditions", run: requests::preconditions },
    Target { name: "codings", run: requests::codings },
    Target { name: "path", run: requests::resolution },
];

/// Takes the first byte off: it says how the rest is split. Gives the ends of the pieces.
fn pieces(bytes: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((seed, rest)) = bytes.split_first() else { return (Vec::new(), bytes) };
    let step = usize::from(*seed) % 64 + 1;
    let ends = (step..rest.len()).step_by(step).chain([rest.len()]).collect();
    (ends, rest)
}
