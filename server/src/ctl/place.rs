//! Where the control socket lies.
//!
//! By itself it is `control-FOLDER-PID.sock`, FOLDER a short hash of the plugins folder, in the first
//! of these that can be written: the server's own folder beside the plugins, `tenon` in the user's
//! runtime folder, the user's folder for temporary files. So servers never meet on one name,
//! and `tenon ctl` finds the one that serves a plugins folder by looking there.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::SocketAddrUnix;
use sha2::{Digest, Sha256};

use crate::own_folder::{OWN_FOLDER, temporary};

/// The folders in which a socket may lie, best first.
pub fn folders(plugins: &Path) -> Vec<PathBuf> {
    let beside = absolute(plugins).join(OWN_FOLDER);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let runtime = runtime.map(|folder| PathBuf::from(folder).join("tenon"));
    [Some(beside), runtime, Some(temporary())].into_iter().flatten().collect()
}

/// The beginning of the names of all sockets of servers for that plugins folder.
fn prefix(plugins: &Path) -> String {
    let digest = Sha256::digest(absolute(plugins).as_os_str().as_bytes());
    let hash: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("control-{hash}-")
}

pub fn name(plugins: &Path, pid: u32) -> String {
    format!("{}{pid}.sock", prefix(plugins))
}

/// The sockets that are in a folder, of servers that live or do not.
pub fn present(folder: &Path, plugins: &Path) -> Vec<PathBuf> {
    let prefix = prefix(plugins);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let ours = names.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with(&prefix) && name.ends_with(".sock")
    });
    let mut paths: Vec<_> = ours.map(|name| folder.join(name)).collect();
    paths.sort();
    paths
}

/// The same folder is the same, by whatever way it is reached.
fn absolute(plugins: &Path) -> PathBuf {
    let resolved = plugins.canonicalize().or_else(|_| std::path::absolute(plugins));
    resolved.unwrap_or_else(|_| plugins.to_owned())
}

/// An address of a socket, for as long as this lives.
pub struct Address {
    pub address: SocketAddrUnix,
    _folder: Option<OwnedFd>,
}

/// The address of a path: the kernel takes 107 bytes at most, so that a longer one goes by way of its
/// folder's descriptor.
///
/// # Errors
/// The folder is not there.
pub fn address(path: &Path) -> std::io::Result<Address> {
    if let Ok(address) = SocketAddrUnix::new(path) {
        return Ok(Address { address, _folder: None });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder.unwrap_or(Path::new(".")), flags, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok(Address { address: SocketAddrUnix::new(short)?, _folder: Some(folder) })
}
