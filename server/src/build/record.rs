//! What was built from what, kept between runs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A library that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Of all that it was made from; empty where cargo keeps that.
    fingerprint: String,
    /// SHA-256 of the library.
    library: String,
}

impl Entry {
    pub(super) fn new(fingerprint: String, library: &[u8]) -> Self {
        Self { fingerprint, library: hash(library) }
    }

    /// Is the file still what was built?
    pub(super) fn is_of(&self, library: &Path) -> bool {
        std::fs::read(library).is_ok_and(|bytes| hash(&bytes) == self.library)
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By the plugin's name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record(BTreeMap<String, Entry>);

impl Record {
    /// A record that is missing or broken is an empty one: everything is built again.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let is_new = std::fs::read(path).ok().as_deref() != Some(&bytes);
        if is_new && (path.exists() || !self.0.is_empty()) {
            super::replace(path, &bytes)?;
        }
        Ok(())
    }

    pub(super) fn set(&mut self, plugin: &str, entry: Entry) {
        self.0.insert(plugin.to_owned(), entry);
    }

    /// The entry, if the library was made from just that and has not been touched since.
    pub(super) fn up_to_date(
        &self,
        plugin: &str,
        fingerprint: &str,
        library: &Path,
    ) -> Option<Entry> {
        let entry = self.0.get(plugin)?;
        (entry.fingerprint == fingerprint && entry.is_of(library)).then(|| entry.clone())
    }

    /// Takes out the entries whose source does not exist any more.
    pub(super) fn without(&mut self, exists: impl Fn(&str) -> bool) -> BTreeMap<String, Entry> {
        let all = std::mem::take(&mut self.0);
        let (kept, gone) = all.into_iter().partition(|(plugin, _)| exists(plugin));
        self.0 = kept;
        gone
    }
}
