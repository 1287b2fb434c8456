//! Opens what lies beneath a folder and nothing else, whatever is renamed meanwhile.
//!
//! The kernel does it (openat2(2), `RESOLVE_BENEATH`). Where it cannot, before Linux 5.6 or under a
//! filter of system calls, the path is walked here, by descriptors alone: every folder is opened in
//! the one before it without following a link, a link is expanded by hand, and `..` goes back to a
//! descriptor that was opened on the way. So no step depends on where a folder is moved to.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};
use rustix::io::Errno;

/// Symbolic links followed on one path, as the kernel does (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// Attempts to resolve a path in which something is renamed all the time.
const ATTEMPTS: usize = 8;

/// A folder that files are opened beneath.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    has_openat2: bool,
    /// Paths below the folder beneath which nothing is opened.
    closed: Vec<PathBuf>,
}

impl Root {
    /// # Errors
    /// There is no such folder, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        let mut root = Self { folder, has_openat2: true, closed: Vec::new() };
        match root.open_directly(b".", OFlags::PATH) {
            // EPERM is what filters answer that do not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {
                tracing::debug!("openat2 is not to be had here: paths are walked step by step");
                root.has_openat2 = false;
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        Ok(root)
    }

    /// Walks every path step by step, as where the kernel cannot resolve it.
    pub fn walking(self) -> Self {
        Self { has_openat2: false, ..self }
    }

    /// Opens nothing in `folder`, should it lie in the root, which is at `path`.
    pub fn without(self, path: &Path, folder: &Path) -> Self {
        let below = |folder: &Path, root: &Path| Some(folder.strip_prefix(root).ok()?.to_owned());
        let real = || below(&folder.canonicalize().ok()?, &path.canonicalize().ok()?);
        Self { closed: below(folder, path).into_iter().chain(real()).collect(), ..self }
    }

    /// Opens a file or folder for reading, or only as a place with `OFlags::PATH`. It does not wait,
    /// for the writer of a FIFO say, and takes no terminal. An empty path is the root.
    ///
    /// # Errors
    /// As of openat2(2); XDEV for what leads outside, NOENT for what is kept closed.
    pub fn open_beneath(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let file = match self.has_openat2 {
            true => self.open_directly(path, flags),
            false => self.walk(path, flags),
        }?;
        match self.closed.is_empty() || self.is_allowed(path, &file) {
            true => Ok(file),
            false => Err(Errno::NOENT),
        }
    }

    /// Neither what was asked for nor where it was found, through links, is closed. The places of
    /// open files are asked of the kernel: that is what was opened, whatever is renamed meanwhile.
    fn is_allowed(&self, path: &[u8], file: &OwnedFd) -> bool {
        let (Ok(root), Ok(found)) = (place(&self.folder), place(file)) else { return false };
        let Ok(found) = found.strip_prefix(root) else { return false };
        let asked = Path::new(OsStr::from_bytes(path));
        !self.closed.iter().any(|closed| asked.starts_with(closed) || found.starts_with(closed))
    }

    fn open_directly(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut attempts = 0;
        loop {
            match openat2(&self.folder, path, harmless(flags), Mode::empty(), resolve) {
                // Something was renamed meanwhile, or a signal came (openat2(2)).
                Err(Errno::AGAIN | Errno::INTR) if attempts < ATTEMPTS => attempts += 1,
                result => return result,
            }
        }
    }

    fn walk(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if path.starts_with(b"/") {
            return Err(Errno::XDEV);
        }
        // The way down from the root, without the root.
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut segments: VecDeque<Vec<u8>> = split(path).collect();
        let mut links = 0;
        while let Some(segment) = segments.pop_front() {
            match &segment[..] {
                b"" | b"." => continue,
                b".." => {
                    way.pop().ok_or(Errno::XDEV)?;
                    continue;
                }
                _ => {}
            }
            let folder = way.last().map_or(self.folder.as_fd(), AsFd::as_fd);
            // A slash at the end wants a folder, which the loop opens like the others.
            let opened = match segments.is_empty() {
                true => open_one(folder, &segment, flags),
                false => open_one(folder, &segment, OFlags::PATH | OFlags::DIRECTORY),
            };
            match opened {
                Ok(file) if segments.is_empty() => return Ok(file),
                Ok(folder) => way.push(folder),
                // What it says if the name is a link, with the flags above.
                Err(error @ (Errno::LOOP | Errno::NOTDIR)) => {
                    let text = readlinkat(folder, &segment[..], Vec::new()).map_err(|_| error)?;
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP);
                    }
                    if text.as_bytes().starts_with(b"/") {
                        return Err(Errno::XDEV);
                    }
                    for segment in split(text.as_bytes()).rev() {
                        segments.push_front(segment);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // The last segment was `.` or `..`, or there is a slash at the end: a folder on the way.
        let folder = way.last().map_or(self.folder.as_fd(), AsFd::as_fd);
        openat(folder, ".", harmless(flags), Mode::empty())
    }
}

/// Where an open file is (proc_pid_fd(5)).
fn place(file: &OwnedFd) -> Result<PathBuf, Errno> {
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let place = rustix::fs::readlink(link, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(place.into_bytes())))
}

fn split(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').map(<[u8]>::to_vec)
}

fn open_one(folder: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let result = openat(folder, name, harmless(flags) | OFlags::NOFOLLOW, Mode::empty())?;
    // With PATH a link is opened itself.
    if flags.contains(OFlags::PATH) && !flags.contains(OFlags::DIRECTORY) {
        let stat = rustix::fs::fstat(&result)?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
            return Err(Errno::LOOP);
        }
    }
    Ok(result)
}

