//! The same paths as `features.c`, as far as safe Rust can reach them.
#![forbid(unsafe_code)]

use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use csgi::{BodyStream, Env, Level, Next, Response};

static OPENED: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicUsize = AtomicUsize::new(0);

/// The number behind `name=` in the query.
fn number(env: &Env, name: &str, fallback: u64) -> u64 {
    let query = String::from_utf8_lossy(env.query()).into_owned();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(fallback)
}

fn alphabet(count: u64) -> Vec<u8> {
    (0..count).map(|index| b'a' + (index % 26) as u8).collect()
}

/// Counts how often bodies are made and dropped.
struct Counted<S>(S);

impl<S> Counted<S> {
    fn new(stream: S) -> Self {
        OPENED.fetch_add(1, Ordering::Relaxed);
        Self(stream)
    }
}

impl<S> Drop for Counted<S> {
    fn drop(&mut self) {
        CLOSED.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S: BodyStream> BodyStream for Counted<S> {
    fn next(&mut self, env: &Env) -> Next {
        self.0.next(env)
    }
}

fn stream(f: impl FnMut(&Env, usize) -> Next + Send + 'static) -> Response {
    text_head(Response::stream(Counted::new(steps(f))))
}

fn text_head(response: Response) -> Response {
    response.header("content-type", "text/plain")
}

/// Calls `f` with the number of the call.
fn steps(mut f: impl FnMut(&Env, usize) -> Next + Send) -> impl FnMut(&Env) -> Next + Send {
    let mut step = 0;
    move |env| {
        let next = f(env, step);
        step += 1;
        next
    }
}

fn show_env(env: &Env) -> Response {
    let names = [
        "REQUEST_METHOD",
        "SCRIPT_NAME",
        "PATH_INFO",
        "QUERY_STRING",
        "REQUEST_URI",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PROTOCOL",
        "REMOTE_ADDR",
        "REMOTE_PORT",
        "wsgi.url_scheme",
        "HTTP_HOST",
        "HTTP_USER_AGENT",
        "HTTP_X_Y",
        "HTTP_PROXY",
        "Method",
    ];
    let mut text = Vec::new();
    let mut line = |prefix: &str, name: &[u8], value: &[u8]| {
        text.extend([prefix.as_bytes(), name, b"=", value, b"\n"].concat());
    };
    for name in names {
        line("", name.as_bytes(), env.get(name).unwrap_or_default());
    }
    env.headers().for_each(|(name, value)| line("h:", name, value));
    env.variables().for_each(|(name, value)| line("v:", name, value));
    line("", b"config", env.config());
    let length = env.content_length().map_or(-1, |length| length as i64);
    line("", b"length", length.to_string().as_bytes());
    text_head(Response::bytes(text))
}

fn pending(env: &Env) -> Response {
    let wait = match env.path() {
        b"/wake-early" => 0,
        _ => number(env, "ms", 20),
    };
    let is_ready = Arc::new(AtomicBool::new(false));
    stream(move |env, step| {
        if step == 0 {
            let (waker, is_ready) = (env.waker(), is_ready.clone());
            let wake = move || {
                is_ready.store(true, Ordering::Release);
                waker.wake();
            };
            if wait == 0 {
                // Before Pending is returned: must not be lost.
                wake();
            } else {
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(wait));
                    wake();
                });
            }
            return Next::Pending;
        }
        match is_ready.swap(false, Ordering::AcqRel) {
            true => Next::part("woken\n"),
            // Woken once only; after that part the body ends.
            false => Next::End,
        }
    })
}

fn timer(env: &Env) -> Response {
    let (count, wait) = (number(env, "n", 3), Duration::from_millis(number(env, "ms", 20)));
    let mut tick = 0;
    let mut due = Instant::now();
    stream(move |env, _| {
        if tick == count {
            return Next::End;
        }
        if Instant::now() < due {
            return Next::Pending;
        }
        let Some(timer) = env.timer() else { return Next::Error("there is no timer".into()) };
        due = Instant::now() + wait;
        timer.wake_after(wait);
        tick += 1;
        Next::part(format!("data: {}\n\n", tick - 1))
    })
}

fn file(env: &Env) -> Result<Response, std::io::Error> {
    let mut file = std::fs::File::from(tempfile()?);
    file.write_all(&alphabet(number(env, "n", 100_000)))?;
    file.rewind()?;
    let length = number(env, "length", u64::MAX);
    let length = (length != u64::MAX).then_some(length);
    Ok(text_head(Response::file(file, number(env, "offset", 0), length)))
}

/// A file without a name.
fn tempfile() -> std::io::Result<std::os::fd::OwnedFd> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("probe-{}-{number}", std::process::id()));
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file.into())
}

