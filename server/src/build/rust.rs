//! Crates, by cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Effort;

/// The library's bytes, or what the compiler says.
pub(super) fn compile(manifest: &Path, effort: Effort) -> Result<Vec<u8>, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--message-format=json-render-diagnostics", "--manifest-path"])
        .arg(manifest);
    if let Effort::Quick { .. } = effort {
        // Wins over the profile in Cargo.toml (cargo, configuration, profile).
        command.env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    }
    let output = command.output().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "cargo is not installed; see https://rustup.rs, or on Debian: apt-get install cargo"
                .to_owned()
        }
        _ => format!("cannot start cargo: {error}"),
    })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let artifacts = artifacts(&String::from_utf8_lossy(&output.stdout), manifest);
    if let Some(library) = artifacts.iter().find_map(library_in) {
        let bytes = std::fs::read(&library);
        return bytes.map_err(|error| format!("cannot read {}: {error}", library.display()));
    }
    Err("it makes no C library; write crate-type = [\"cdylib\"] below [lib] in its Cargo.toml, or \
         [\"rlib\"] if plugins share it"
        .to_owned())
}

/// What cargo says it made of this very crate.
fn artifacts(messages: &str, manifest: &Path) -> Vec<serde_json::Value> {
    let manifest = std::fs::canonicalize(manifest).unwrap_or_else(|_| manifest.to_owned());
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    messages
        .filter(|message: &serde_json::Value| {
            message["reason"] == "compiler-artifact"
                && message["manifest_path"].as_str().map(Path::new) == Some(&manifest)
        })
        .collect()
}

/// The cdylib among the files of an artifact.
fn library_in(artifact: &serde_json::Value) -> Option<PathBuf> {
    let files = artifact["filenames"].as_array()?.iter().filter_map(|file| file.as_str());
    files.map(PathBuf::from).find(|file| file.extension().is_some_and(|end| end == "so"))
}
