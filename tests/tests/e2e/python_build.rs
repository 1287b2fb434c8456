//! The Python plugin where there is no Python: it is not built, that is said, and nothing else is
//! held up.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::plugins::root;
use tests::server::{Setup, tenon};

/// The sources of the Python plugin and of `a` in a folder of plugins.
fn sources(plugins: &Path) {
    symlink(root().join("plugins/python").canonicalize().unwrap(), plugins.join("python")).unwrap();
    std::fs::copy(root().join("plugins/a.c"), plugins.join("a.c")).unwrap();
}

/// A folder with the tools of a C compiler and nothing else: the PATH of a machine without Python.
fn tools(folder: &Path) -> PathBuf {
    let tools = folder.join("tools");
    std::fs::create_dir(&tools).unwrap();
    for name in ["cc", "as", "ld"] {
        let paths = std::env::var_os("PATH").unwrap();
        let mut places = std::env::split_paths(&paths).map(|place| place.join(name));
        symlink(places.find(|place| place.exists()).unwrap(), tools.join(name)).unwrap();
    }
    tools
}

fn build(folder: &Path, path: Option<&Path>, python: Option<&str>) -> Output {
    let mut command = Command::new(tenon());
    command.args(["build", "--out", "out"]).current_dir(folder);
    for variable in ["PYO3_PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(variable);
    }
    command.envs(path.map(|path| ("PATH", path))).envs(python.map(|name| ("PYO3_PYTHON", name)));
    command.output().unwrap()
}

#[track_caller]
fn assert_passed_over(folder: &Path, output: &Output, reason: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nothing here is a mistake: {text}");
    assert!(text.contains("plugins/python: it is not built: ") && text.contains(reason), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a: out/a.so\n");
    assert!(!folder.join("out/python.so").exists());
}

#[test]
fn without_python_the_rest_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    sources(&plugins);
    let tools = tools(folder.path());
    let output = build(folder.path(), Some(&tools), None);
    assert_passed_over(folder.path(), &output, "there is no Python 3 here (tried: python python3)");
    let output = build(folder.path(), None, Some("/nowhere/python3"));
    assert_passed_over(folder.path(), &output, "(tried: /nowhere/python3)");
    // A program that passes for one that is too old, or has no shared library.
    let other = folder.path().join("other");
    let fake = "#!/bin/sh\n[ \"$1\" = -c ] && exit 0\ncat >/dev/null\necho too old\nexit 1\n";
    std::fs::write(&other, fake).unwrap();
    Command::new("chmod").arg("+x").arg(&other).status().unwrap();
    let output = build(folder.path(), None, other.to_str());
    assert_passed_over(folder.path(), &output, "it is not built: too old");
}

#[test]
fn an_application_that_nothing_runs_says_so() {
    let setup = Setup::new().plugin("a");
    std::fs::write(setup.plugins().join("shop.py"), "application = None").unwrap();
    let server = setup.start();
    server.wait_for_log("plugin shop is not served: plugins/shop.py: nothing here runs it: this");
    assert_eq!(server.client().get("/shop.py").status, 503);
    assert_eq!(server.client().get("/a.py").status, 200);
}

#[test]
fn without_python_dev_serves_the_rest_and_says_so() {
    let setup = Setup::new().command("dev").environment("PYO3_PYTHON", "/nowhere/python3");
    sources(&setup.plugins());
    std::fs::write(setup.plugins().join("shop.py"), "application = None").unwrap();
    let server = setup.start();
    assert_eq!(server.client().get("/a.py").status, 200);
    server
        .wait_for_log("plugin python is not served: plugins/python: it is not built: there is no");
    let response = server.client().get("/python.py");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("PYO3_PYTHON"), "{}", response.text());
    server
        .wait_for_log("plugin shop is not served: plugins/shop.py: plugin python, which runs it, ");
    let response = server.client().get("/shop.py");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("PYO3_PYTHON"), "{}", response.text());
}
