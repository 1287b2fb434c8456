//! Headless Chromium, driven through chromedriver (the W3C WebDriver protocol).

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::Client;
use crate::labs::LAB_PATIENCE;

/// A Chromium with its driver and a profile of its own; it ends with this value.
struct Chromium {
    driver: Child,
    address: SocketAddr,
    /// In the path of every command; empty until there is one.
    session: String,
    process: Option<Pid>,
    _profile: tempfile::TempDir,
}

/// Starting one takes seconds of computing, so tests hand theirs on to the next. All end when no test
/// uses any: nothing else would end them, for what is static is never dropped.
struct Pool {
    idle: Vec<Chromium>,
    used: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), used: 0 });

fn pool() -> MutexGuard<'static, Pool> {
    // Nothing panics between two changes of it.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A browser that is a test's own while it has this value.
pub struct Browser {
    /// `None` only while it is dropped.
    chromium: Option<Chromium>,
}

impl Browser {
    /// `language` is what it asks pages for, such as `zh-CN`.
    #[track_caller]
    pub fn start(language: &str) -> Self {
        let idle = {
            let mut pool = pool();
            pool.used += 1;
            pool.idle.pop()
        };
        // From here on dropping it counts it out.
        let mut browser = Self { chromium: idle };
        browser.chromium.get_or_insert_with(Chromium::start);
        browser.devtools("Emulation.clearDeviceMetricsOverride", json!({}));
        browser.devtools("Emulation.setEmulatedMedia", json!({"features": []}));
        browser.devtools(
            "Emulation.setUserAgentOverride",
            json!({"userAgent": "", "acceptLanguage": language}),
        );
        // What another test has left there.
        browser.console_errors();
        browser
    }

    /// A command of the session, by POST; gives its value.
    #[track_caller]
    fn call(&self, command: &str, body: Value) -> Value {
        self.chromium.as_ref().expect("it is there until it is dropped").call(command, body)
    }

    #[track_caller]
    pub fn open(&self, url: &str) {
        self.call("/url", json!({"url": url}));
    }

    /// Runs JavaScript, the body of a function, and gives what it returns.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.call("/execute/sync", json!({"script": script, "args": []}))
    }

    /// Presses keys, as a person at the keyboard does.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for key in keys {
            actions.push(json!({"type": "keyDown", "value": key}));
            actions.push(json!({"type": "keyUp", "value": key}));
        }
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.call("/actions", json!({"actions": [keyboard]}));
    }

    /// A command of the Chrome DevTools protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.call("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    /// The size of the window, and whether it prefers the dark.
    #[track_caller]
    pub fn set_view(&self, width: u32, height: u32, is_dark: bool) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
            }),
        );
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Errors on the console since the last call.
    #[track_caller]
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.call("/se/log", json!({"type": "browser"}));
        let entries = log.as_array().expect("a log is a list");
        let errors = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        errors.map(|entry| entry["message"].to_string()).collect()
    }

    /// Writes a picture of the whole page (PNG).
    #[track_caller]
    pub fn screenshot(&self, file: &Path) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.devtools("Page.captureScreenshot", parameters);
        let base64 = picture["data"].as_str().expect("a picture is text");
        std::fs::write(file, decode(base64)).expect("the picture can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let chromium = self.chromium.take();
        let mut pool = pool();
        pool.used -= 1;
        // After a failure it may be in any state.
        if !std::thread::panicking()
            && let Some(chromium) = chromium
        {
            // The experiments of the page end with it.
            chromium.call("/url", json!({"url": "about:blank"}));
            pool.idle.push(chromium);
        }
        let unused = if pool.used == 0 { std::mem::take(&mut pool.idle) } else { Vec::new() };
        // Ending them takes a while.
        drop(pool);
        drop(unused);
    }
}

impl Chromium {
    #[track_caller]
    fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is room for temporary files");
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed; ./test installs it");
        let output = BufReader::new(driver.stdout.take().expect("it is piped"));
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let address = ([127, 0, 0, 1], port.expect("chromedriver says its port")).into();
        let folder = profile.path().display().to_string();
        let session = String::new();
        let mut chromium = Self { driver, address, session, process: None, _profile: profile };
        let session = chromium.call(
            "",
            json!({"capabilities": {"alwaysMatch": {
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {
                    "args": [
                        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                        "--no-first-run", "--disable-background-networking",
                        "--disable-component-update", "--disable-sync",
                        "--disable-dev-shm-usage", format!("--user-data-dir={folder}"),
                    ],
                },
            }}}),
        );
        let name = session["sessionId"].as_str().expect("a session has a name");
        chromium.session = format!("/{name}");
        let process = session["capabilities"]["goog:processID"].as_i64();
        chromium.process = process.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        chromium
    }

    /// As [`Browser::call`].
    #[track_caller]
    fn call(&self, command: &str, body: Value) -> Value {
        let body = body.to_string();
        let mut client = Client::connect(self.address);
        // A browser that starts on a busy machine takes its time.
        client.stream().set_read_timeout(Some(LAB_PATIENCE)).expect("the timeout is not zero");
        client.send(format!(
            "POST /session{}{command} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        ));
        let response = client.response();
        let answer: Value = serde_json::from_slice(&response.body).expect("WebDriver is JSON");
        assert_eq!(response.status, 200, "{command} {body}: {answer}");
        answer["value"].clone()
    }

    /// Chromium ends with its session; says whether it has.
    fn quit(&self) -> bool {
        let Ok(stream) = std::net::TcpStream::connect(self.address) else { return false };
        let mut client = Client::over(stream);
        client.try_send(format!(
            "DELETE /session{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            self.session
        ));
        client.try_response().is_ok_and(|response| response.status == 200)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // A driver that is killed would leave its browser behind.
        let has_quit = !self.session.is_empty() && self.quit();
        if !has_quit && let Some(process) = self.process {
            let _ = kill_process(process, Signal::KILL);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Base64 (RFC 4648), as the driver sends it.
fn decode(text: &str) -> Vec<u8> {
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