fn harmless(flags: OFlags) -> OFlags {
    // PATH goes with few others (open(2)).
    match flags.contains(OFlags::PATH) {
        true => flags | OFlags::CLOEXEC,
        false => flags | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    /// A tree with every kind of link; `outside` lies beside its root.
    fn tree() -> (tempfile::TempDir, Root, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        std::fs::write(folder.path().join("outside/secret"), "secret").unwrap();
        std::fs::write(root.join("file"), "file").unwrap();
        std::fs::write(root.join("a/b/deep"), "deep").unwrap();
        for (target, name) in [
            ("file", "to-file"),
            ("a/b", "to-folder"),
            ("../../file", "a/b/up"),
            ("../a/./b/../b/deep", "a/around"),
            ("../outside/secret", "out"),
            ("../outside", "out-folder"),
            ("a/../../root/file", "out-and-in"),
            ("/etc/passwd", "absolute"),
            ("loop", "loop"),
            ("to-file", "twice"),
            ("to-folder/", "with-slash"),
            ("nothing", "dangling"),
            (".", "here"),
            ("..", "above"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        let kernel = Root::open(&root).unwrap();
        assert!(kernel.has_openat2, "these tests compare with the kernel");
        let walker = Root::open(&root).unwrap().walking();
        (folder, kernel, walker)
    }

    fn inode(result: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        result.map(|file| rustix::fs::fstat(&file).unwrap().st_ino)
    }

    #[test]
    fn links_are_followed_inside_and_nowhere_else() {
        let (_folder, kernel, walker) = tree();
        for root in [&kernel, &walker] {
            let open = |path: &str| inode(root.open_beneath(path.as_bytes(), OFlags::RDONLY));
            assert_eq!(open("to-file"), open("file"));
            assert_eq!(open("a/b/up"), open("file"));
            assert_eq!(open("a/around"), open("a/b/deep"));
            assert_eq!(open("with-slash/deep"), open("a/b/deep"));
            assert_eq!(open("here/here/file"), open("file"));
            assert_eq!(open(""), open("."));
            for path in
                ["out", "out-folder/secret", "out-and-in", "absolute", "above", "../root/file"]
            {
                assert_eq!(open(path), Err(Errno::XDEV), "{path}");
            }
            assert_eq!(open("loop"), Err(Errno::LOOP));
            assert_eq!(open("dangling"), Err(Errno::NOENT));
            assert_eq!(open("file/"), Err(Errno::NOTDIR));
            assert_eq!(open("file/x"), Err(Errno::NOTDIR));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
        /// The walk opens what the kernel opens, and refuses what it refuses.
        #[test]
        fn the_walk_is_as_the_kernel_resolves(
            paths in prop::collection::vec(prop::collection::vec(
                prop::sample::select(vec![
                    "a", "b", "file", "deep", "up", "around", "to-file", "to-folder", "out",
                    "out-folder", "secret", "root", "absolute", "loop", "twice", "with-slash",
                    "here", "above", ".", "..", "", "dangling",
                ]),
                1..6,
            ), 64),
        ) {
            let (_folder, kernel, walker) = tree();
            for path in paths {
                let path = path.join("/");
                for flags in [OFlags::RDONLY, OFlags::PATH, OFlags::RDONLY | OFlags::DIRECTORY] {
                    let by_kernel = inode(kernel.open_beneath(path.as_bytes(), flags));
                    let by_walk = inode(walker.open_beneath(path.as_bytes(), flags));
                    match (by_kernel, by_walk) {
                        // Both refuse; which of several reasons is found first may differ.
                        (Err(_), Err(_)) => {}
                        (kernel, walk) => prop_assert_eq!(kernel, walk, "{} {:?}", path, flags),
                    }
                }
            }
        }
    }
}
