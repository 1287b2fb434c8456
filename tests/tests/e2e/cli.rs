//! The command line and the configuration, as a user meets them.

use std::path::Path;
use std::process::{Command, Output};

use tests::plugins::{compile, library, root};
use tests::server::{Setup, tenon};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(tenon()).args(arguments).current_dir(folder).output().unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    for word in
        ["CSGI_PLUGIN", "tenon dev", "tenon.toml", "SIGHUP", "http://127.0.0.1:8000/hello.py"]
    {
        assert!(text.contains(word), "{word}\n{text}");
    }
    assert!(!text.contains("worker  ") && !text.contains("trial  "), "hidden commands are shown");
}

#[test]
fn the_plugin_in_the_help_works_by_hand() {
    let setup = Setup::new();
    let help = String::from_utf8(run(setup.folder(), &["--help"]).stdout).unwrap();
    let (_, code) = help.split_once("plugins/hello.c:").unwrap();
    let (code, _) = code.split_once("Then:").unwrap();
    let source = setup.folder().join("hello.c");
    std::fs::write(&source, code).unwrap();
    // As the contract promises: the header alone is enough.
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(root().join("plugin-api/include"))
        .arg(&source)
        .arg("-o")
        .arg(setup.plugins().join("hello.so"))
        .status()
        .unwrap();
    assert!(status.success());
    let server = setup.start();
    let response = server.client().get("/hello.py");
    assert_eq!(response.text(), "Hello, world\n");
    assert_eq!(response.header("content-type"), Some("text/plain"));
}

#[test]
fn mistakes_in_the_configuration_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("\n\nlisten_at = 1", "tenon.toml:3: unknown field `listen_at`"),
        ("threads = 1", "tenon.toml:1: found 1, expected a number from 2"),
        ("[timeouts]\nidle = \"1 parsec\"", "tenon.toml:2: invalid value"),
        ("[[routes]]\nregex = \"(\"\nplugin = \"a\"", "tenon.toml:1: the route rule"),
        ("listen = [\"nowhere\"]", "tenon.toml:1:"),
    ] {
        std::fs::write(folder.path().join("tenon.toml"), text).unwrap();
        let output = run(folder.path(), &["serve"]);
        assert_eq!(output.status.code(), Some(100), "{text}");
        assert!(error_of(&output).contains(expected), "{text}: {}", error_of(&output));
    }
    let output = run(folder.path(), &["serve", "--config", "none.toml"]);
    assert_eq!(output.status.code(), Some(100));
    assert!(error_of(&output).contains("cannot read the configuration none.toml"));
    let output = run(folder.path(), &["serve", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(100));
}

/// What is run is not sent: files are served from no folder of plugins, however it is named.
#[test]
fn one_folder_cannot_hold_files_and_plugins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("plugins/html")).unwrap();
    std::os::unix::fs::symlink("plugins", folder.path().join("html")).unwrap();
    for arguments in [
        &["serve"][..],
        &["serve", "--html", "plugins"],
        &["serve", "--html", "./plugins/../plugins/"],
        &["dev", "--html", "plugins/html"],
        &["serve", "--plugins", ".", "--html", "plugins"],
        &["serve", "--plugins", "new", "--html", "new/files"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(100), "{arguments:?}");
        let error = error_of(&output);
        assert!(error.contains("tenon: cannot serve files from html = "), "{error}");
        assert!(error.contains("use two folders"), "{error}");
    }
}

#[test]
fn the_command_line_wins_over_the_configuration() {
    let server = Setup::new()
        .config("listen = [\"127.0.0.1:1\"]\nworkers = 3\nhtml = \"nowhere\"")
        .arguments(&["--html", "html", "--listen", "127.0.0.1:0"])
        .start();
    assert_eq!(server.client().get("/").text(), "<h1>index</h1>");
    assert_eq!(server.workers().len(), 1);
    assert_eq!(server.output().matches("listening on").count(), 2, "both addresses");
}

#[test]
fn check_says_what_can_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| library(name).display().to_string();
    let output = run(folder.path(), &["check", &file("a"), &file("b")]);
    assert!(output.status.success(), "{}", error_of(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("a.so: ok, a 1.0, CSGI 1.0"), "{text}");

    let output = run(folder.path(), &["check", "--json", &file("a"), &file("init_error")]);
    assert_eq!(output.status.code(), Some(1));
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reports[0]["ok"], true);
    assert_eq!(reports[0]["manifest"]["name"], "a");
    assert_eq!(reports[0]["manifest"]["threadsafe"], true);
    assert_eq!(reports[1]["ok"], false);
    assert_eq!(reports[1]["findings"][0]["level"], "refuse");
    let reason = reports[1]["findings"][0]["text"].as_str().unwrap();
    assert!(reason.contains("csgi_init failed: no database"), "{reason}");
    assert_eq!(run(folder.path(), &["check"]).status.code(), Some(100));
}

#[test]
fn build_compiles_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("plugins");
    std::fs::create_dir(&sources).unwrap();
    std::fs::copy(root().join("plugins/a.c"), sources.join("a.c")).unwrap();
    let output = run(folder.path(), &["build", "--out", "out"]);
    assert!(output.status.success(), "{}", error_of(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a: out/a.so\n");
    assert!(folder.path().join("out/a.so").exists() && !sources.join("a.so").exists());
    std::fs::write(sources.join("bad.c"), "int f( {").unwrap();
    let output = run(folder.path(), &["build", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("bad.c:1"), "{}", error_of(&output));
    let output = run(folder.path(), &["build", "--plugins", "none"]);
    assert_eq!(output.status.code(), Some(100));
}

#[test]
fn a_refused_plugin_is_one_line_everywhere() {
    let setup = Setup::new().plugin("a").plugin("wrong_major");
    let server = setup.start();
    let line = "wrong_major.so: it is made for CSGI 2; compile it with the csgi.h of CSGI 1";
    assert!(server.output().contains(line), "{}", server.output());
    assert!(server.log().contains(line), "{}", server.log());
    let response = server.client().get("/wrong_major.py");
    assert_eq!(response.status, 503);
    assert!(!response.text().contains("CSGI"), "reasons are not for strangers");
    assert_eq!(server.client().get("/a.py").status, 200);
    drop(server);
    let server = Setup::new().plugin("wrong_major").command("dev").start();
    let response = server.client().get("/wrong_major.py");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("it is made for CSGI 2"), "{}", response.text());
}

#[test]
fn files_that_others_can_write_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new().plugin("a");
    let file = setup.plugins().join("a.so");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let server = setup.start();
    assert!(server.output().contains("chmod o-w"), "{}", server.output());
    assert_eq!(server.client().get("/a.py").status, 503);
}

#[test]
fn an_application_out_of_a_dependency_is_refused() {
    let setup = Setup::new();
    let zoo = root().join("tests/zoo");
    let dependency = setup.plugins().join("libzoo-dependency.so.1");
    compile(&zoo.join("dependency.c"), &dependency, &[]);
    compile(
        &zoo.join("borrowed.c"),
        &setup.plugins().join("borrowed.so"),
        &["-Wl,--no-as-needed", &dependency.display().to_string()],
    );
    let server = setup.start();
    assert!(server.output().contains("it does not export application"), "{}", server.output());
    assert_eq!(server.client().get("/borrowed.py").status, 503);
}
