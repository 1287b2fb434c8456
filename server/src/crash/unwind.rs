//! The stack of a crashed thread, from its registers, the copy of its stack and the unwind tables of
//! the modules (.eh_frame): no code of the crashed process is run.

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, FrameAddress, MayAllocateDuringUnwind,
    UnwindRegsNative, Unwinder, UnwinderNative,
};

use super::modules::Module;
use super::record::Registers;

/// More frames are a recursion.
const FRAMES: usize = 128;

/// A copy of memory.
pub struct Stack<'b> {
    pub start: u64,
    pub bytes: &'b [u8],
}

impl Stack<'_> {
    fn read(&self, address: u64) -> Option<u64> {
        let position = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let bytes = self.bytes.get(position..position.checked_add(8)?)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// An address of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    pub value: u64,
    /// The address to look up: that of the call itself, where `value` is where it returns to.
    pub lookup: u64,
}

/// The frames, innermost first.
pub fn unwind(registers: &Registers, stack: &Stack<'_>, modules: &[Module]) -> Vec<Address> {
    let mut unwinder = UnwinderNative::<Vec<u8>, MayAllocateDuringUnwind>::new();
    for module in modules {
        unwinder.add_module(describe(module));
    }
    let mut frames = Vec::new();
    let mut program_counter = registers.program_counter();
    let mut stack_pointer = registers.stack_pointer();
    let is_code = |address| modules.iter().any(|module| module.contains(address));
    if !is_code(program_counter) {
        // A call of what is no function: who called is where a return would go.
        frames.push(Address { value: program_counter, lookup: program_counter });
        match return_address(registers, stack) {
            Some((caller, above)) if is_code(caller) => {
                (program_counter, stack_pointer) = (caller.wrapping_sub(1), above);
            }
            _ => return frames,
        }
    }
    let mut read = |address| stack.read(address).ok_or(());
    let mut cache = CacheNative::new();
    let start = native(registers, program_counter, stack_pointer);
    let mut iterator = unwinder.iter_frames(program_counter, start, &mut cache, &mut read);
    while let Ok(Some(frame)) = iterator.next() {
        let lookup = frame.address_for_lookup();
        let value = match frame {
            FrameAddress::InstructionPointer(address) => address,
            FrameAddress::ReturnAddress(address) => address.get(),
        };
        frames.push(Address { value, lookup });
        if frames.len() == FRAMES {
            break;
        }
    }
    frames
}

#[cfg(target_arch = "x86_64")]
fn native(registers: &Registers, pc: u64, sp: u64) -> UnwindRegsNative {
    UnwindRegsNative::new(pc, sp, registers.frame_pointer())
}

#[cfg(target_arch = "aarch64")]
fn native(registers: &Registers, _pc: u64, sp: u64) -> UnwindRegsNative {
    UnwindRegsNative::new(registers.0[30], sp, registers.frame_pointer())
}

/// Where a function that has not begun yet returns to, and the stack pointer there.
fn return_address(registers: &Registers, stack: &Stack<'_>) -> Option<(u64, u64)> {
    let sp = registers.stack_pointer();
    if cfg!(target_arch = "x86_64") {
        Some((stack.read(sp)?, sp.wrapping_add(8)))
    } else {
        Some((*registers.0.get(30)?, sp))
    }
}

fn describe(module: &Module) -> framehop::Module<Vec<u8>> {
    let info = ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: module.text.clone(),
        got_svma: module.got.clone(),
        eh_frame_svma: module.eh_frame.as_ref().map(|part| part.range.clone()),
        eh_frame: module.eh_frame.as_ref().map(|part| part.bytes.clone()),
        eh_frame_hdr_svma: module.eh_frame_hdr.as_ref().map(|part| part.range.clone()),
        eh_frame_hdr: module.eh_frame_hdr.as_ref().map(|part| part.bytes.clone()),
        ..ExplicitModuleSectionInfo::default()
    };
    let name = module.path().display().to_string();
    framehop::Module::new(name, module.mapping.range.clone(), module.bias, info)
}
