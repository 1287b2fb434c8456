//! Folders of the server's own: for copies of libraries, for records, for its control socket.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The folder of the server's own files inside the plugins folder.
pub const OWN_FOLDER: &str = ".tenon";

/// The folder beside the plugins, or, where that cannot be written, the one in the folder for
/// temporary files, where only we may write.
///
/// # Errors
/// There is no such folder, and none can be made.
pub fn own_folder(plugins: &Path) -> std::io::Result<PathBuf> {
    let beside = std::path::absolute(plugins)?.join(OWN_FOLDER);
    match make_private(&beside) {
        Err(error) if is_unwritable(&error) => {
            let elsewhere = temporary();
            make_private(&elsewhere)?;
            Ok(elsewhere)
        }
        result => result.map(|()| beside),
    }
}

/// Of this user, in the folder for temporary files.
pub fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("tenon-{}", rustix::process::geteuid().as_raw()))
}

fn is_unwritable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

/// Makes sure of a folder that only this user can write to.
///
/// # Errors
/// It cannot be made, or somebody else has made it.
pub fn make_private(folder: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        result => result?,
    }
    let metadata = folder.symlink_metadata()?;
    let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(std::io::Error::other(format!(
            "{} is not a folder that only this user can write to; remove it",
            folder.display()
        )));
    }
    // Writable in fact, not only by its mode.
    tempfile::tempfile_in(folder).map(drop::<File>)
}
