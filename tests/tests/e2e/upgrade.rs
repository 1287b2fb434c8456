//! The server's own program is replaced while it serves: no client sees anything of it, whether the
//! new one works or not.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use tests::load::Load;
use tests::server::{Setup, TestServer, children_of, is_running, send_signal, tenon};
use tests::{PATIENCE, wait_until};

const SERVES: &str = " serves now in place of process ";

/// By another process: a file that this one had open for writing might be so in a child that another
/// test starts at that moment, and could not be run then.
#[track_caller]
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// A server whose program is a file of its own, and all that it becomes.
struct Server {
    server: TestServer,
    program: PathBuf,
}

impl Server {
    #[track_caller]
    fn start(setup: Setup) -> Self {
        let program = setup.folder().join("tenon-program");
        copy(&tenon(), &program);
        let server = setup.program(program.clone()).start();
        Self { server, program }
    }

    /// Puts another file in the place of the program in one step.
    fn replace(&self, file: &Path) {
        let new = self.server.folder().join("tenon-new");
        copy(file, &new);
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(&new, &self.program).unwrap();
    }

    fn replace_by_text(&self, text: &str) {
        let file = self.server.folder().join("text");
        std::fs::write(&file, text).unwrap();
        self.replace(&file);
    }

    /// The processes that have served one after the other.
    fn processes(&self) -> Vec<u32> {
        let log = self.server.log();
        let successors = log.lines().filter_map(|line| {
            let (before, _) = line.split_once(SERVES)?;
            before.rsplit(' ').next()?.parse().ok()
        });
        [self.server.pid()].into_iter().chain(successors).collect()
    }

    #[track_caller]
    fn pid(&self) -> u32 {
        *self.processes().last().unwrap()
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        let folder = self.server.folder();
        Command::new(tenon()).arg("ctl").args(arguments).current_dir(folder).output().unwrap()
    }

