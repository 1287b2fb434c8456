//! Answers that are worth compressing, in every form that a plugin can give one, and some that must
//! stay as they are.
#![forbid(unsafe_code)]

use std::io::{Seek, Write};
use std::sync::Mutex;

use csgi::{Env, Next, Response, Waker};

/// Wakes the answer to `/live`.
static LIVE: Mutex<Option<Waker>> = Mutex::new(None);

/// Lines with their numbers: `count` bytes of them.
fn text(count: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= count {
            break;
        }
        text.push_str(&format!("line {number}: the same words again and again\n"));
    }
    text.truncate(count);
    text
}

fn in_file(text: &str) -> Response {
    let path = std::env::temp_dir().join(format!("tenon-texts-{}", std::process::id()));
    let options =
        std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path);
    let file = options.and_then(|mut file| {
        std::fs::remove_file(&path)?;
        file.write_all(b"not this")?;
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    });
    match file {
        Ok(file) => Response::file(file, 8, None).header("content-type", "text/plain"),
        Err(error) => Response::text(error.to_string()).status(500),
    }
}

/// In parts of 1000 bytes, without a pause.
fn in_parts(text: String) -> Response {
    let mut rest = text.into_bytes();
    Response::stream(move |_: &Env| {
        if rest.is_empty() {
            return Next::End;
        }
        let after = rest.split_off(rest.len().min(1000));
        Next::part(std::mem::replace(&mut rest, after))
    })
    .header("content-type", "text/plain")
}

/// `one`, then nothing until `/go` is asked for, then `two`.
fn live(env: &Env) -> Response {
    *LIVE.lock().expect("nobody panics with it") = Some(env.waker());
    let mut step = 0;
    Response::stream(move |_: &Env| {
        step += 1;
        match step {
            1 => Next::part("data: one\n\n"),
            2 => Next::Pending,
            3 => Next::part("data: two\n\n"),
            _ => Next::End,
        }
    })
}

#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    let count: usize =
        str::from_utf8(env.query()).ok().and_then(|n| n.parse().ok()).unwrap_or(5000);
    let text = text(count);
    let plain = || Response::text(text.clone());
    match env.path() {
        b"/lent" => Response::bytes(text.clone().into_bytes()).header("content-type", "text/plain"),
        b"/file" => in_file(&text),
        b"/parts" => in_parts(text),
        b"/declared" => in_parts(text).header("content-length", count.to_string()),
        b"/short" => in_parts(text).header("content-length", (count + 1).to_string()),
        b"/live" => live(env).header("content-type", "text/plain"),
        b"/events" => live(env).header("content-type", "text/event-stream"),
        b"/go" => {
            if let Some(waker) = LIVE.lock().expect("nobody panics with it").take() {
                waker.wake();
            }
            Response::text("gone")
        }
        b"/png" => Response::bytes(text.clone().into_bytes()).header("content-type", "image/png"),
        b"/fixed" => plain().header("cache-control", "max-age=1, no-transform"),
        b"/coded" => plain().header("content-encoding", "x-own"),
        b"/tag" => plain().header("etag", "\"v1\"").header("vary", "Cookie"),
        b"/same" => Response::empty(304).header("etag", "\"v1\""),
        _ => plain(),
    }
}
