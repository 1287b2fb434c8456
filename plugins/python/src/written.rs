//! What an application has given to `write()`: kept until the server takes it, in memory, and in an
//! unlinked temporary file when it is much.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

/// Kept in memory; more goes to the file.
const IN_MEMORY: usize = 1024 * 1024;
/// Given to the server at a time.
const BLOCK: usize = 256 * 1024;

#[derive(Default)]
pub struct Written {
    memory: Vec<u8>,
    /// Holds what came before `memory`.
    file: Option<File>,
    is_reading: bool,
}

impl Written {
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.file.is_none()
    }

    /// # Errors
    /// There is no room for a temporary file.
    pub fn push(&mut self, data: &[u8]) -> io::Result<()> {
        self.memory.extend_from_slice(data);
        // While it is being read, the file has an end that must not move.
        if self.memory.len() > IN_MEMORY && !self.is_reading {
            let file = match &mut self.file {
                Some(file) => file,
                None => self.file.insert(tempfile::tempfile()?),
            };
            file.write_all(&self.memory)?;
            self.memory.clear();
        }
        Ok(())
    }

    /// The next bytes, in the order they were written.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        let Some(file) = &mut self.file else { return Ok(std::mem::take(&mut self.memory)) };
        if !std::mem::replace(&mut self.is_reading, true) {
            file.rewind()?;
        }
        let mut block = vec![0; BLOCK];
        let count = file.read(&mut block)?;
        block.truncate(count);
        if count == 0 {
            self.file = None;
            self.is_reading = false;
            return Ok(std::mem::take(&mut self.memory));
        }
        Ok(block)
    }
}
