//! The crash area of a worker: a memory file with one record for each thread that serves, and one
//! for all others.
//!
//! The supervisor makes it and keeps it open; the worker gets its descriptor at the start. Nobody
//! maps it: the worker writes it with system calls (see `capture`), and a plugin that writes all
//! over its process does not reach it. Whoever reads it takes what it finds for bytes.

use std::fs::File;
use std::io::Result;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, SealFlags};
use zerocopy::IntoBytes;

use super::record::{NUMBERS, Numbers, RECORD_SIZE, Section};

/// The supervisor's side.
pub struct Area {
    file: File,
    records: usize,
}

/// Where record `index` has a section.
pub fn position(index: usize, section: Section) -> u64 {
    index as u64 * RECORD_SIZE + section.offset
}

impl Area {
    /// For a worker of so many threads.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn create(threads: usize) -> Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("tenon-crashes", flags)?;
        let records = threads + 1;
        rustix::fs::ftruncate(&file, records as u64 * RECORD_SIZE)?;
        // A worker gone wild cannot make it longer, so it holds what it was made for and no more.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file: File::from(file), records })
    }

    /// For the worker.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The records that are whole.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub fn records(&self) -> Result<Vec<(usize, Numbers)>> {
        let mut whole = Vec::new();
        for index in 0..self.records {
            let numbers = self.numbers(index)?;
            if numbers.is_whole != 0 {
                whole.push((index, numbers));
            }
        }
        Ok(whole)
    }

    fn numbers(&self, index: usize) -> Result<Numbers> {
        let mut numbers = Numbers::default();
        self.file.read_exact_at(numbers.as_mut_bytes(), position(index, NUMBERS))?;
        Ok(numbers)
    }

    /// All bytes of a record, for whoever is to read what is in it.
    ///
    /// # Errors
    /// The memory cannot be read.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; RECORD_SIZE as usize];
        self.file.read_exact_at(&mut bytes, position(index, NUMBERS))?;
        Ok(bytes)
    }
}

/// How many threads an area was made for.
///
/// # Errors
/// The descriptor is not that of a crash area.
pub fn threads_of(area: &OwnedFd) -> Result<usize> {
    let size = u64::try_from(rustix::fs::fstat(area)?.st_size).unwrap_or(0);
    if size < RECORD_SIZE || !size.is_multiple_of(RECORD_SIZE) {
        return Err(std::io::Error::other("the crash area has another layout"));
    }
    Ok((size / RECORD_SIZE) as usize - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_area_has_no_record() {
        let area = Area::create(3).unwrap();
        assert!(area.records().unwrap().is_empty());
        let descriptor = area.descriptor().try_clone_to_owned().unwrap();
        assert_eq!(threads_of(&descriptor).unwrap(), 3);
        let other = rustix::fs::memfd_create("other", MemfdFlags::CLOEXEC).unwrap();
        assert!(threads_of(&other).is_err());
    }
}