    /// The file anew, and the upgrade by signal or command; waits until only the new process is there.
    #[track_caller]
    fn upgrade(&self, by_signal: bool) {
        let before = self.processes();
        let old = *before.last().unwrap();
        let workers = children_of(old);
        self.replace(&tenon());
        if by_signal {
            send_signal(old, Signal::USR2);
        } else {
            let output = self.ctl(&["upgrade"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && text.contains(SERVES), "{output:?}");
        }
        wait_until("the new process serves", || self.processes().len() > before.len());
        wait_until("the old process has ended", || !is_running(old));
        let own = self.pid();
        let gone = |pid: &u32| *pid == own || !is_running(*pid);
        wait_until("its workers too", || workers.iter().all(gone));
    }

    /// What `tenon ctl status` says, as soon as the new process has the control socket.
    #[track_caller]
    fn status(&self) -> serde_json::Value {
        let mut status = None;
        wait_until("the server answers tenon ctl", || {
            status = serde_json::from_slice(&self.ctl(&["status", "--json"]).stdout).ok();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(last) = self.processes().pop().filter(|last| *last != self.server.pid()) else {
            return;
        };
        let workers = children_of(last);
        if is_running(last) {
            send_signal(last, Signal::TERM);
        }
        if !std::thread::panicking() {
            let all = || [last].iter().chain(&workers).all(|pid| !is_running(*pid));
            wait_until("the last process and its workers are gone", all);
        }
    }
}

#[test]
fn upgrades_under_load_lose_nothing() {
    let setup = Setup::new().plugin("a").plugin("features").arguments(&["--workers", "2"]);
    // Nobody waits in vain, however slow the machine is.
    let setup = setup.config("[timeouts]\nhead = \"5m\"\nbody = \"5m\"\nidle = \"5m\"");
    let server = Server::start(setup.log_level("info"));
    let address = server.server.address();
    let mut idle = server.server.client();
    assert_eq!(idle.get("/a.py").status, 200);
    let mut fresh = server.server.client();
    let mut half = server.server.client();
    half.send("POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n");
    let load = Load::start(address, 128, 1, "/a.py", "<h1>hello a.py</h1>");
    let pipelines = Load::start(address, 64, 8, "/", "<h1>index</h1>");
    for number in 0..6 {
        half.send("x");
        server.upgrade(number % 2 == 0);
        assert_eq!(server.status()["pid"], server.pid());
        assert_eq!(idle.get("/a.py").text(), "<h1>hello a.py</h1>");
        assert_eq!(server.server.client().get("/").status, 200, "the same address");
        load.wait_for(500);
        pipelines.wait_for(500);
    }
    half.send("yyyy");
    assert_eq!(half.response().text(), "xxxxxxyyyy");
    assert_eq!(fresh.get("/").status, 200, "nothing had been asked on it");
    assert!(server.server.wait_for_end().success(), "the first process has ended in order");
    for outcome in [load.stop(), pipelines.stop()] {
        assert!(outcome.wrong.is_empty(), "{outcome:?}");
        assert!(outcome.right > 3000, "{outcome:?}");
    }
}

#[test]
fn a_program_that_does_not_serve_leaves_the_old_one_serving() {
    let config = "[timeouts]\nupgrade = \"1s\"";
    let server = Server::start(Setup::new().plugin("a").config(config));
    let load = Load::start(server.server.address(), 32, 1, "/a.py", "<h1>hello a.py</h1>");
    let script = |text: &str| {
        server.replace_by_text(text);
        let output = server.ctl(&["upgrade"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(server.status()["pid"], server.server.pid());
        load.wait_for(100);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let error = script("\u{7f}ELF and nothing else");
    assert!(error.contains("nothing has changed: "), "{error}");
    let error = script("#!/bin/sh\nexit 7\n");
    assert!(error.contains("it ended: exit status: 7"), "{error}");
    let error = script("#!/bin/sh\necho $$ > hanging\nexec sleep 1000\n");
    assert!(error.contains("was not ready within 1s"), "{error}");
    let hanging = std::fs::read_to_string(server.server.folder().join("hanging")).unwrap();
    assert!(!is_running(hanging.trim().parse().unwrap()), "it has been ended");
    std::fs::remove_file(&server.program).unwrap();
    let error = String::from_utf8_lossy(&server.ctl(&["upgrade"]).stderr).into_owned();
    assert!(error.contains("cannot start ") && error.contains("tenon-program"), "{error}");
    let log = server.server.log();
    assert_eq!(log.matches("the upgrade has failed").count(), 4, "{log}");
    // A real one, but what it reads is wrong.
    let file = server.server.folder().join("tenon.toml");
    copy(&tenon(), &server.program);
    std::fs::write(&file, "nonsense = 1").unwrap();
    let output = server.ctl(&["--plugins", "plugins", "--config", "/dev/null", "upgrade"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("exit status: 100"), "{error}");
    std::fs::write(&file, config).unwrap();
    server.upgrade(true);
    load.wait_for(100);
    let outcome = load.stop();
    assert!(outcome.wrong.is_empty(), "{outcome:?}");
}

#[test]
fn one_upgrade_at_a_time_and_reloads_wait_for_it() {
    let server = Server::start(Setup::new().plugin("a").config("server_name = \"one\""));
    let hanging = server.server.folder().join("hanging");
    server.replace_by_text("#!/bin/sh\n: > hanging\nexec sleep 1000\n");
    server.server.signal(Signal::USR2);
    wait_until("the new program is there", || hanging.exists());
    for (command, refusal) in [("upgrade", "is under way already"), ("reload", "is under way")] {
        let output = server.ctl(&[command]);
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(refusal), "{error}");
    }
    let file = server.server.folder().join("tenon.toml");
    std::fs::write(file, "server_name = \"two\"").unwrap();
    server.server.signal(Signal::HUP);
    // The held reload happens when the new program has gone.
    let is_it = |pid: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == "sleep"
    };
    let mut child = None;
    wait_until("it hangs", || {
        child = children_of(server.server.pid()).into_iter().find(is_it);
        child.is_some()
    });
    send_signal(child.unwrap(), Signal::KILL);
    server.server.wait_for_log("generation 2 serves now");
    assert!(server.server.log().contains("the upgrade has failed"));
    assert_eq!(server.server.client().get("/").header("server"), Some("two"));
    // A server that stops does not wait for a program that hangs.
    std::fs::remove_file(&hanging).unwrap();
    server.server.signal(Signal::USR2);
    wait_until("the new program is there", || hanging.exists());
    assert!(server.server.stop().success());
}

#[test]
fn the_service_manager_is_told() {
    let setup = Setup::new();
    let path = setup.folder().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut bytes = [0; 100];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let server = Server::start(setup.environment("NOTIFY_SOCKET", path.to_str().unwrap()));
    assert_eq!(next(), "READY=1");
    server.upgrade(true);
    assert_eq!(next(), "READY=1");
    assert_eq!(next(), format!("MAINPID={}", server.pid()));
}

#[test]
fn a_configured_control_socket_goes_over_to_the_new_process() {
    let server = Server::start(Setup::new().config("control = \"socket\""));
    server.upgrade(false);
    assert_eq!(server.status()["pid"], server.pid());
    let path = server.server.folder().join("socket");
    drop(server);
    assert!(!path.exists(), "and is removed at the end");
}
