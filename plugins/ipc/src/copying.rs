//! Copying a folder with many processes, done right: everything in it, as it is.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lab::multiprocessing::Pool;
use lab::shared;
use rustix::fs::{SeekFrom, copy_file_range, seek};
use rustix::io::Errno;

use crate::tree::{self, Entry, Kind};

/// Bytes copied so far by all workers, in memory that they share.
static COPIED: OnceLock<&'static AtomicU64> = OnceLock::new();
/// Copied at once, so that progress is seen.
const PIECE: u64 = 16 << 20;

/// Copies `old` to `new`, which must not exist, with `workers` processes. `show` is called now and
/// then with the bytes that are done.
pub fn copy_folder(
    old: &Path,
    new: &Path,
    workers: usize,
    show: impl Fn(u64) + Send + Sync,
) -> io::Result<()> {
    let copied =
        COPIED.get_or_init(|| shared::counters(1).map_or(&NOWHERE, |counters| &counters[0]));
    let entries = tree::list(old)?;
    let mut pool = Pool::new(workers, copy_file)?;
    fs::create_dir(new)?;
    // Folders first, before anything is put into them, and open to us until the end.
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
        fs::create_dir(new.join(&entry.path))?;
    }
    let failures = Arc::new(Mutex::new(Vec::new()));
    for entry in &entries {
        match &entry.kind {
            Kind::Folder => {}
            // The link itself is copied, not what it points to.
            Kind::Symlink(target) => symlink(target, new.join(&entry.path))?,
            Kind::File => {
                let failures = failures.clone();
                let task = [old, new].map(|root| root.join(&entry.path)).map(hex).join(" ");
                let done = pool.apply_async(&task, move |error| {
                    if !error.is_empty() {
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    }
                });
                done.map_err(io::Error::other)?;
                show(copied.load(Ordering::Relaxed));
            }
        }
    }
    pool.close();
    wait(&mut pool, || show(copied.load(Ordering::Relaxed)))?;
    let failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(first) = failures.first() {
        return Err(io::Error::other(format!("{} files not copied; {first}", failures.len())));
    }
    close_folders(old, new, &entries)
}

/// Where no shared memory is to be had, nobody counts.
static NOWHERE: AtomicU64 = AtomicU64::new(0);

/// Joins the pool, and shows the progress meanwhile.
fn wait(pool: &mut Pool, show: impl Fn() + Send + Sync) -> io::Result<()> {
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                show();
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let joined = pool.join();
        is_done.store(true, Ordering::Release);
        joined.map_err(io::Error::other)
    })?;
    show();
    Ok(())
}

/// The permissions of the folders come last, the deepest first: a folder may be read-only.
fn close_folders(old: &Path, new: &Path, entries: &[Entry]) -> io::Result<()> {
    let folders = entries.iter().filter(|entry| entry.kind == Kind::Folder);
    for entry in folders.rev() {
        fs::set_permissions(new.join(&entry.path), Permissions::from_mode(entry.mode))?;
    }
    fs::set_permissions(new, fs::metadata(old)?.permissions())
}

/// What a worker does: copies one file. Gives the reason if it cannot.
fn copy_file(task: &str) -> String {
    let paths: Vec<_> = task.split(' ').filter_map(unhex).collect();
    let [old, new] = paths.as_slice() else { return format!("no task: {task}") };
    match try_copy(old, new) {
        Ok(()) => String::new(),
        Err(error) => format!("{}: {error}", old.display()),
    }
}

/// Data only: what is a hole in the old file is one in the new file.
fn try_copy(old: &Path, new: &Path) -> io::Result<()> {
    let (from, to) = (File::open(old)?, File::options().write(true).create_new(true).open(new)?);
    let metadata = from.metadata()?;
    to.set_len(metadata.len())?;
    let (mut place, mut seen) = (0, 0);
    loop {
        // ENXIO: no data beyond this place.
        let start = match seek(&from, SeekFrom::Data(place)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(error) => return Err(error.into()),
        };
        let end = seek(&from, SeekFrom::Hole(start))?;
        place = start;
        while place < end {
            let (mut read_at, mut write_at) = (place, place);
            let length = (end - place).min(PIECE) as usize;
            let count =
                copy_file_range(&from, Some(&mut read_at), &to, Some(&mut write_at), length)?;
            if count == 0 {
                return Err(io::Error::other("it got shorter while it was copied"));
            }
            place += count as u64;
            count_copied(place - seen);
            seen = place;
        }
    }
    count_copied(metadata.len() - seen);
    to.set_permissions(metadata.permissions())?;
    let times = fs::FileTimes::new().set_modified(metadata.modified()?);
    to.set_times(times)
}

fn count_copied(bytes: u64) {
    COPIED.get().map(|copied| copied.fetch_add(bytes, Ordering::Relaxed));
}

/// A path as a word: names may have spaces and line breaks.
fn hex(path: PathBuf) -> String {
    path.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(word: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let digits = word.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_as_a_word() {
        for name in ["a b", "中文\n", "x"] {
            assert_eq!(unhex(&hex(name.into())), Some(name.into()));
        }
        assert_eq!(unhex("zz"), None);
    }
}
