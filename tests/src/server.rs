//! The built server as a process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::{PATIENCE, plugins, wait_until};

/// The program under test.
pub fn tenon() -> PathBuf {
    let program = plugins::target().join("tenon");
    assert!(program.exists(), "{} is missing: run cargo build --workspace", program.display());
    program
}

/// How a server is to be started.
pub struct Setup {
    program: PathBuf,
    environment: Vec<(String, String)>,
    command: String,
    arguments: Vec<String>,
    config: String,
    log_level: String,
    /// What starts the server in our place.
    wrapper: Option<(PathBuf, Vec<String>)>,
    folder: tempfile::TempDir,
}

impl Setup {
    /// `tenon serve` with an empty plugins folder, one worker, and a page at `/`.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        for name in ["plugins", "html"] {
            std::fs::create_dir(folder.path().join(name)).expect("the folder is new");
        }
        let setup = Self {
            program: tenon(),
            environment: Vec::new(),
            command: "serve".to_owned(),
            arguments: ["--listen", "127.0.0.1:0", "--workers", "1"].map(str::to_owned).to_vec(),
            config: String::new(),
            log_level: "debug".to_owned(),
            wrapper: None,
            folder,
        };
        std::fs::write(setup.folder.path().join("html/index.html"), "<h1>index</h1>")
            .expect("the folder can be written");
        setup
    }

    /// Another build of the server.
    pub fn program(mut self, program: PathBuf) -> Self {
        self.program = program;
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn command(mut self, command: &str) -> Self {
        self.command = command.to_owned();
        self
    }

    /// Puts a plugin into the plugins folder.
    #[track_caller]
    pub fn plugin(self, name: &str) -> Self {
        let library = plugins::library(name);
        std::fs::copy(library, self.plugins().join(format!("{name}.so")))
            .expect("it can be copied");
        self
    }

    /// Adds to tenon.toml.
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self.config.push('\n');
        self
    }

    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// How much the server logs; everything, unless told otherwise.
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Lets `program` start the server: it gets these arguments, and the server's command line.
    pub fn wrapped(mut self, program: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.wrapper = Some((program.to_owned(), arguments));
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub fn start(self) -> TestServer {
        let server = self.spawn();
        wait_until("the server says where it listens", || {
            server.output().contains("listening on") || server.has_ended()
        });
        assert!(!server.has_ended(), "the server has not started:\n{}", server.log());
        server
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(self) -> TestServer {
        if !self.config.is_empty() {
            std::fs::write(self.folder.path().join("tenon.toml"), &self.config)
                .expect("the folder can be written");
        }
        let mut command = match &self.wrapper {
            None => Command::new(&self.program),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.program);
                command
            }
        };
        let mut child = command
            .arg(&self.command)
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .env("TENON_LOG", &self.log_level)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let output = collect(child.stdout.take().expect("it is piped"));
        let log = collect(child.stderr.take().expect("it is piped"));
        TestServer { child: Mutex::new(child), output, log, folder: self.folder, is_checked: true }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Gathers what a process prints.
fn collect(stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let gathered = text.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = gathered.lock().expect("nobody panics with it");
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}

/// A running server; ended, and looked at once more, when it is dropped.
pub struct TestServer {
    child: Mutex<Child>,
    output: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    folder: tempfile::TempDir,
    is_checked: bool,
}

impl TestServer {
    /// What it has printed.
    pub fn output(&self) -> String {
        self.output.lock().expect("nobody panics with it").clone()
    }

    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits for a text in the log.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "not in the log: {text}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// Where it listens first.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let output = self.output();
        let line = output.lines().find_map(|line| line.strip_prefix("listening on http://"));
        let address = line.expect("it listens").trim_end_matches('/');
        address.parse().expect("an address and a port")
    }

    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// Puts a library into the plugins folder in one step.
    #[track_caller]
    pub fn drop_in(&self, library: &Path, name: &str) {
        let new = self.plugins().join(format!(".{name}.new"));
        std::fs::copy(library, &new).expect("it can be copied");
        std::fs::rename(&new, self.plugins().join(format!("{name}.so"))).expect("the same folder");
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().expect("nobody panics with it").id()
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// The processes of the server's workers.
    pub fn workers(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    pub fn has_ended(&self) -> bool {
        let mut child = self.child.lock().expect("nobody panics with it");
        child.try_wait().expect("it is our child").is_some()
    }

    #[track_caller]
    pub fn wait_for_end(&self) -> ExitStatus {
        wait_until("the server ends", || self.has_ended());
        let mut child = self.child.lock().expect("nobody panics with it");
        child.wait().expect("it is our child")
    }

    /// Ends it by SIGTERM.
    #[track_caller]
    pub fn stop(&self) -> ExitStatus {
        if !self.has_ended() {
            self.signal(Signal::TERM);
        }
        self.wait_for_end()
    }

    /// This test ends the server in a way of its own.
    pub fn unchecked(mut self) -> Self {
        self.is_checked = false;
        self
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let workers = self.workers();
        if std::thread::panicking() || !self.is_checked {
            if !self.has_ended() {
                self.child.lock().map(|mut child| child.kill()).ok();
            }
            self.child.lock().map(|mut child| child.wait()).ok();
            if std::thread::panicking() {
                eprintln!("--- output\n{}--- log\n{}", self.output(), self.log());
            }
            return;
        }
        let status = self.stop();
        let log = self.log();
        assert!(status.success(), "the server ended with {status}:\n{log}");
        assert!(!log.contains("panicked"), "something panicked:\n{log}");
        for worker in workers {
            wait_until("the workers are gone", || !is_running(worker));
        }
    }
}

#[track_caller]
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("no process has number 0");
    kill_process(pid, signal).expect("the process is there");
}

/// Is there such a process, other than a zombie?
pub fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|(state, _)| state != 'Z')
}

/// State and parent of a process (proc_pid_stat(5)).
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// The children of a process, zombies too.
pub fn children_of(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state(*pid).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// The children of a process that wait to be noticed as dead.
pub fn zombies_of(parent: u32) -> Vec<u32> {
    let children = children_of(parent).into_iter();
    children.filter(|pid| state(*pid).is_some_and(|(state, _)| state == 'Z')).collect()
}
