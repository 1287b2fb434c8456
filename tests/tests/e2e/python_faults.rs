//! What an application can do to its process, and what that costs: one request.

use std::path::Path;
use std::process::Command;

use tests::python::{environment, python, run};
use tests::server::{Setup, TestServer};
use tests::wait_until;

/// Says who it is; `/crash` and `/loop` are what they say, and `/loop` leaves a file first.
const FAULTS: &str = "import ctypes, os\ndef application(environ, start_response):\n    \
    if environ['PATH_INFO'] == '/crash': ctypes.string_at(0)\n    \
    if environ['PATH_INFO'] == '/loop':\n        open('inside', 'w').close()\n        \
    while True: pass\n    \
    start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n";

fn faults(config: &str) -> TestServer {
    let setup = Setup::new().plugin("python").config(config);
    std::fs::write(setup.plugins().join("app.py"), FAULTS).unwrap();
    setup.start()
}

#[test]
fn a_crash_costs_one_request() {
    let server = faults("");
    let mut other = server.client();
    let worker = other.get("/app.py").text();
    let mut crashing = server.client();
    assert_eq!(crashing.get("/app.py/crash").status, 500);
    server.wait_for_log("it was running plugin app");
    let successor = other.get("/app.py");
    assert_eq!(successor.status, 200, "the other connection has moved");
    assert_ne!(successor.text(), worker);
}

#[test]
fn an_endless_loop_costs_one_request() {
    let server = faults("[plugin.app]\nrequest_timeout = \"2s\"");
    let mut other = server.client();
    let worker = other.get("/app.py").text();
    let mut looping = server.client();
    looping.send("GET /app.py/loop HTTP/1.1\r\nHost: t\r\n\r\n");
    wait_until("it loops", || server.folder().join("inside").exists());
    assert_eq!(other.get("/app.py").status, 200, "others are served meanwhile");
    assert_eq!(looping.response().status, 504);
    wait_until("the worker is replaced", || {
        let answer = other.get("/app.py");
        assert_eq!(answer.status, 200, "the other connection is served on");
        answer.text() != worker
    });
}

#[test]
fn an_isolated_application_reads_its_environment_and_nothing_else() {
    let venv = environment("first", &["bottle==0.13.2"]);
    let base = "import os, sys, sysconfig\nprint(os.path.realpath(sys.base_prefix))";
    let base = run(Command::new(python()).args(["-c", base]));
    let setup = Setup::new().plugin("python");
    let secret = setup.folder().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let code = format!(
        "import bottle, socket, sys\ndef attempt(deed):\n    \
         try: deed()\n    except OSError as error: return type(error).__name__\n    \
         return 'done'\ndef application(environ, start_response):\n    \
         start_response('200 OK', [])\n    \
         deeds = [lambda: open({secret:?}), lambda: open('/etc/passwd'),\n             \
         lambda: socket.socket().connect(('127.0.0.1', 9)), lambda: open(bottle.__file__)]\n    \
         return [' '.join([bottle.__version__, *map(attempt, deeds)]).encode()]\n"
    );
    std::fs::write(setup.plugins().join("app.py"), code).unwrap();
    std::fs::write(setup.plugins().join("open.py"), FAULTS).unwrap();
    let server = setup
        .config(&format!(
            "[plugin.app]\nconfig = {{ venv = {venv:?} }}\nisolate = {{ read = [{venv:?}, {:?}] }}",
            Path::new(base.trim())
        ))
        .start();
    let mut client = server.client();
    assert_eq!(
        client.get("/app.py").text(),
        "0.13.2 PermissionError PermissionError PermissionError done"
    );
    // The one beside it is in another process, without an environment.
    assert_eq!(client.get("/open.py").status, 200);
}
