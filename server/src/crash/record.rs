//! The layout of one crash record in a worker's crash area: a page of numbers, then sections of bytes
//! of bounded size. The area is a sparse file: what is not written takes no memory.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// A part of a record: where it begins, and how many bytes it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    pub offset: u64,
    pub size: usize,
}

impl Section {
    const fn after(previous: Self, size: usize) -> Self {
        Self { offset: previous.offset + previous.size as u64, size }
    }
}

/// The numbers, then the registers.
pub const NUMBERS: Section = Section { offset: 0, size: 1024 };
pub const REGISTERS: Section = Section::after(NUMBERS, 3072);
/// The request line and the fields, as they were received. No head may be larger.
pub const HEAD: Section = Section::after(REGISTERS, 32 * 1024);
/// The beginning of a request body that is held in memory.
pub const BODY: Section = Section::after(HEAD, 64 * 1024);
/// The last lines of log of the request, see `lines`.
pub const LINES: Section = Section::after(BODY, 32 * 1024);
/// Memory from below the stack pointer upward. Pages that cannot be read are zeros.
pub const STACK: Section = Section::after(LINES, 128 * 1024);
/// `/proc/self/maps`.
pub const MAPS: Section = Section::after(STACK, 256 * 1024);
/// A whole record.
pub const RECORD_SIZE: u64 = MAPS.offset + MAPS.size as u64;

/// Changes when the layout does: supervisor and worker may be of different versions of the server.
pub const LAYOUT: u64 = 1;

/// Why there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal of the processor, or abort(3).
    Signal,
    /// The plugin ended the process, with that status.
    Exit(i32),
    /// The request was past its deadline, and the supervisor has interrupted it.
    Hang,
}

/// The numbers of a record. `u64` throughout, so that their bytes have one meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Numbers {
    pub layout: u64,
    /// 0 for a signal, 1 for an exit, 2 for a hang.
    pub cause: u64,
    pub signal: u64,
    /// `si_code`, or the status of an exit.
    pub code: u64,
    /// `si_addr`, where the signal has one.
    pub address: u64,
    /// The plugin's number in the generation; `u32::MAX`: the thread was in none.
    pub plugin: u64,
    pub request: u64,
    pub process: u64,
    /// The kernel's number of the thread.
    pub thread: u64,
    /// Nanoseconds since 1970.
    pub time: u64,
    pub head_length: u64,
    /// How many bytes of the body were in memory, which may be more than `BODY` holds.
    pub body_length: u64,
    pub lines_length: u64,
    /// The address of the first byte of `STACK`.
    pub stack_start: u64,
    pub stack_length: u64,
    pub maps_length: u64,
    /// Not 0, and written last: the record is whole.
    pub is_whole: u64,
}

impl Numbers {
    /// None: there are too few bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self::read_from_prefix(bytes).ok()?.0)
    }

    pub fn set_cause(&mut self, cause: Cause) {
        (self.cause, self.code) = match cause {
            Cause::Signal => (0, self.code),
            Cause::Exit(status) => (1, status as u64),
            Cause::Hang => (2, self.code),
        };
    }

    pub fn cause(&self) -> Cause {
        match self.cause {
            1 => Cause::Exit(self.code as i32),
            2 => Cause::Hang,
            _ => Cause::Signal,
        }
    }
}

/// The registers by their numbers in DWARF: on x86-64 rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to
/// r15 and the return address, here rip; on aarch64 x0 to x30, sp and pc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Registers(pub [u64; REGISTER_COUNT]);

#[cfg(target_arch = "x86_64")]
mod numbers {
    pub const COUNT: usize = 17;
    pub const FRAME_POINTER: usize = 6;
    pub const STACK_POINTER: usize = 7;
    pub const PROGRAM_COUNTER: usize = 16;
    pub const NAMES: [&str; COUNT] = [
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
        "r13", "r14", "r15", "rip",
    ];
}

#[cfg(target_arch = "aarch64")]
mod numbers {
    pub const COUNT: usize = 33;
    pub const FRAME_POINTER: usize = 29;
    pub const STACK_POINTER: usize = 31;
    pub const PROGRAM_COUNTER: usize = 32;
    pub const NAMES: [&str; COUNT] = [
        "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
        "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
        "x27", "x28", "fp", "lr", "sp", "pc",
    ];
}

pub use numbers::COUNT as REGISTER_COUNT;
pub use numbers::NAMES as REGISTER_NAMES;

impl Registers {
    pub fn at(program_counter: u64, stack_pointer: u64, frame_pointer: u64) -> Self {
        let mut registers = Self::default();
        registers.0[numbers::PROGRAM_COUNTER] = program_counter;
        registers.0[numbers::STACK_POINTER] = stack_pointer;
        registers.0[numbers::FRAME_POINTER] = frame_pointer;
        registers
    }

    pub fn program_counter(&self) -> u64 {
        self.0[numbers::PROGRAM_COUNTER]
    }

    pub fn stack_pointer(&self) -> u64 {
        self.0[numbers::STACK_POINTER]
    }

    pub fn frame_pointer(&self) -> u64 {
        self.0[numbers::FRAME_POINTER]
    }
}

const _: () = {
    assert!(size_of::<Numbers>() <= NUMBERS.size);
    assert!(size_of::<Registers>() <= REGISTERS.size);
    assert!(RECORD_SIZE.is_multiple_of(4096));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_comes_back_as_it_was() {
        for cause in [Cause::Signal, Cause::Exit(-1), Cause::Hang] {
            let mut numbers = Numbers::default();
            numbers.set_cause(cause);
            assert_eq!(Numbers::from_bytes(numbers.as_bytes()).unwrap().cause(), cause);
        }
        assert_eq!(Numbers::from_bytes(&[0; size_of::<Numbers>() - 1]), None);
    }
}
