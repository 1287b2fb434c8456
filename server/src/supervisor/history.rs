//! What was served last, and before that: kept in a file, so that the last good version of a plugin
//! goes on serving after a restart of the server too, and for `tenon ctl rollback`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::applications;
use crate::control::{Application, Library, Passed};
use crate::own_folder::own_folder;

/// In the folder of the server's own files.
const FILE: &str = "served.json";

/// One version of a plugin that has passed everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    pub library: Library,
    pub application: Option<Application>,
    pub go: bool,
    pub passed: Passed,
}

impl Good {
    /// What tells two versions apart.
    pub fn hash(&self) -> &str {
        self.application.as_ref().map_or(&self.library.hash, |application| &application.hash)
    }

    /// The private copies that it is served from.
    pub fn copies(&self) -> impl Iterator<Item = &PathBuf> {
        let application = self.application.as_ref().map(|application| &application.copy);
        std::iter::once(&self.library.copy).chain(application)
    }

    /// The copies are there, and are what they were.
    fn is_there(&self) -> bool {
        let is_it = |copy: &Path, hash: &str| {
            std::fs::read(copy).is_ok_and(|bytes| applications::hash(&bytes) == hash)
        };
        let application = self.application.as_ref();
        // Of a folder there is no copy: it is examined anew.
        is_it(&self.library.copy, &self.library.hash)
            && application.is_none_or(|application| is_it(&application.copy, &application.hash))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Versions {
    served: Good,
    before: Option<Good>,
    /// The version that was rolled back from: it is not served until the file changes.
    held: Option<String>,
}

/// The versions of all plugins, by name.
#[derive(Debug, Default)]
pub struct History {
    file: Option<PathBuf>,
    plugins: BTreeMap<String, Versions>,
}

impl History {
    /// What an earlier run has left; what cannot be read counts as nothing.
    pub fn open(plugins: &Path) -> Self {
        let file = match own_folder(plugins) {
            Ok(folder) => folder.join(FILE),
            Err(error) => {
                tracing::warn!("versions of plugins are not kept over a restart: {error}");
                return Self::default();
            }
        };
        let plugins = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!("{} is not used: {error}", file.display());
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        Self { file: Some(file), plugins }
    }

    /// The versions that were served last and can be served still.
    pub fn last_good(&self) -> BTreeMap<String, Good> {
        let plugins = self.plugins.iter().filter(|(_, versions)| versions.served.is_there());
        plugins.map(|(name, versions)| (name.clone(), versions.served.clone())).collect()
    }

    /// These versions are the ones to be served; what has changed is written down.
    pub fn note(&mut self, good: &BTreeMap<String, Good>) {
        let before = self.plugins.clone();
        self.plugins.retain(|name, _| good.contains_key(name));
        for (name, good) in good {
            match self.plugins.get_mut(name) {
                Some(versions) if versions.served.hash() == good.hash() => {
                    versions.served.clone_from(good);
                }
                Some(versions) => {
                    let served = std::mem::replace(&mut versions.served, good.clone());
                    (versions.before, versions.held) = (Some(served), None);
                }
                None => {
                    let versions = Versions { served: good.clone(), before: None, held: None };
                    self.plugins.insert(name.clone(), versions);
                }
            }
        }
        if self.plugins != before {
            self.write();
        }
    }

    /// That version of a plugin was rolled back from.
    pub fn is_held(&self, plugin: &str, hash: &str) -> bool {
        let held = self.plugins.get(plugin).and_then(|versions| versions.held.as_deref());
        held == Some(hash)
    }

    /// Makes the version before this one the one to be served, and gives it. Twice is back again.
    ///
    /// # Errors
    /// In plain words: there is none.
    pub fn roll_back(&mut self, plugin: &str) -> Result<Good, String> {
        let versions = self.plugins.get_mut(plugin);
        let versions = versions.ok_or_else(|| format!("no plugin {plugin} is served"))?;
        let before = versions.before.take().filter(Good::is_there);
        let before =
            before.ok_or_else(|| format!("there is no version of plugin {plugin} before this"))?;
        let served = std::mem::replace(&mut versions.served, before.clone());
        // Going back to the version that was held, which is the one in the folder, holds none.
        let is_return = versions.held.as_deref() == Some(before.hash());
        versions.held = (!is_return).then(|| served.hash().to_owned());
        versions.before = Some(served);
        self.write();
        Ok(before)
    }

    /// The copies that are needed for all this.
    pub fn copies(&self) -> impl Iterator<Item = &PathBuf> {
        let versions = self.plugins.values();
        versions.flat_map(|one| one.served.copies().chain(one.before.iter().flat_map(Good::copies)))
    }

    fn write(&self) {
        let Some(file) = &self.file else { return };
        let write = || {
            let folder = file.parent().unwrap_or(Path::new("."));
            let mut new = tempfile::Builder::new().prefix(".served-").tempfile_in(folder)?;
            new.write_all(&serde_json::to_vec_pretty(&self.plugins)?)?;
            new.persist(file).map_err(|error| error.error)?;
            Ok::<_, std::io::Error>(())
        };
        if let Err(error) = write() {
            tracing::warn!("cannot write {}: {error}", file.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(folder: &Path, content: &str) -> Good {
        let hash = applications::hash(content.as_bytes());
        let copy = folder.join(&hash);
        std::fs::write(&copy, content).unwrap();
        let library = Library { copy, hash, version: String::new() };
        let passed = Passed { language: None, group: String::new() };
        Good { library, application: None, go: false, passed }
    }

    #[test]
    fn a_rollback_goes_to_the_version_before_and_back_and_outlives_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|content| good(folder.path(), content));
        let mut history = History::open(folder.path());
        let served = |good: &Good| BTreeMap::from([("p".to_owned(), good.clone())]);
        history.note(&served(&one));
        assert!(history.roll_back("p").unwrap_err().contains("no version of plugin p before"));
        history.note(&served(&two));
        assert_eq!(history.roll_back("p"), Ok(one.clone()));
        let mut later = History::open(folder.path());
        assert_eq!(later.last_good(), served(&one));
        assert!(later.is_held("p", two.hash()));
        assert_eq!(later.roll_back("p"), Ok(two.clone()));
        assert!(!later.is_held("p", two.hash()) && !later.is_held("p", one.hash()));
        std::fs::write(&two.library.copy, "spoiled").unwrap();
        assert!(later.last_good().is_empty(), "a copy that has changed is not served");
        assert!(later.roll_back("q").is_err());
    }
}
