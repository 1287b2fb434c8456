//! Language plugins: applications in files and folders that a plugin runs (`csgi.language/1`).

use std::path::Path;

use rustix::process::Signal;
use tests::plugins::library;
use tests::server::{Setup, TestServer};
use tests::wait_until;

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn with_greeter(files: &[(&str, &str)]) -> Setup {
    let setup = Setup::new().plugin("greeter");
    for (name, text) in files {
        write(&setup.plugins(), name, text);
    }
    setup
}

fn text(server: &TestServer, name: &str) -> String {
    server.client().get(&format!("/{name}.py")).text()
}

#[test]
fn files_and_folders_are_plugins() {
    let server = with_greeter(&[("hello.greet", "hi"), ("shop/main.greet", "buy"), ("x/y", "")])
        .config("[plugin.shop]\nmount = \"/shop\"\nconfig = { a = 1 }")
        .arguments(&["--workers", "2"])
        .start();
    assert!(server.output().contains("hello: http://"), "{}", server.output());
    assert_eq!(text(&server, "hello"), "hello|plugins/hello.greet|hi||init 1|2 x 3");
    let shop = "shop|plugins/shop|buy|{\"a\":1}|init 1|2 x 3";
    assert_eq!(text(&server, "shop"), shop);
    assert_eq!(server.client().get("/shop/x").text(), shop);
    // The language plugin itself runs no file.
    assert_eq!(text(&server, "greeter"), "greeter||||init 1|2 x 3");
    assert_eq!(server.client().get("/x.py").status, 404);
    server.stop();
    assert_eq!(server.log().matches("unloaded").count(), 4, "two applications, two workers");
}

#[test]
fn a_library_wins_over_a_file() {
    let server = with_greeter(&[("a.greet", "hi")]).plugin("a").start();
    server.wait_for_log("plugins/a.greet and a.so are both plugin a; the library is served");
    assert_eq!(text(&server, "a"), "<h1>hello a.py</h1>");
}

#[test]
fn a_changed_application_is_served_on_command_and_only_if_it_loads() {
    let server = with_greeter(&[("one.greet", "first"), ("two/main.greet", "first")]).start();
    let shows = |name: &str, what: &str| text(&server, name).contains(&format!("|{what}|"));
    assert!(shows("one", "first") && shows("two", "first"));
    write(&server.plugins(), "one.greet", "second");
    write(&server.plugins(), "two/main.greet", "second");
    server.signal(Signal::HUP);
    wait_until("both are new", || shows("one", "second") && shows("two", "second"));

    // A worker that starts later has what was served, not what lies there.
    write(&server.plugins(), "one.greet", "refuse that");
    server.signal(Signal::HUP);
    server.wait_for_log("plugin one is not served: plugins/one.greet: refuse that");
    server.wait_for_log("generation 3 serves now");
    assert!(shows("one", "second"));

    // Of a folder there is no copy, so everything stays as it is.
    write(&server.plugins(), "one.greet", "third");
    write(&server.plugins(), "two/main.greet", "refuse this");
    server.signal(Signal::HUP);
    server.wait_for_log("plugin two is not served: plugins/two: refuse this");
    server.wait_for_log("what serves now stays");
    assert!(shows("one", "second") && shows("two", "second"));
    write(&server.plugins(), "two/main.greet", "third");
    server.signal(Signal::HUP);
    wait_until("both are new", || shows("one", "third") && shows("two", "third"));
}

#[test]
fn one_bad_application_does_not_keep_others_from_being_served() {
    let server =
        with_greeter(&[("bad.greet", "refuse me"), ("boom.greet", "crash"), ("ok.greet", "ok")])
            .start();
    assert_eq!(server.client().get("/bad.py").status, 503);
    assert_eq!(server.client().get("/ok.py").status, 200);
    assert!(server.output().contains("bad: not served: plugins/bad.greet: refuse me"));
    server.wait_for_log("plugins/boom.greet: it crashed with SIGSEGV in its code, at load");
}

#[test]
fn applications_of_two_groups_have_workers_of_their_own() {
    let files = ["group red", "group blue", "group red", "group blue", "group red"];
    let files: Vec<_> =
        ["a.greet", "b.greet", "c.greet", "d.greet", "e.greet"].into_iter().zip(files).collect();
    let server = with_greeter(&files).config("[plugin.e]\nworkers = 2").start();
    let process = |name: &str| {
        let answer = server.client().get(&format!("/{name}.py"));
        answer.header("x-process").unwrap().to_owned()
    };
    assert_eq!(process("a"), process("c"), "the first group is the main workers'");
    assert_eq!(process("b"), process("d"), "the second has workers of its own");
    assert_ne!(process("a"), process("b"));
    // As many as there are main ones, beside the two that one application was given.
    assert_eq!(server.workers().len(), 4);
    assert!(text(&server, "b").contains("init 1|1 x "), "each knows how many serve with it");
    assert!(text(&server, "e").contains("init 1|2 x "));
    // A group that is not there any more, and one that is new.
    write(&server.plugins(), "a.greet", "group green");
    write(&server.plugins(), "c.greet", "group green");
    server.signal(Signal::HUP);
    server.wait_for_log("generation 2 serves now");
    assert_eq!(process("a"), process("c"));
    assert_ne!(process("a"), process("b"));
    wait_until("the old workers are gone", || server.workers().len() == 4);
}

#[test]
fn dev_follows_the_files_of_an_application() {
    let server = with_greeter(&[("one.greet", "first")]).command("dev").start();
    write(&server.plugins(), "one.greet", "second");
    wait_until("it is new", || text(&server, "one").contains("|second|"));
    server.drop_in(&library("a"), "one");
    wait_until("the library wins", || text(&server, "one") == "<h1>hello a.py</h1>");
    std::fs::remove_file(server.plugins().join("one.so")).unwrap();
    wait_until("the file is served again", || text(&server, "one").contains("|second|"));
}

/// RFC 3875 §4.1.18 folds names: whatever a language makes of them, none can be taken for another.
#[test]
fn no_language_is_told_what_misleads_it() {
    let server = with_greeter(&[("hello.greet", "hi")]).config("request_id = \"off\"").start();
    let fields =
        "Proxy: http://evil/\r\nX_Real: line\r\nX-Real: dash\r\nPROXY: 2\r\nProxy-Own: 3\r\n";
    let ask = |name: &str| {
        let mut client = server.client();
        client.send(format!("GET /{name}.py?fields HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
        client.response().text()
    };
    assert_eq!(ask("hello"), "host: t\nx-real: dash\nproxy-own: 3\n");
    // Who is no application reads names as they came.
    assert!(ask("greeter").contains("proxy: http://evil/\nx_real: line\n"));
}

#[test]
fn check_names_what_a_plugin_runs() {
    let output = std::process::Command::new(tests::server::tenon())
        .arg("check")
        .arg(library("greeter"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("it runs applications: files that end in .greet"), "{text}");
}
