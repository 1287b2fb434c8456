//! Writes a crash record, in the signal handler of the thread that crashed.
//!
//! What this file may touch, and why that is safe at any moment, whatever the plugin has broken:
//!
//! - Its own stack: the handler runs on the alternate stack of its thread. It needs 8 KiB.
//! - `Recorder`, a few numbers that are written once, before any plugin is loaded.
//! - The kernel: pwrite(2) into the crash area, pread(2) of `/proc/self/maps` from a descriptor that
//!   is open since the start, clock_gettime(2), getpid(2), gettid(2). All are async-signal-safe.
//!   Memory that may be bad (the head, the body, the stack) is read by the kernel alone: pwrite(2)
//!   gives EFAULT for a page that is not there, and does not fault. The same call gives ENOSPC
//!   when there is no memory for the record, where writing to a mapping would be a second signal.
//! - The rings of `lines`, in memory that is never freed, behind flags that nobody waits for.
//!
//! It allocates nothing, takes no lock, calls no function of the C library but system calls, and
//! does not panic: no index is computed from what a plugin can write.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{siginfo_t, ucontext_t};
use zerocopy::IntoBytes;

use super::area::{self, position};
use super::lines::{self, LINE_SIZE};
use super::record::{
    BODY, Cause, HEAD, LAYOUT, LINES, MAPS, NUMBERS, Numbers, REGISTERS, Registers, STACK, Section,
};
use super::running::{Request, Span};

/// Bytes below the stack pointer that a function may use on x86-64 without moving it.
const RED_ZONE: u64 = 128;
const PAGE: usize = 4096;

/// The worker's side of the crash area.
pub struct Recorder {
    area: RawFd,
    maps: RawFd,
    /// Records that a thread has begun to write: the first crash of a thread is the one that counts.
    begun: Box<[AtomicBool]>,
}

impl Recorder {
    /// Before any plugin is loaded. The descriptors stay open until the process ends.
    ///
    /// # Errors
    /// The descriptor is not that of a crash area, or `/proc` is not there.
    pub fn open(area: OwnedFd) -> std::io::Result<Self> {
        let threads = area::threads_of(&area)?;
        let maps = std::fs::File::open("/proc/self/maps")?;
        let recorder = Self {
            area: area.as_raw_fd(),
            maps: maps.as_raw_fd(),
            begun: (0..=threads).map(|_| AtomicBool::new(false)).collect(),
        };
        std::mem::forget((area, maps));
        Ok(recorder)
    }

    /// Writes the record of `thread` (`None`: one that serves no requests). `false`: it has one
    /// already, or another such thread has.
    ///
    /// # Safety
    /// `info` and `context` are null or what the kernel gave a signal handler.
    pub unsafe fn capture(
        &self,
        thread: Option<usize>,
        cause: Cause,
        info: *const siginfo_t,
        context: *const ucontext_t,
        request: &Request,
    ) -> bool {
        let last = self.begun.len() - 1;
        let index = thread.map_or(last, |thread| thread.min(last));
        // `index` is at most `last`; `get` because an index that cannot panic needs no proof.
        let Some(begun) = self.begun.get(index) else { return false };
        if begun.swap(true, Ordering::Relaxed) {
            return false;
        }
        let mut numbers = Numbers { layout: LAYOUT, ..Numbers::default() };
        // SAFETY: the caller's promise.
        unsafe { describe_signal(&mut numbers, info) };
        numbers.set_cause(cause);
        numbers.plugin = request.plugin.into();
        numbers.request = request.id;
        (numbers.process, numbers.thread) = identity();
        numbers.time = now();
        // SAFETY: the caller's promise.
        let registers = unsafe { registers_of(context) };
        // A first note, should the rest not come to its end.
        self.write_bytes(index, NUMBERS, numbers.as_bytes());
        self.write_bytes(index, REGISTERS, registers.as_bytes());
        numbers.head_length = self.copy(index, HEAD, request.head) as u64;
        self.copy(index, BODY, request.body);
        numbers.body_length = request.body.length as u64;
        numbers.lines_length = self.write_lines(index, request.id) as u64;
        numbers.stack_start = registers.stack_pointer().saturating_sub(RED_ZONE) & !15;
        numbers.stack_length = self.copy_stack(index, numbers.stack_start) as u64;
        numbers.maps_length = self.copy_maps(index) as u64;
        numbers.is_whole = 1;
        self.write_bytes(index, NUMBERS, numbers.as_bytes());
        true
    }

    fn write_bytes(&self, index: usize, section: Section, bytes: &[u8]) {
        let span = Span { start: bytes.as_ptr(), length: bytes.len() };
        self.copy(index, section, span);
    }

    /// Copies bytes that need not be there; gives how many were.
    fn copy(&self, index: usize, section: Section, span: Span) -> usize {
        let length = span.length.min(section.size);
        self.write(position(index, section), span.start, length)
    }

    /// One pwrite(2), as far as it gets.
    fn write(&self, position: u64, start: *const u8, length: usize) -> usize {
        if length == 0 {
            return 0;
        }
        // SAFETY: the kernel reads the bytes, and refuses what is not there (EFAULT).
        let written = unsafe { libc::pwrite(self.area, start.cast(), length, position as i64) };
        usize::try_from(written).unwrap_or(0)
    }