fn echo(env: &Env) -> Result<Response, std::io::Error> {
    let mut body = Vec::new();
    env.body().read_to_end(&mut body)?;
    let response = Response::bytes(body);
    let content_type = env.header("content-type").map(String::from_utf8_lossy);
    Ok(match content_type {
        Some(content_type) => response.header("content-type", content_type.into_owned()),
        None => response,
    })
}

fn bad_heads(env: &Env) -> Response {
    let code = |result: Result<(), csgi::StartError>| match result {
        Ok(()) => 1,
        Err(csgi::StartError::Late) => -3,
        Err(csgi::StartError::Refused) => 0,
    };
    let codes = [
        code(env.start_response("200 OK", &[("x-a", "1\r\nset-cookie: b")])),
        code(env.start_response("200 OK", &[("transfer-encoding", "chunked")])),
        code(env.start_response("200 OK", &[("x a", "1")])),
        code(env.start_response("20 OK", &[])),
        code(env.start_response("101 Switching Protocols", &[])),
        code(env.start_response("200\0OK", &[])),
    ];
    let text: Vec<_> = codes.iter().map(i32::to_string).collect();
    text_head(Response::bytes(text.join(" ").into_bytes()))
}

fn once(text: &'static str, then: Next) -> Response {
    stream(move |_, step| if step == 0 { Next::part(text) } else { then.clone() })
}

#[csgi::application(threadsafe)]
fn application(env: &Env) -> Result<Response, std::io::Error> {
    Ok(match env.path() {
        b"/env" => show_env(env),
        b"/none" => return Err(std::io::Error::other("no response")),
        b"/panic" => panic!("on purpose"),
        b"/replace" => {
            let _ = env.start_response("404 Not Found", &[]);
            Response::text("replaced")
        }
        b"/stream" => {
            let (count, size) = (number(env, "n", 3), number(env, "size", 10));
            stream(move |_, step| match step < count as usize {
                true => Next::part(vec![b'x'; size as usize]),
                false => Next::End,
            })
        }
        b"/pending" | b"/wake-early" => pending(env),
        b"/timer" => timer(env),
        b"/late" => stream(|env, step| match step {
            0 => Next::part("first "),
            1 => match env.start_response("404 Not Found", &[]) {
                Err(csgi::StartError::Late) => Next::part("-3"),
                other => Next::part(format!("{other:?}")),
            },
            _ => Next::End,
        }),
        b"/never" => stream(|_, _| Next::Pending),
        b"/panic-mid" => stream(|_, step| match step {
            0 => Next::part("begun"),
            _ => panic!("in the middle"),
        }),
        b"/head-in-next" => {
            Response::headless(Counted::new(steps(|env: &Env, step: usize| match step {
                0 => match env.start_response("200 OK", &[("content-type", "text/plain")]) {
                    Ok(()) => Next::part("head in next"),
                    Err(error) => Next::Error(error.to_string()),
                },
                _ => Next::End,
            })))
        }
        b"/error-mid" => once("begun", Next::Error("given up".to_owned())),
        b"/no-head" => Response::headless(Counted::new(|_: &Env| Next::part("begun"))),
        b"/length-short" => once("begun", Next::End).header("content-length", "7"),
        b"/length-long" => once("12345678", Next::End).header("content-length", "5"),
        b"/bytes" => text_head(Response::bytes(alphabet(number(env, "n", 10)))),
        b"/file" => file(env)?,
        b"/echo" => echo(env)?,
        b"/count" => {
            let (mut total, mut buffer) = (0, [0; 7]);
            while let csgi::Input::Bytes(count) = env.read(&mut buffer)? {
                total += count;
            }
            Response::text(format!("{total} then -1"))
        }
        b"/early-hints" => {
            let _ = env.start_response("103 Early Hints", &[("link", "</style.css>; rel=preload")]);
            Response::text("hinted")
        }
        b"/head-bad" => bad_heads(env),
        b"/status" => {
            let code = number(env, "code", 200);
            Response::bytes(&b"body"[..]).status_line(format!("{code} Chosen"))
        }
        b"/log" => {
            env.log(Level::Warn, "said by the plugin");
            Response::text("logged")
        }
        b"/extension" => {
            let is_right = env.has_extension("csgi.timer/1") && !env.has_extension("com.example/1");
            Response::text(if is_right { "timer only" } else { "wrong" })
        }
        b"/sleep" => {
            std::thread::sleep(Duration::from_millis(number(env, "ms", 50)));
            Response::text("slept")
        }
        b"/id" => Response::text(env.id().to_string()),
        b"/pid" => Response::text(std::process::id().to_string()),
        _ => Response::text(format!(
            "opened={} closed={}",
            OPENED.load(Ordering::Relaxed),
            CLOSED.load(Ordering::Relaxed)
        )),
    })
}
