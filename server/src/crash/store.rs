//! The records that are kept: a folder with one file of JSON for each, and beside it the library that
//! crashed, as a hard link, so that the request can be tried again when the plugin has changed.
//!
//! Names begin with the time, so the oldest come first. Number and size are bounded: the oldest go.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::report::{Report, Summary};

/// No file is read beyond that.
const LONGEST: u64 = 2 << 20;

#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// How many records, and how many bytes of them, may be there.
    records: usize,
    size: u64,
}

impl Store {
    pub fn new(folder: PathBuf, records: usize, size: u64) -> Self {
        Self { folder, records, size }
    }

    /// Keeps a report, if any are to be kept, and lets the oldest go.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&self, report: &Report) -> std::io::Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        std::fs::DirBuilder::new().recursive(true).create(&self.folder)?;
        let mut json = serde_json::to_vec_pretty(report)?;
        json.push(b'\n');
        // Made with mode 0600, and seen under its name only when it is whole.
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder)?;
        file.write_all(&json)?;
        file.persist(self.path(&report.id, "json")).map_err(|error| error.error)?;
        let library = report.plugin.as_ref().and_then(|plugin| plugin.library.as_ref().ok());
        if let Some(library) = library {
            // On another file system, or gone already: what happened can still be read.
            let _ = std::fs::hard_link(&library.copy, self.path(&report.id, "so"));
        }
        self.prune();
        Ok(())
    }

    fn path(&self, id: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }

    /// The library of a record, if it is kept.
    pub fn library(&self, id: &str) -> Option<PathBuf> {
        Some(self.path(id, "so")).filter(|path| is_id(id) && path.exists())
    }

    /// Ids and sizes, oldest first.
    fn present(&self) -> Vec<(String, u64)> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut present: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let id = name.strip_suffix(".json").filter(|id| is_id(id))?;
                Some((id.to_owned(), entry.metadata().ok()?.len()))
            })
            .collect();
        present.sort();
        present
    }

    fn prune(&self) {
        let present = self.present();
        let (mut count, mut size) = (0, 0);
        for (id, its_size) in present.iter().rev() {
            count += 1;
            size += its_size;
            if count > self.records || (size > self.size && count > 1) {
                for extension in ["json", "so"] {
                    // Another server of the same folder may have been quicker.
                    let _ = std::fs::remove_file(self.path(id, extension));
                }
            }
        }
    }

    /// What there is, newest first.
    pub fn list(&self) -> Vec<Summary> {
        let ids = self.present().into_iter().rev().map(|(id, _)| id);
        ids.filter_map(|id| Some(self.find(&id).ok()?.summary())).collect()
    }

    /// A record by its id.
    ///
    /// # Errors
    /// In plain words: there is no such record, or its file cannot be read.
    pub fn find(&self, id: &str) -> Result<Report, String> {
        let path = Some(self.path(id, "json")).filter(|path| is_id(id) && path.exists());
        let path = path.ok_or_else(|| {
            format!("there is no record {id} in {}; see tenon ctl crashes", self.folder.display())
        })?;
        read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}

fn read(path: &Path) -> std::io::Result<Report> {
    let mut json = Vec::new();
    std::fs::File::open(path)?.take(LONGEST).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Whether this can be the id of a record: it is part of a file's name.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::autopsy::{Circumstances, examine};
    use super::*;

    fn report(id: &str) -> Report {
        let circumstances =
            Circumstances { id: id.to_owned(), generation: 1, plugin: None, redacts: true };
        examine(&circumstances, &[])
    }

    #[test]
    fn number_and_size_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("crashes"), 3, 1 << 20);
        for id in [
            "20260101T000000-1-0",
            "20260103T000000-1-0",
            "20260102T000000-1-0",
            "20260104T000000-1-0",
        ] {
            store.keep(&report(id)).unwrap();
        }
        let ids: Vec<_> = store.list().into_iter().map(|summary| summary.id).collect();
        assert_eq!(ids, ["20260104T000000-1-0", "20260103T000000-1-0", "20260102T000000-1-0"]);
        let file = folder.path().join("crashes/20260104T000000-1-0.json");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let size = file.metadata().unwrap().len();
        Store::new(folder.path().join("crashes"), 3, 2 * size)
            .keep(&report("20260105T0-1-0"))
            .unwrap();
        assert!(store.list().len() <= 2, "{:?}", store.list());
        assert_eq!(store.find("20260105T0-1-0").unwrap().generation, 1);
        assert!(store.find("../x").unwrap_err().contains("no record"));
        let none = Store::new(folder.path().join("none"), 0, 0);
        none.keep(&report("a")).unwrap();
        assert!(!folder.path().join("none").exists());
    }
}
