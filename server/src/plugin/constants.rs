//! The part of a library that nobody writes to once it is loaded: its code, its constants, and the
//! tables of pointers that the dynamic linker fills in and then protects. What has been seen there once
//! is there for ever, as libraries stay loaded.

/// An address range of this process; empty where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    start: usize,
    length: usize,
}

impl Constants {
    /// From the address at which a library lies, `length` bytes.
    pub fn new(start: usize, length: usize) -> Self {
        Self { start, length }
    }

    #[cfg(test)]
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    /// All the bytes of it are in there. No bytes are nowhere.
    pub fn hold<T>(&self, values: &[T]) -> bool {
        let from = values.as_ptr().addr().wrapping_sub(self.start);
        from < self.length && size_of_val(values) <= self.length - from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_wholly_in_it_is_not_in_it() {
        let bytes = [0_u8; 16];
        let constants = Constants::new(bytes[4..].as_ptr().addr(), 8);
        assert!(constants.hold(&bytes[4..12]) && constants.hold(&bytes[11..12]));
        assert!(!constants.hold(&bytes[3..5]) && !constants.hold(&bytes[11..13]));
        assert!(!constants.hold(&bytes[12..13]) && !Constants::default().hold(&bytes));
    }
}
