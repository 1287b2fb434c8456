//! The same paths as `streaming.c`, in Rust.
#![forbid(unsafe_code)]

use csgi::{BodyStream, Env, Input, Next, Response};

/// Sends back what arrives.
struct Echo {
    is_raw: bool,
    is_done: bool,
}

impl BodyStream for Echo {
    fn next(&mut self, env: &Env) -> Next {
        if self.is_done {
            return Next::End;
        }
        let mut buffer = [0; 4096];
        match env.read(&mut buffer) {
            Ok(Input::Bytes(count)) => {
                self.is_done = self.is_raw && buffer[..count].ends_with(b"quit\n");
                Next::part(&buffer[..count])
            }
            Ok(Input::Pending) => Next::Pending,
            Ok(Input::End) => Next::End,
            Err(error) => Next::Error(error.to_string()),
        }
    }
}

#[csgi::application(threadsafe, nonblocking, stream_input)]
fn application(env: &Env) -> Response {
    match env.path() {
        b"/ignore" => Response::bytes(&b"ignored"[..]),
        b"/upgrade" if env.may_upgrade() => {
            Response::upgrade("echo", Echo { is_raw: true, is_done: false })
        }
        b"/upgrade" => Response::bytes(&b"upgrade"[..]).status(426),
        _ => Response::stream(Echo { is_raw: false, is_done: false }),
    }
}