    fn write_lines(&self, index: usize, request: u64) -> usize {
        let mut written = 0;
        lines::of_request(request, |line| {
            if written + LINE_SIZE > LINES.size {
                return false;
            }
            let at = position(index, LINES) + written as u64;
            written += self.write(at, (&raw const *line).cast(), LINE_SIZE);
            true
        });
        written
    }

    /// Page by page: after an overflow the first ones are the guard, and the rest is what matters.
    /// Gives the length up to the end of the last page that was there.
    fn copy_stack(&self, index: usize, start: u64) -> usize {
        let mut length = 0;
        let mut done = 0;
        while done < STACK.size {
            let address = start.wrapping_add(done as u64);
            let rest_of_page = PAGE - (address as usize & (PAGE - 1));
            let wanted = rest_of_page.min(STACK.size - done);
            let at = position(index, STACK) + done as u64;
            let written = self.write(at, address as usize as *const u8, wanted);
            done += wanted;
            if written == wanted {
                length = done;
            } else if length > 0 {
                // The other end of the stack.
                break;
            }
        }
        length
    }

    fn copy_maps(&self, index: usize) -> usize {
        let mut buffer = [0_u8; 4096];
        let mut done = 0;
        while done < MAPS.size {
            let wanted = buffer.len().min(MAPS.size - done);
            // SAFETY: the buffer is ours and `wanted` bytes long at the least.
            let count = unsafe {
                libc::pread(self.maps, buffer.as_mut_ptr().cast(), wanted, done as libc::off_t)
            };
            let count = usize::try_from(count).unwrap_or(0);
            if count == 0 {
                break;
            }
            done += self.write(position(index, MAPS) + done as u64, buffer.as_ptr(), count);
        }
        done
    }
}

/// # Safety
/// `info` is null or what the kernel gave a signal handler.
unsafe fn describe_signal(numbers: &mut Numbers, info: *const siginfo_t) {
    // SAFETY: the caller's promise.
    let Some(info) = (unsafe { info.as_ref() }) else { return };
    numbers.signal = info.si_signo as u64;
    numbers.code = i64::from(info.si_code) as u64;
    if matches!(info.si_signo, libc::SIGSEGV | libc::SIGBUS | libc::SIGFPE | libc::SIGILL) {
        // SAFETY: these signals have an address in their part of the union.
        numbers.address = unsafe { info.si_addr() } as u64;
    }
}

fn identity() -> (u64, u64) {
    // SAFETY: both only give a number.
    let process = unsafe { libc::getpid() };
    // SAFETY: as above.
    let thread = unsafe { libc::gettid() };
    (process as u64, thread as u64)
}

fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the time to this variable.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// The registers of the interrupted code; without a context, those of here.
///
/// # Safety
/// `context` is null or what the kernel gave a signal handler.
#[cfg(target_arch = "x86_64")]
unsafe fn registers_of(context: *const ucontext_t) -> Registers {
    // SAFETY: the caller's promise.
    let Some(context) = (unsafe { context.as_ref() }) else {
        let (pc, sp, fp): (u64, u64, u64);
        // SAFETY: reads registers and changes nothing.
        unsafe {
            std::arch::asm!(
                "lea {pc}, [rip]", "mov {sp}, rsp", "mov {fp}, rbp",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp,
                options(nomem, nostack, preserves_flags)
            );
        }
        return Registers::at(pc, sp, fp);
    };
    let register = |number: libc::c_int| context.uc_mcontext.gregs[number as usize] as u64;
    Registers([
        register(libc::REG_RAX),
        register(libc::REG_RDX),
        register(libc::REG_RCX),
        register(libc::REG_RBX),
        register(libc::REG_RSI),
        register(libc::REG_RDI),
        register(libc::REG_RBP),
        register(libc::REG_RSP),
        register(libc::REG_R8),
        register(libc::REG_R9),
        register(libc::REG_R10),
        register(libc::REG_R11),
        register(libc::REG_R12),
        register(libc::REG_R13),
        register(libc::REG_R14),
        register(libc::REG_R15),
        register(libc::REG_RIP),
    ])
}

/// # Safety
/// `context` is null or what the kernel gave a signal handler.
#[cfg(target_arch = "aarch64")]
unsafe fn registers_of(context: *const ucontext_t) -> Registers {
    // SAFETY: the caller's promise.
    let Some(context) = (unsafe { context.as_ref() }) else {
        let (pc, sp, fp): (u64, u64, u64);
        // SAFETY: reads registers and changes nothing.
        unsafe {
            std::arch::asm!(
                "adr {pc}, .", "mov {sp}, sp", "mov {fp}, x29",
                pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp,
                options(nomem, nostack, preserves_flags)
            );
        }
        return Registers::at(pc, sp, fp);
    };
    let context = &context.uc_mcontext;
    let mut registers = Registers::at(context.pc, context.sp, 0);
    registers.0[..31].copy_from_slice(&context.regs);
    registers
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
