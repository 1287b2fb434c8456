//! The second plugin of the course, in Rust: GET /b.py answers `<h1>hello b.py</h1>`.
#![forbid(unsafe_code)]

use csgi::{Env, Response};

// Calls may overlap, and none of them waits for anything.
#[csgi::application(threadsafe, nonblocking)]
fn application(_env: &Env) -> Response {
    Response::html("<h1>hello b.py</h1>").header("Bdpagetype", "1").header("Bduserid", "0")
}
