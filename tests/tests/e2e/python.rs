//! WSGI applications: what is expected is what PEP 3333 says. tests/python/rules.py has a path for
//! every rule, most of them behind wsgiref.validate.

use rustix::process::Signal;
use tests::client::{Client, Response};
use tests::plugins::root;
use tests::server::{Setup, TestServer};
use tests::wait_until;

/// A server with the Python plugin and files of these names and contents among the plugins.
fn with_files(files: &[(&str, &str)]) -> Setup {
    let setup = Setup::new().plugin("python");
    for (name, text) in files {
        let file = setup.plugins().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    setup
}

fn rules() -> TestServer {
    rules_with("")
}

fn rules_with(config: &str) -> TestServer {
    let text = std::fs::read_to_string(root().join("tests/python/rules.py")).unwrap();
    with_files(&[("rules.py", &text)]).config(config).start()
}

fn get(server: &TestServer, path: &str) -> Response {
    server.client().get(&format!("/rules.py{path}"))
}

fn post(client: &mut Client, path: &str, body: &[u8]) -> Response {
    let length = body.len();
    client.send(format!(
        "POST /rules.py{path} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(body);
    client.response()
}

const HELLO: &str = "def application(environ, start_response):\n    \
    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'first']\n";

#[test]
fn environ_is_as_the_standard_says() {
    let server = rules_with("[plugin.rules]\nmount = \"/m\"");
    let mut client = server.client();
    client.send(
        "GET /rules.py/environ?a=%20b HTTP/1.1\r\nHost: h:1\r\nContent-Type: t/x\r\nX-Y: dash\r\n\
         X_Y: line\r\nProxy: evil\r\nCookie: a=1\r\nCookie: b=2\r\nDup: 1\r\nDUP: 2\r\n\r\n",
    );
    let response = client.response();
    let environ: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let (here, there) = (server.address(), client.stream().local_addr().unwrap());
    for (name, value) in [
        ("REQUEST_METHOD", "GET"),
        ("SCRIPT_NAME", "/rules.py"),
        ("PATH_INFO", "/environ"),
        ("QUERY_STRING", "a=%20b"),
        ("REQUEST_URI", "/rules.py/environ?a=%20b"),
        ("CONTENT_TYPE", "t/x"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", &here.port().to_string()),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_PORT", &there.port().to_string()),
        ("SCRIPT_FILENAME", "plugins/rules.py"),
        ("wsgi.url_scheme", "http"),
        ("HTTP_HOST", "h:1"),
        ("HTTP_X_Y", "dash"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_DUP", "1,2"),
    ] {
        assert_eq!(environ[name], value, "{name}");
    }
    for (name, value) in [
        ("wsgi.multithread", true),
        ("wsgi.multiprocess", false),
        ("wsgi.run_once", false),
        ("wsgi.input_terminated", true),
    ] {
        assert_eq!(environ[name], value, "{name}");
    }
    assert_eq!(environ["wsgi.version"], serde_json::json!([1, 0]));
    for absent in ["HTTP_PROXY", "HTTP_CONTENT_TYPE", "CONTENT_LENGTH"] {
        assert!(environ.get(absent).is_none(), "{absent}");
    }
    let mounted = server.client().get("/m/environ");
    let environ: serde_json::Value = serde_json::from_slice(&mounted.body).unwrap();
    assert_eq!(
        (&environ["SCRIPT_NAME"], &environ["PATH_INFO"]),
        (&"/m".into(), &"/environ".into())
    );
    // Percent-encoding is decoded, and every byte is one character.
    assert_eq!(get(&server, "/latin%2f/caf%C3%A9%25").body, "/latin//caf\u{e9}%".as_bytes());
    let latin = get(&server, "/latin");
    assert_eq!((latin.status, latin.header("content-type")), (200, Some("text/plain")));
}

#[test]
fn threads_and_processes_are_told_as_they_are() {
    let text = std::fs::read_to_string(root().join("tests/python/rules.py")).unwrap();
    let server =
        with_files(&[("rules.py", &text)]).arguments(&["--workers", "2", "--threads", "2"]).start();
    let environ: serde_json::Value =
        serde_json::from_slice(&get(&server, "/environ").body).unwrap();
    assert_eq!(environ["wsgi.multiprocess"], true);
    // Of two threads one is kept out of what may block.
    assert_eq!(environ["wsgi.multithread"], false);
}

#[test]
fn input_is_read_in_every_way() {
    let server = rules();
    let mut client = server.client();
    let lines = b"one\ntwo\n\nlast";
    for (how, expected) in [
        ("all", "one\ntwo\n\nlast"),
        ("blocks", "one\ntwo\n\nlast"),
        ("lines", "one\ntwo\n\nlast"),
        ("readline", "[one\n][two\n][\n][last]"),
        ("readlines", "one\n|two\n|\n|last"),
        ("hint", "one\n+two\n\nlast"),
        ("length", "13"),
    ] {
        assert_eq!(post(&mut client, &format!("/input?{how}"), lines).text(), expected, "{how}");
    }
    for how in ["blocks", "lines", "readline", "readlines", "all"] {
        assert_eq!(post(&mut client, &format!("/input?{how}"), b"").text(), "", "{how}, empty");
    }
    // More than the server keeps in memory.
    let long = b"0123456789abcde\n".repeat(200_000);
    assert_eq!(post(&mut client, "/input?lines", &long).body, long);
    assert_eq!(post(&mut client, "/input?length", &long).text(), long.len().to_string());
    client.send(
        "POST /rules.py/input?blocks HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
    );
    assert_eq!(client.response().text(), "hello, world");
    let other = get(&server, "/raw/thread-input").text();
    assert!(other.contains("another thread"), "{other}");
    get(&server, "/raw/keep");
    assert_eq!(get(&server, "/raw/use-kept").text(), "this request is over; this request is over");
}

#[test]
fn bodies_of_every_kind() {
    let server = rules();
    assert_eq!(get(&server, "/write").text(), "written twice then returned");
    let much = get(&server, "/write-much").body;
    let expected: Vec<u8> = (0..64).flat_map(|n| [n; 65536]).chain(*b"end").collect();
    assert!(much == expected, "what is written comes in order, before what is returned");
    assert_eq!(get(&server, "/stream?3").text(), "part 0\npart 1\npart 2\n");
    assert_eq!(get(&server, "/stream?0").text(), "");
    assert_eq!(get(&server, "/empty").text(), "after empty parts");
    assert_eq!(get(&server, "/generator").text(), "from a generator");
    assert_eq!(get(&server, "/memory-file").body, b"m".repeat(100_000));
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    for path in ["/file?3000000", "/raw/file?3000000"] {
        assert!(get(&server, path).body == bytes[5..], "{path}: from where the file stands");
    }
    // The server sends the file itself and knows its length; a wrapped one is read in blocks.
    assert_eq!(get(&server, "/raw/file").header("content-length"), Some("99995"));
    assert_eq!(get(&server, "/file").header("transfer-encoding"), Some("chunked"));
    assert_eq!(get(&server, "/raw/file-part").text(), "234");
    assert_eq!(get(&server, "/raw/short").text(), "12345", "the rest is cut");
    for (code, body) in [("299", "body"), ("204", ""), ("304", "")] {
        let response = get(&server, &format!("/status?{code}"));
        assert_eq!((response.status.to_string().as_str(), response.text().as_str()), (code, body));
    }
    assert_eq!(get(&server, "/raw/hello").header("content-length"), Some("13"));
}

#[test]
fn parts_are_sent_when_they_are_made() {
    let server = with_files(&[(
        "slow.py",
        "import os, time\n\
         def application(environ, start_response):\n    \
             start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
             yield b'first;'\n    \
             while not os.path.exists('go'): time.sleep(0.01)\n    \
             yield b'second'\n",
    )])
    .start();
    let mut client = server.client();
    client.send("GET /slow.py HTTP/1.1\r\nHost: t\r\n\r\n");
    client.take_until(b"first;");
    // While the generator sleeps in the middle, another request is answered.
    assert_eq!(server.client().get("/").status, 200);
    std::fs::write(server.folder().join("go"), "").unwrap();
    client.take_until(b"second");
}

#[test]
fn a_head_is_replaced_only_before_the_body() {
    let server = rules();
    let replaced = get(&server, "/replace");
    assert_eq!((replaced.status, replaced.text().as_str()), (500, "replaced"));
    assert_eq!(replaced.header("x-first"), None);
    let mut late = server.client();
    late.send("GET /rules.py/late HTTP/1.1\r\nHost: t\r\n\r\n");
    let rest = String::from_utf8(late.rest()).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("5\r\nfirst\r\n"), "{rest}");
    server.wait_for_log("RuntimeError: after the head");
}

#[test]
fn mistakes_cost_one_request() {
    let server = rules();
    for (path, reason) in [
        ("no-head", "did not call start_response"),
        ("no-head-late", "did not call start_response"),
        ("twice", "start_response has been called already"),
        ("hop", "fields of the connection"),
        ("split", "no control character"),
        ("not-latin", "'latin-1' codec can't encode character"),
        ("number", "yields <class 'int'> where bytes belong"),
        ("none", "NoneType'>, which cannot be iterated"),
        ("exit", "SystemExit: 3"),
    ] {
        assert_eq!(get(&server, &format!("/raw/{path}")).status, 500, "{path}");
        server.wait_for_log(reason);
    }
    assert_eq!(get(&server, "/at-once").status, 500);
    server.wait_for_log("RuntimeError: before the first part");
    assert_eq!(get(&server, "/raw/fork").text(), "child 0", "the copy answers nobody and ends");
    assert_eq!(get(&server, "/raw/hello").status, 200);
}

#[test]
fn close_is_called_always() {
    let server = rules();
    get(&server, "/stream?2");
    get(&server, "/at-once");
    get(&server, "/raw/short");
    let mut middle = server.client();
    middle.send("GET /rules.py/middle HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(String::from_utf8(middle.rest()).unwrap().ends_with("5\r\nbegun\r\n"), "cut off");
    let mut head = server.client();
    head.send("HEAD /rules.py/stream?9 HTTP/1.1\r\nHost: t\r\n\r\n");
    assert!(head.any_response(true).body.is_empty());
    // A client that leaves in the middle of much.
    let mut leaving = server.client();
    leaving.send("GET /rules.py/stream?100000000 HTTP/1.1\r\nHost: t\r\n\r\n");
    leaving.take(1000);
    drop(leaving);
    wait_until("all are closed", || {
        get(&server, "/closed").text() == "at-once middle short stream stream stream"
    });
}

#[test]
fn errors_go_to_the_log_with_their_request() {
    let server = rules();
    get(&server, "/errors");
    server.wait_for_log("no end");
    let log = server.log();
    let line = log.lines().find(|line| line.ends_with(": one line")).unwrap();
    let (before, _) = line.split_once(": one line").unwrap();
    let request = before.split_once("plugin rules, request ").unwrap().1;
    for text in ["and another", "no end"] {
        assert!(log.contains(&format!("plugin rules, request {request}: {text}")), "{log}");
    }
}

#[test]
fn the_applications_of_the_course_run_as_they_are() {
    let lesson = |name: &str| {
        format!(
            "def application(env, start_response):\n    # env.get(\"Method\")\n    \
             # path = env.get(\"PATH_INFO\")\n    status = \"200 OK\"\n    \
             headers = [('Bdpagetype','1'),('Bduserid','0')]\n    \
             start_response(status, headers)\n    return \"<h1>hello {name}.py</h1>\"\n"
        )
    };
    let server = with_files(&[("a.py", &lesson("a")), ("b.py", &lesson("b"))]).start();
    for name in ["a", "b", "a"] {
        let response = server.client().get(&format!("/{name}.py"));
        assert_eq!(response.text(), format!("<h1>hello {name}.py</h1>"));
        assert_eq!(response.header("bdpagetype"), Some("1"));
    }
    let warning = "the application returns a str where PEP 3333 asks for bytes";
    wait_until("each has its warning", || server.log().matches(warning).count() == 2);
    assert_eq!(rules().client().get("/rules.py/raw/str").text(), "Gr\u{fc}\u{df}e");
}

#[test]
fn waiting_needs_no_thread() {
    let server = rules();
    assert_eq!(get(&server, "/raw/wake").text(), "woken");
    let ticks: String = (0..3).map(|number| format!("data: {number}\n\n")).collect();
    assert_eq!(get(&server, "/raw/timer").text(), ticks);
    let waiting: Vec<_> = (0..32)
        .map(|_| {
            let mut client = server.client();
            client.send("GET /rules.py/raw/timer HTTP/1.1\r\nHost: t\r\n\r\n");
            client
        })
        .collect();
    for mut client in waiting {
        assert_eq!(client.response().text(), ticks);
    }
}

#[test]
fn slow_requests_run_side_by_side() {
    let server = rules_with("threads = 5");
    let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("GET /rules.py/threads HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    let mut threads: Vec<_> = clients.iter_mut().map(|client| client.response().text()).collect();
    threads.sort();
    threads.dedup();
    assert!(threads.len() > 1, "at least two threads were inside at a time: {threads:?}");
}

#[test]
fn what_is_served_and_what_not() {
    let server = with_files(&[
        ("app.py", &HELLO.replace("application", "app")),
        (
            "make.py",
            &format!("{HELLO}\ndef make():\n    return application\ndel application\n")
                .replace("return application", "return inner")
                .replace("del application", "inner = application\ndel application"),
        ),
        ("none.py", "x = 1"),
        ("broken.py", "import there_is_no_such_module"),
        ("syntax.py", "def application(:\n"),
        ("package/__init__.py", HELLO),
        ("site/__init__.py", ""),
        ("site/wsgi.py", "from . import views\napplication = views.hello"),
        ("site/views.py", &HELLO.replace("application", "hello")),
        ("json.py", HELLO),
        ("uses.py", &format!("import json\njson.dumps\n{HELLO}")),
        ("exits.py", "import sys\nsys.exit(0)"),
        ("typo.py", HELLO),
    ])
    .config(
        "[plugin.app]\nconfig = { callable = \"app\" }\n[plugin.make]\nconfig = { callable = \
         \"make()\" }\n[plugin.typo]\nconfig = { calable = \"x\" }",
    )
    .start();
    for name in ["app", "make", "package", "json", "uses"] {
        assert_eq!(server.client().get(&format!("/{name}.py")).text(), "first", "{name}");
    }
    for (name, reason) in [
        ("none", "it has no application; define application(environ, start_response)"),
        ("broken", "it cannot be imported: ModuleNotFoundError"),
        ("syntax", "it cannot be imported: SyntaxError"),
        // A module of Python's own is loaded long before.
        ("site", "there is another module site"),
        ("exits", "it cannot be imported: SystemExit"),
        ("typo", "its configuration: unknown field `calable`"),
    ] {
        assert_eq!(server.client().get(&format!("/{name}.py")).status, 503, "{name}");
        assert!(server.log().contains(reason), "{reason}\n{}", server.log());
    }
    let trace = "plugins/broken.py\", line 1, in <module>";
    assert!(server.log().contains(trace), "with a traceback\n{}", server.log());
}

#[test]
fn a_module_that_does_not_import_never_replaces_one_that_runs() {
    let server = with_files(&[("app.py", HELLO)]).start();
    let text = || server.client().get("/app.py").text();
    assert_eq!(text(), "first");
    let file = server.plugins().join("app.py");
    std::fs::write(&file, HELLO.replace("first", "second")).unwrap();
    server.signal(Signal::HUP);
    wait_until("the new one is served", || text() == "second");
    std::fs::write(&file, "import there_is_no_such_module").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_log("plugin app is not served: plugins/app.py: it cannot be imported");
    server.wait_for_log("generation 3 serves now");
    assert_eq!(text(), "second");
}

#[test]
fn dev_shows_tracebacks_and_follows_changes() {
    let server = with_files(&[("app.py", "def application(e, s):\n    return 1 / 0\n")])
        .command("dev")
        .start();
    let response = server.client().get("/app.py");
    assert_eq!(response.status, 500);
    let text = response.text();
    assert!(
        text.contains("line 2, in application") && text.contains("ZeroDivisionError"),
        "{text}"
    );
    std::fs::write(server.plugins().join("app.py"), HELLO).unwrap();
    wait_until("the page is there", || server.client().get("/app.py").text() == "first");
    assert!(!rules().client().get("/rules.py/at-once").text().contains("RuntimeError"));
}
