//! The program's own file, where it is looked for when the program is to be started anew.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How this process was started, so that it can be started again.
#[derive(Clone)]
pub struct Program {
    pub path: PathBuf,
    /// As it was called.
    pub name: OsString,
    pub arguments: Vec<OsString>,
}

impl Program {
    /// To be asked for early: a file that has been replaced cannot be found from its process.
    ///
    /// # Errors
    /// In plain words: the file cannot be found.
    pub fn of_this_process() -> Result<Self, String> {
        let file = std::env::current_exe()
            .map_err(|error| format!("cannot find the file of this program: {error}"))?;
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| "tenon".into());
        let path = as_called(Path::new(&name), &file).unwrap_or(file);
        Ok(Self { path, name, arguments: arguments.collect() })
    }
}

/// The path by which a file was called, if it leads there: it may go by way of a link, which is what
/// is changed then.
fn as_called(name: &Path, file: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = match name.components().count() {
        1 => std::env::split_paths(&path).collect(),
        _ => vec![PathBuf::new()],
    };
    let candidates = folders.iter().map(|folder| std::path::absolute(folder.join(name)));
    let mut leads = candidates.filter_map(Result::ok);
    leads.find(|path| path.canonicalize().is_ok_and(|found| found == *file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_kept_as_it_was_called() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        std::fs::write(folder.join("tenon-1"), "").unwrap();
        std::os::unix::fs::symlink("tenon-1", folder.join("tenon")).unwrap();
        let called = as_called(&folder.join("tenon"), &folder.join("tenon-1"));
        assert_eq!(called, Some(folder.join("tenon")));
        assert_eq!(as_called(&folder.join("tenon"), &folder.join("tenon-2")), None);
    }
}
