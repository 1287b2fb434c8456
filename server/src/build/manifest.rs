//! What a crate says of itself in its `Cargo.toml`: whether it is a plugin at all, what it needs of
//! the machine, and which files it runs
//!
//! ```toml
//! [package.metadata.tenon]
//! requires = "./usable.sh"
//! suffix = ".py"
//! ```
//!
//! `requires` is a command, which fails where the crate cannot be built, and prints why. Such a crate
//! is passed over and no mistake, as what it needs may not be wanted on this machine. Until it is
//! built nobody can ask a language plugin what it runs: by the suffix it is known what is not served.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    package: Package,
    #[serde(default)]
    lib: Library,
}

#[derive(Default, Deserialize)]
struct Library {
    #[serde(default, rename = "crate-type")]
    crate_type: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Package {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    tenon: Tenon,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tenon {
    requires: Option<String>,
    suffix: Option<String>,
}

/// Why the crate cannot be built on this machine, if it says so.
///
/// # Errors
/// The section is wrong, or the command cannot be started.
pub(super) fn missing(manifest: &Path) -> Result<Option<String>, String> {
    let shown = manifest.display();
    let text = std::fs::read_to_string(manifest)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    let parsed = toml::from_str::<Manifest>(&text);
    // Any other mistake in it is cargo's to say.
    let Manifest { package, .. } = match parsed {
        Ok(parsed) => parsed,
        Err(error) if text.contains("metadata.tenon") => return Err(format!("{shown}: {error}")),
        Err(_) => return Ok(None),
    };
    let Some(command) = package.metadata.tenon.requires else { return Ok(None) };
    let folder = manifest.parent().unwrap_or(Path::new("."));
    let output = Command::new("/bin/sh").arg("-c").arg(&command).current_dir(folder).output();
    let output = output.map_err(|error| format!("cannot run {command}: {error}"))?;
    if output.status.success() {
        return Ok(None);
    }
    let words = [output.stdout, output.stderr].concat();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    Ok(Some(if words.is_empty() { format!("{command} says so") } else { words }))
}

/// It says that it is an ordinary library, which plugins share.
pub(super) fn is_shared(manifest: &Path) -> bool {
    read(manifest).lib.crate_type == ["rlib"]
}

/// The suffix of the files that it runs, if it is a language plugin.
pub(super) fn suffix(manifest: &Path) -> Option<String> {
    read(manifest).package.metadata.tenon.suffix
}

/// What it says; nothing, if there is a mistake in it, which is cargo's to say.
fn read(manifest: &Path) -> Manifest {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
}
