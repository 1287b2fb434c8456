//! Applications among the plugins: files and folders that a language plugin runs.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::config::is_plugin_name;
use crate::control::Language;

/// Files of one folder that are looked at; the rest is taken as unchanged.
const FILES: usize = 10_000;

/// An application as it is now.
pub enum Snapshot {
    File(Vec<u8>),
    /// A folder, by the hash of the files of its language.
    Folder(String),
}

/// The applications of a language in a folder, by the name of their plugin. `taken` names have a
/// library, which wins.
pub fn find(
    folder: &Path,
    language: &Language,
    taken: &HashSet<String>,
) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::<String, PathBuf>::new();
    // Said when the libraries were looked for.
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // A folder NAME comes before NAME.py, and wins.
    paths.sort();
    for path in paths {
        let Some(name) = application_name(&path, language) else { continue };
        if taken.contains(&name) {
            let library = format!("{name}.so");
            tracing::warn!(
                "{} and {library} are both plugin {name}; the library is served: remove one",
                path.display()
            );
        } else if let Some(first) = found.get(&name) {
            tracing::warn!(
                "{} and {} are both plugin {name}; the first is served: remove one",
                first.display(),
                path.display()
            );
        } else {
            found.insert(name, path);
        }
    }
    found
}

/// `NAME.py`, and a folder `NAME` with one of the language's files in it, are plugin NAME.
fn application_name(path: &Path, language: &Language) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let name = if path.is_dir() {
        let mut files = language.folder_files.iter();
        files.any(|name| path.join(name).is_file()).then_some(file)?
    } else {
        file.strip_suffix(&language.suffix)?
    };
    is_plugin_name(name).then(|| name.to_owned())
}

/// Takes an application as it is.
///
/// # Errors
/// It cannot be read, or others can write to it.
pub fn snapshot(path: &Path, language: &Language) -> std::io::Result<Snapshot> {
    refuse_if_writable(path)?;
    refuse_if_writable(path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new(".")))?;
    if !path.is_dir() {
        return Ok(Snapshot::File(std::fs::read(path)?));
    }
    let mut files = Vec::new();
    gather(path, &language.suffix, &mut files)?;
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let bytes = std::fs::read(&file)?;
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    Ok(Snapshot::Folder(hexadecimal(&digest.finalize())))
}

fn refuse_if_writable(path: &Path) -> std::io::Result<()> {
    if path.metadata()?.mode() & 0o002 != 0 {
        let what = if path.is_dir() { "its folder" } else { "it" };
        return Err(std::io::Error::other(format!(
            "every user of this machine can write to {what}; run chmod o-w on {}",
            path.display()
        )));
    }
    Ok(())
}

/// The files of the language below a folder. Links to folders, and what begins with a point, are
/// passed over.
fn gather(folder: &Path, suffix: &str, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || files.len() >= FILES {
            continue;
        }
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), suffix, files)?;
        } else if name.ends_with(suffix) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Language {
        let folder_files = vec!["__init__.py".to_owned(), "wsgi.py".to_owned()];
        Language { suffix: ".py".to_owned(), folder_files }
    }

    #[test]
    fn files_and_folders_are_applications_and_libraries_win() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a.py", "b.py", "c.pyc", "d e.py", ".py", "s/wsgi.py", "t/other.py"] {
            let file = folder.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let taken = HashSet::from(["b".to_owned()]);
        let found = find(folder.path(), &python(), &taken);
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "s"]);
    }

    #[test]
    fn a_folder_changes_with_the_files_of_its_language() {
        let folder = tempfile::tempdir().unwrap();
        let application = folder.path().join("s");
        std::fs::create_dir_all(application.join("deep")).unwrap();
        std::fs::write(application.join("deep/x.py"), "1").unwrap();
        let now = || match snapshot(&application, &python()).unwrap() {
            Snapshot::Folder(hash) => hash,
            Snapshot::File(_) => panic!("it is a folder"),
        };
        let first = now();
        std::fs::write(application.join("data.sqlite"), "x").unwrap();
        assert_eq!(now(), first);
        std::fs::write(application.join("deep/x.py"), "2").unwrap();
        assert_ne!(now(), first);
    }

    #[test]
    fn what_everybody_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.py");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(snapshot(&file, &python()).err().unwrap().to_string().contains("chmod o-w"));
    }
}
