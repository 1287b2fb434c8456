//! The package `csgi`: the test plugins run by Python's own WSGI server answer as they do here, and
//! the package can be installed and used as its README says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tests::PATIENCE;
use tests::plugins::{library, root};
use tests::python::{Program, environment, pip, run};
use tests::server::{Setup, TestServer};

/// Status, the fields that a plugin gives, and the body; an answer that is cut off has no end.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

/// One request in HTTP/1.0, which every server ends by closing.
fn ask(address: SocketAddr, request: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = match request.starts_with("POST") {
        true => format!("Content-Length: {}\r\n", body.len()),
        false => String::new(),
    };
    write!(stream, "{request} HTTP/1.0\r\nHost: test\r\n{length}X-Y: z\r\n\r\n{body}").unwrap();
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).unwrap_or(0);
    let mut fields: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "server" | "connection"))
        .collect();
    fields.sort();
    let body = if status == 500 { String::new() } else { body.to_owned() };
    let fields = if status == 500 { Vec::new() } else { fields };
    Answer { status, fields, body }
}

fn both(plugins: &[&str]) -> (TestServer, Program) {
    let server = plugins.iter().fold(Setup::new(), |setup, name| setup.plugin(name)).start();
    let script = root().join("tests/python/serve_csgi.py");
    let mut arguments = vec![script.display().to_string()];
    arguments.extend(plugins.iter().map(|name| library(name).display().to_string()));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    (server, Program::start(&arguments))
}

/// Without the framing and the coding, which are each server's own.
fn comparable(mut answer: Answer) -> Answer {
    answer.fields.retain(|(name, _)| name != "content-length" && name != "vary");
    answer
}

fn content_length(answer: &Answer) -> Option<&str> {
    let field = answer.fields.iter().find(|(name, _)| name == "content-length");
    field.map(|(_, value)| value.as_str())
}

#[test]
fn the_test_plugins_answer_alike_in_both_hosts() {
    let (server, program) = both(&["features", "probe", "a", "b", "serial"]);
    let paths = [
        "none",
        "replace",
        "late",
        "head-in-next",
        "bytes?n=0",
        "bytes?n=10",
        "bytes?n=100000",
        "bytes-unused",
        "file?n=0",
        "file?n=10",
        "file?n=300000",
        "file?n=1000&offset=26&length=5",
        "file?n=10&offset=20",
        "stream",
        "stream?n=40&size=1000",
        "pending",
        "wake-early",
        "timer?n=3&ms=20",
        "empty-parts",
        "no-head",
        "length-long",
        "head-bad",
        "status?code=204",
        "status?code=304",
        "status?code=299",
        "status?code=600",
        "log",
        "extension",
        "early-hints",
    ];
    for plugin in ["features", "probe"] {
        for path in paths {
            let request = format!("GET /{plugin}.py/{path}");
            let (here, there) =
                (ask(server.address(), &request, ""), ask(program.address, &request, ""));
            if path.starts_with("bytes?") || path.starts_with("file?") {
                assert_eq!(content_length(&here), content_length(&there), "{request}");
                assert!(here.status == 500 || content_length(&here).is_some(), "{request}");
            }
            assert_eq!(comparable(here), comparable(there), "{request}");
        }
        let request = format!("POST /{plugin}.py/env?q=%20x");
        let (here, there) =
            (ask(server.address(), &request, "body"), ask(program.address, &request, "body"));
        let field = |answer: &Answer, name: &str| {
            answer.body.lines().find(|line| line.starts_with(name)).map(str::to_owned)
        };
        for name in [
            "REQUEST_METHOD=",
            "SCRIPT_NAME=",
            "PATH_INFO=",
            "QUERY_STRING=",
            "REQUEST_URI=",
            "CONTENT_LENGTH=",
            "REMOTE_ADDR=",
            "wsgi.url_scheme=",
            "HTTP_HOST=",
            "HTTP_X_Y=",
            "Method=",
            "h:x-y=",
            "length=",
        ] {
            assert!(field(&here, name).is_some(), "{name}");
            assert_eq!(field(&here, name), field(&there, name));
        }
        for size in [0, 1, 70_000, 1_000_000] {
            let body = "x".repeat(size);
            let request = format!("POST /{plugin}.py/echo");
            let answers =
                (ask(server.address(), &request, &body), ask(program.address, &request, &body));
            assert_eq!(answers.0.body.len(), size);
            assert!(answers.0.body == answers.1.body, "{plugin} {size}");
        }
        let head = format!("HEAD /{plugin}.py/stream");
        let answers = (ask(server.address(), &head, ""), ask(program.address, &head, ""));
        assert_eq!((answers.0.status, answers.0.body.as_str()), (200, ""));
        assert_eq!(answers.1.body, "");
    }
    for request in ["GET /a.py", "GET /b.py", "GET /serial.py/"] {
        let (here, there) = (ask(server.address(), request, ""), ask(program.address, request, ""));
        assert_eq!(comparable(here), comparable(there), "{request}");
    }
}

