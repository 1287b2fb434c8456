//! Rules of the project that a machine can check.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};

use tests::plugins::root;

/// Lines that a file may have at most.
const LONGEST_FILE: usize = 500;

/// All files that are part of the project and have one of these extensions, by path from the root.
fn files(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| extensions.iter().any(|e| end == *e)) {
                let text = std::fs::read_to_string(root().join(&path)).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// Names of files between backquotes in one section of a document.
fn named_files(document: &str, heading: &str) -> Vec<String> {
    let (_, section) = document.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let quoted = section.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.ends_with(".rs")).map(str::to_owned).collect()
}

/// The keyword as code, not in a comment or a text.
fn uses_unsafe(text: &str) -> bool {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut code = code.map(|line| line.split("//").next().unwrap_or_default());
    code.any(|line| {
        line.replace("unsafe_", "")
            .replace("undocumented_unsafe", "")
            .replace("unsafe(", "unsafe (")
            .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '"')
            .any(|word| word == "unsafe")
    })
}

#[test]
fn unsafe_is_only_where_the_architecture_says() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let allowed = named_files(&document, "Unsafe");
    for (path, text) in files(&["rs"]) {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let is_allowed = allowed.iter().any(|name| Path::new(name) == path);
        assert!(is_allowed || !uses_unsafe(&text), "{} uses unsafe", path.display());
    }
    for name in allowed {
        let text = std::fs::read_to_string(root().join(&name));
        assert!(text.is_ok_and(|text| uses_unsafe(&text)), "{name} is named for nothing");
    }
    assert!(uses_unsafe("let x = unsafe { y };") && !uses_unsafe("// unsafe\n\"a\" // unsafe"));
}

#[test]
fn every_file_says_what_it_is_for_and_fits_in_a_head() {
    for (path, text) in files(&["rs"]) {
        let path = path.display();
        assert!(text.starts_with("//!"), "{path} does not begin with what it is for");
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines");
        for mark in ["TODO", "FIXME", "XXX", "unimplemented!("] {
            let is_marked = text.contains(mark) && !text.contains("for mark in");
            assert!(!is_marked, "{path} has {mark}");
        }
    }
}

#[test]
fn the_architecture_names_files_that_exist() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let names = quoted.filter(|text| text.ends_with(".rs") || text.ends_with('/'));
    let mut count = 0;
    for name in names.filter(|name| !name.starts_with('/')) {
        let places = [root().join(name), root().join("server/src").join(name)];
        assert!(places.iter().any(|place| place.exists()), "{name} does not exist");
        count += 1;
    }
    assert!(count > 40, "the names have been found: {count}");
}

#[test]
fn every_part_of_the_server_is_in_the_architecture() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for entry in std::fs::read_dir(root().join("server/src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_folder = entry.file_type().unwrap().is_dir();
        let name =
            if is_folder { format!("server/src/{name}/") } else { format!("server/src/{name}") };
        assert!(document.contains(&format!("`{name}`")), "{name} is not named");
    }
}

#[test]
fn libraries_stay_behind_their_module() {
    let rules = [
        ("regex::", &["server/src/router.rs"][..]),
        ("libloading::", &["server/src/plugin/load.rs"]),
        ("object::", &["server/src/check/elf.rs", "server/src/crash/modules.rs"]),
        ("landlock::", &["server/src/sandbox/files.rs"]),
        ("seccompiler::", &["server/src/sandbox/calls.rs"]),
        ("framehop::", &["server/src/crash/unwind.rs"]),
        ("addr2line::", &["server/src/crash/symbols.rs"]),
        ("ipnet::", &["server/src/config/proxies.rs"]),
        ("notify::", &["server/src/supervisor/watch.rs"]),
        ("toml::", &["server/src/config/file.rs", "server/src/build/manifest.rs"]),
        ("clap::", &["server/src/cli.rs"]),
        ("new_mime_guess::", &["server/src/static_files/media_type.rs"]),
        ("brotli::", &["server/src/http/compress.rs"]),
        ("zstd::", &["server/src/http/compress.rs"]),
        ("flate2::", &["server/src/http/compress.rs"]),
        ("tracing_subscriber::", &["server/src/logging.rs"]),
    ];
    for (path, text) in files(&["rs"]) {
        for (library, places) in rules {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            let is_used = words.into_iter().any(|word| word.starts_with(library));
            let is_allowed = places.iter().any(|place| Path::new(place) == path);
            let is_allowed = is_allowed || !path.starts_with("server/src");
            assert!(is_allowed || !is_used, "{} uses {library}", path.display());
        }
    }
}
