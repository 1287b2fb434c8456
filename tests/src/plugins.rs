//! Libraries for the tests, compiled once in a run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// The top of the source tree.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo puts what it builds in this profile.
pub fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    test.ancestors().nth(2).expect("tests lie in deps/").to_owned()
}

/// The library of a plugin by its name: a crate of the workspace, or a file `NAME.c` or `NAME.cpp`
/// in tests/plugins, tests/zoo or plugins.
#[track_caller]
pub fn library(name: &str) -> PathBuf {
    let built = target().join(format!("lib{}.so", name.replace('-', "_")));
    for folder in ["tests/plugins", "tests/zoo", "plugins"] {
        let source = root().join(folder).join(name);
        if source.join("Cargo.toml").exists() {
            assert!(built.exists(), "{} is missing: run cargo build --workspace", built.display());
            return built;
        }
        for extension in ["c", "cpp"] {
            let source = source.with_extension(extension);
            if source.exists() {
                return compiled(&source);
            }
        }
    }
    panic!("there is no plugin {name} for tests");
}

fn compiled(source: &Path) -> PathBuf {
    static DONE: OnceLock<Mutex<HashMap<PathBuf, PathBuf>>> = OnceLock::new();
    let mut done = DONE.get_or_init(Mutex::default).lock().expect("no compilation panics");
    let library = done.entry(source.to_owned()).or_insert_with(|| {
        let folder = target().join("test-plugins");
        std::fs::create_dir_all(&folder).expect("the target folder can be written");
        let name = source.file_name().expect("a source has a name");
        let library = folder.join(name).with_extension("so");
        compile(source, &library, &[]);
        library
    });
    library.clone()
}

/// Compiles as the README says, with more flags.
#[track_caller]
pub fn compile(source: &Path, library: &Path, flags: &[&str]) {
    let compiler = if source.extension().is_some_and(|end| end == "cpp") { "c++" } else { "cc" };
    // To another name first: a second run of the tests may be using the file.
    let new = library.with_extension(format!("new{}", std::process::id()));
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-g", "-fvisibility=hidden", "-pthread", "-I"])
        .arg(root().join("plugin-api/include"))
        .arg("-o")
        .args([&new, source])
        .args(flags)
        .status()
        .expect("a compiler is installed");
    assert!(status.success(), "{} does not compile", source.display());
    std::fs::rename(&new, library).expect("a file can be renamed in its folder");
}