#[test]
fn what_is_cut_off_is_cut_off_in_both_hosts() {
    let (server, program) = both(&["features", "probe"]);
    for path in ["error-mid", "length-short"] {
        for plugin in ["features", "probe"] {
            let request = format!("GET /{plugin}.py/{path}");
            for address in [server.address(), program.address] {
                let answer = ask(address, &request, "");
                assert_eq!((answer.status, answer.body.as_str()), (200, "begun"), "{request}");
                let length = content_length(&answer);
                assert_eq!(length.is_some(), path == "length-short", "{request}");
            }
        }
    }
    let request = "GET /features.py/closed";
    let closed = |address| ask(address, request, "").body;
    assert_eq!(closed(server.address()), closed(program.address));
}

#[test]
fn streamed_input_is_read_and_an_upgrade_refused() {
    let (server, program) = both(&["streaming", "streams"]);
    for plugin in ["streaming", "streams"] {
        for (request, body) in [
            (format!("POST /{plugin}.py/echo"), "hello"),
            (format!("POST /{plugin}.py/ignore"), "hello"),
            (format!("GET /{plugin}.py/upgrade"), ""),
        ] {
            let (here, there) =
                (ask(server.address(), &request, body), ask(program.address, &request, body));
            assert_eq!(comparable(here), comparable(there), "{request}");
        }
    }
}

#[test]
fn a_library_that_cannot_be_served_is_refused_with_a_reason() {
    for (name, reason) in [
        ("wrong_magic", "its manifest is not one of CSGI"),
        ("wrong_major", "it is made for CSGI 2"),
        ("need_minor", "it needs CSGI 1.9"),
        ("must_understand", "flags that this host does not know"),
        ("no_manifest", "it has no manifest"),
        ("no_application", "it does not export application"),
        ("init_error", "csgi_init failed: "),
        ("unresolved", "the dynamic linker refuses it"),
    ] {
        let output = module(&library(name).display().to_string(), &["GET", "/"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert!(error.contains(reason), "{name}: {error}");
    }
}

fn module(library: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(tests::python::python());
    command.env("PYTHONPATH", root().join("plugin-api/python"));
    command.args(["-m", "csgi", library]).args(arguments);
    command
}

#[test]
fn one_request_on_the_command_line() {
    let a = library("a").display().to_string();
    let text = run(&mut module(&a, &["GET", "/a.py?x=1"]));
    assert!(text.starts_with("200 OK\n") && text.ends_with("\n\n<h1>hello a.py</h1>"), "{text}");
    let features = library("features").display().to_string();
    let text = run(&mut module(
        &features,
        &["POST", "/features.py/echo", "-d", "hi", "-H", "Content-Type: a/b"],
    ));
    assert!(text.contains("content-type: a/b\n") && text.ends_with("\n\nhi"), "{text}");
    let failed = module(&features, &["GET", "/features.py/none"]).output().unwrap();
    assert_eq!(failed.status.code(), Some(2));
}

#[test]
fn it_installs_and_tests_plugins_with_pytest() {
    let venv = environment("pytest", &["pytest==8.4.2", "setuptools==80.9.0", "wheel==0.45.1"]);
    let package = root().join("plugin-api/python");
    let folder = tempfile::tempdir().unwrap();
    // From a copy: a build leaves files beside the sources.
    let copy = folder.path().join("package");
    run(Command::new("cp").arg("-r").arg(&package).arg(&copy));
    let library = library("a").display().to_string();
    let test = format!(
        "def test_hello(csgi_plugin):\n    answer = csgi_plugin({library:?}).get('/a.py')\n    \
         assert (answer.status, answer.text) == (200, '<h1>hello a.py</h1>')\n    \
         assert answer.header('bdpagetype') == '1'\n"
    );
    std::fs::write(folder.path().join("test_hello.py"), test).unwrap();
    for how in
        [&["install", "--no-build-isolation"][..], &["install", "--no-build-isolation", "-e"]]
    {
        run(pip(&venv).args(how).arg(&copy));
        let python = venv.join("bin/python");
        let text = run(Command::new(&python)
            .args(["-m", "pytest", "-q", "test_hello.py"])
            .current_dir(folder.path()));
        assert!(text.contains("1 passed"), "{text}");
        let text = run(Command::new(&python)
            .args(["-m", "csgi", &library, "GET", "/a.py"])
            .current_dir(folder.path()));
        assert!(text.ends_with("<h1>hello a.py</h1>"), "{text}");
        run(pip(&venv).args(["uninstall", "-y", "csgi"]));
    }
}
