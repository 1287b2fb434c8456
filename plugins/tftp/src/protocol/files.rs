//! The one folder that a TFTP server shares. No name leads out of it.
//!
//! The kernel decides, not a look at the text: `openat2` with RESOLVE_BENEATH refuses `..`, absolute
//! names and symbolic links, also those that appear while a name is resolved.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::packet::Code;

/// What a server says to a request that it does not serve.
pub type Refusal = (Code, &'static str);

/// The folder.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    /// Bytes of an uploaded file at most.
    file_limit: u64,
    /// Files in a folder at most, for uploads.
    count_limit: usize,
}

/// A file that is being uploaded; it appears under its name when it is whole.
#[derive(Debug)]
pub struct Upload {
    folder: OwnedFd,
    name: Vec<u8>,
    temporary: String,
    file: File,
    left: u64,
    is_kept: bool,
}

impl Root {
    /// # Errors
    /// The folder cannot be opened.
    pub fn open(folder: &Path, file_limit: u64, count_limit: usize) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        Ok(Self { folder, file_limit, count_limit })
    }

    fn resolve(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Refusal> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat2(&self.folder, name, flags, Mode::empty(), resolve).map_err(|error| {
            match error {
                Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => {
                    (Code::NOT_FOUND, "File not found")
                }
                Errno::XDEV | Errno::LOOP | Errno::ACCESS | Errno::PERM => {
                    (Code::ACCESS_VIOLATION, "Access violation")
                }
                _ => (Code::UNDEFINED, "The file cannot be opened"),
            }
        })
    }

    /// A file to send, and its size.
    ///
    /// # Errors
    /// It is not there, not in the folder, or no file.
    pub fn read(&self, name: &[u8]) -> Result<(File, u64), Refusal> {
        let file = File::from(self.resolve(within(name), OFlags::RDONLY)?);
        let facts = file.metadata().map_err(|_| (Code::UNDEFINED, "The file cannot be read"))?;
        if !facts.is_file() {
            return Err((Code::ACCESS_VIOLATION, "Not a file"));
        }
        Ok((file, facts.len()))
    }

    /// A file to receive. `size`: what the client says it will be.
    ///
    /// # Errors
    /// It is there already, too large, one too many, or would not be in the folder.
    pub fn create(&self, name: &[u8], size: Option<u64>) -> Result<Upload, Refusal> {
        if size.is_some_and(|size| size > self.file_limit) {
            return Err((Code::DISK_FULL, "The file is larger than this server takes"));
        }
        let name = within(name);
        let cut = name.iter().rposition(|byte| *byte == b'/');
        let (parent, own_name) = match cut {
            Some(cut) => (&name[..cut], &name[cut + 1..]),
            None => (&b"."[..], name),
        };
        if own_name.is_empty() || own_name == b"." || own_name == b".." {
            return Err((Code::ACCESS_VIOLATION, "Access violation"));
        }
        let folder = self.resolve(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
        if rustix::fs::statat(&folder, own_name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Err((Code::FILE_EXISTS, "File already exists"));
        }
        let entries = rustix::fs::Dir::read_from(&folder).map(|entries| entries.count());
        if entries.is_ok_and(|count| count >= self.count_limit + 2) {
            return Err((Code::DISK_FULL, "There are too many files in the folder"));
        }
        self.begin(folder, own_name)
    }

    fn begin(&self, folder: OwnedFd, name: &[u8]) -> Result<Upload, Refusal> {
        // Unfinished files are hidden, and each upload has one of its own.
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let temporary = format!(".upload-{}-{number}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, temporary.as_str(), flags, Mode::from(0o644))
            .map_err(|_| (Code::ACCESS_VIOLATION, "The file cannot be created"))?;
        Ok(Upload {
            folder,
            name: name.to_vec(),
            temporary,
            file: File::from(file),
            left: self.file_limit,
            is_kept: false,
        })
    }
}

/// Many clients write `/file` for a file of the shared folder.
fn within(name: &[u8]) -> &[u8] {
    let start = name.iter().position(|byte| *byte != b'/').unwrap_or(name.len());
    if start == name.len() { b"." } else { &name[start..] }
}

impl Upload {
    /// Gives the whole file its name.
    ///
    /// # Errors
    /// Somebody else has made a file of that name meanwhile.
    pub fn keep(mut self) -> io::Result<()> {
        self.file.flush()?;
        let (folder, from, to) = (&self.folder, self.temporary.as_str(), self.name.as_slice());
        rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            let why = "it is larger than this server takes";
            return Err(io::Error::new(ErrorKind::FileTooLarge, why));
        }
        let count = self.file.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_kept {
            // It may be gone with its folder.
            let _ = rustix::fs::unlinkat(&self.folder, self.temporary.as_str(), AtFlags::empty());
        }
    }
}
