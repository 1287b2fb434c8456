//! Python for the tests: virtual environments that are made once, and servers written in it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use crate::plugins::{root, target};

/// The Python that the plugin is built for: PyO3 finds the same one.
pub fn python() -> PathBuf {
    std::env::var_os("PYO3_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from)
}

/// A virtual environment with these packages from PyPI; kept for the next run of the tests.
#[track_caller]
pub fn environment(name: &str, packages: &[&str]) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut hasher = DefaultHasher::new();
    (packages, version()).hash(&mut hasher);
    let folder = target().join("test-environments");
    let venv = folder.join(format!("{name}-{:x}", hasher.finish()));
    if !venv.join("complete").exists() {
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let _ = std::fs::remove_dir_all(&venv);
        run(Command::new(python()).args(["-m", "venv"]).arg(&venv));
        if !packages.is_empty() {
            run(pip(&venv).arg("install").args(packages));
        }
        std::fs::write(venv.join("complete"), "").expect("the environment can be written");
    }
    venv
}

/// `pip` of an environment.
pub fn pip(venv: &Path) -> Command {
    let mut command = Command::new(venv.join("bin/python"));
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check"]);
    command
}

/// The version in words.
fn version() -> String {
    let output = Command::new(python()).arg("-VV").output().expect("there is a python3");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a program to its end, which must be a good one; gives what it printed.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// A Python program that serves, and says so as the server under test does.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
}

impl Program {
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(python())
            .args(arguments)
            .env("PYTHONPATH", root().join("plugin-api/python"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a python3");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = lines.next().expect("it says where it listens").expect("in UTF-8");
        let address = line.trim_start_matches("listening on http://").trim_end_matches('/');
        let address = address.parse().expect("an address and a port");
        Self { child, address }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
