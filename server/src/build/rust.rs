//! Crates, by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library's bytes, or what the compiler says.
pub(super) fn compile(manifest: &Path) -> Result<Vec<u8>, String> {
    let result = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(manifest)
        .output();
    let output = result.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "cargo is not installed; see https://rustup.rs, or on Debian: apt-get install cargo"
                .to_owned()
        }
        _ => format!("cannot start cargo: {error}"),
    })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let library = library_in(&String::from_utf8_lossy(&output.stdout), manifest).ok_or(
        "it makes no C library; write crate-type = [\"cdylib\"] below [lib] in its Cargo.toml",
    )?;
    std::fs::read(&library).map_err(|error| format!("cannot read {}: {error}", library.display()))
}

/// The cdylib of this very crate, out of cargo's messages.
fn library_in(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let manifest = std::fs::canonicalize(manifest).unwrap_or_else(|_| manifest.to_owned());
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_artifact = message["reason"] == "compiler-artifact";
        let is_ours = message["manifest_path"].as_str().map(Path::new) == Some(&manifest);
        if !is_artifact || !is_ours {
            return None;
        }
        let files = message["filenames"].as_array()?.iter().filter_map(|file| file.as_str());
        files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "so"))
    })
}
