//! The README's own words: its plugins are compiled and served, so that they cannot rot.

use std::path::Path;
use std::process::Command;

use tests::plugins::{compile, root, target};
use tests::server::Setup;

/// The blocks of code in a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.filter_map(|part| Some(part.split_once("\n```")?.0.to_owned() + "\n")).collect()
}

fn readme(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_plugin_in_c_is_served() {
    for name in ["README.md", "README.zh.md"] {
        let setup = Setup::new();
        let source = setup.folder().join("hello.c");
        std::fs::write(&source, &blocks(&readme(name), "c")[0]).unwrap();
        compile(&source, &setup.plugins().join("hello.so"), &["-Wall", "-Wextra", "-Werror"]);
        assert_eq!(setup.start().client().get("/hello.py").text(), "Hello, world\n");
    }
}

#[test]
fn the_plugin_in_rust_is_served() {
    let text = readme("README.md");
    let manifest =
        blocks(&text, "toml").into_iter().find(|block| block.contains("cdylib")).unwrap();
    let api = root().join("plugin-api").canonicalize().unwrap();
    let manifest = manifest.replace("../../plugin-api", &api.display().to_string());
    for name in ["README.md", "README.zh.md"] {
        let setup = Setup::new();
        let folder = setup.folder().join("hello");
        std::fs::create_dir_all(folder.join("src")).unwrap();
        // Not part of the workspace around a target folder that may lie in it.
        std::fs::write(folder.join("Cargo.toml"), format!("{manifest}\n[workspace]\n")).unwrap();
        std::fs::write(folder.join("src/lib.rs"), &blocks(&readme(name), "rust")[0]).unwrap();
        std::fs::copy(setup_lock(), folder.join("Cargo.lock")).unwrap();
        let status = Command::new("cargo")
            .args(["build", "--quiet", "--manifest-path"])
            .arg(folder.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", target().join("readme"))
            .status()
            .unwrap();
        assert!(status.success(), "the plugin in {name} does not compile");
        let library = target().join("readme/debug/libhello.so");
        std::fs::copy(library, setup.plugins().join("hello.so")).unwrap();
        let server = setup.start();
        assert_eq!(server.client().get("/hello.py?you").text(), "Hello, you\n");
    }
}

fn setup_lock() -> std::path::PathBuf {
    root().join("Cargo.lock")
}

/// What there is to say is said in both languages: the same sections, tables and rows.
#[test]
fn both_languages_have_the_same_parts() {
    let parts = |name: &str| -> Vec<String> {
        let text = readme(name);
        let mut in_code = false;
        let parts = text.lines().filter_map(|line| {
            in_code ^= line.starts_with("```");
            let level = line.bytes().take_while(|byte| *byte == b'#').count();
            match line.split(" | ").next() {
                _ if in_code => line.starts_with("```").then(|| line.to_owned()),
                _ if level > 0 => Some("#".repeat(level)),
                // What a row is about, if it is a name.
                Some(cell) if cell.starts_with("| `") && cell.ends_with('`') => {
                    Some(cell.to_owned())
                }
                _ => line.starts_with("|---").then(|| line.to_owned()),
            }
        });
        parts.collect()
    };
    let (english, chinese) = (parts("README.md"), parts("README.zh.md"));
    assert!(english.len() > 100, "{english:?}");
    for (one, other) in english.iter().zip(&chinese) {
        assert_eq!(one, other, "README.md and README.zh.md part here");
    }
    assert_eq!(english.len(), chinese.len());
}

#[test]
fn every_configuration_key_in_the_readme_is_taken() {
    let text = readme("README.md");
    let rows = text.lines().skip_while(|line| !line.starts_with("| key |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let mut keys = 0;
    let folder = tempfile::tempdir().unwrap();
    for row in rows {
        let cells: Vec<_> = row.split(" | ").collect();
        let key = cells[0].trim_start_matches('|').trim().trim_matches('`').replace("NAME", "a");
        let default = cells[1].trim().split('`').nth(1).unwrap_or_default();
        let value = match key.as_str() {
            "workers" => "1",
            "routes" => "[]",
            "control" => "\"\"",
            "proxy_protocol" => "true\ntrusted_proxies = [\"127.0.0.1\"]",
            "crashes.folder" => "\"crashes\"",
            "compression.types" => "[]",
            "limits.connections_per_address" => "5",
            "plugin.a.mount" => "\"/m\"",
            "plugin.a.config" => "{ x = 1 }",
            "plugin.a.request_timeout" => "\"5s\"",
            "plugin.a.workers" => "2",
            "plugin.a.self_test" => "\"/health\"",
            "recycle.requests" => "1000",
            "recycle.memory" => "\"1GiB\"",
            _ => default,
        };
        // A wrong key would be refused before the address is; this address cannot be had.
        let listen = if key == "listen" { "" } else { "listen = [\"192.0.2.1:1\"]\n" };
        let config = format!("{listen}{key} = {value}\n");
        std::fs::write(folder.path().join("tenon.toml"), &config).unwrap();
        assert_config_is_taken(folder.path(), &config);
        keys += 1;
    }
    assert!(keys >= 23, "the table has been found: {keys}");
}

fn assert_config_is_taken(folder: &Path, config: &str) {
    let output = Command::new(tests::server::tenon())
        .args(["serve", "--listen", "192.0.2.1:1"])
        .current_dir(folder)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("this machine does not have that address"), "{config}: {error}");
}
