//! Records of crashes that really happen, in a child of the test: the memory of this process is not
//! put at risk, and what survives the death of the child is what counts.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::OnceLock;

use super::*;
use crate::crash::area::Area;
use crate::crash::autopsy::{Circumstances, examine};
use crate::crash::running;

/// Set in the child: what it is to do.
const DEED: &str = "TENON_TEST_CRASH";
const AREA: &str = "TENON_TEST_AREA";

static RECORDER: OnceLock<Recorder> = OnceLock::new();

extern "C" fn handler(signal: i32, info: *mut siginfo_t, context: *mut libc::c_void) {
    let recorder = RECORDER.get().unwrap();
    // SAFETY: the kernel gave both.
    unsafe {
        recorder.capture(
            running::thread(),
            Cause::Signal,
            info,
            context.cast(),
            &running::current(),
        );
    }
    // SAFETY: puts the default action back, and dies by it.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: as above.
    unsafe { libc::raise(signal) };
}

fn install() {
    // SAFETY: all zeros are a valid stack_t and sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT, libc::SIGFPE, libc::SIGILL] {
        // SAFETY: the action is filled in; the handler is a function with that type.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
    let stack = Box::leak(vec![0_u8; 64 * 1024].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: stack.len() };
    // SAFETY: the memory is leaked above.
    unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) };
}

#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let block = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + block[7] }
}

#[inline(never)]
fn null_deed(address: usize) {
    // SAFETY: not at all: the child is to crash here.
    unsafe { std::ptr::write_volatile(address as *mut u32, 1) };
    std::hint::black_box(address);
}

#[inline(never)]
fn jump_deed() {
    // SAFETY: not at all: the child is to crash here.
    let nowhere = unsafe { std::mem::transmute::<usize, extern "C" fn()>(0x20) };
    nowhere();
    std::hint::black_box(nowhere);
}

/// The child's part: a test that does nothing where the variable is not set.
#[test]
fn deed() {
    let Ok(deed) = std::env::var(DEED) else { return };
    let area =
        std::fs::File::options().read(true).write(true).open(std::env::var(AREA).unwrap()).unwrap();
    let recorder = Recorder::open(area.into()).unwrap();
    assert!(RECORDER.set(recorder).is_ok());
    lines::prepare(2);
    running::set_thread(1);
    install();
    let head = b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n".to_vec();
    let (head, body) = (Span::of(&head), Span { start: 8 as *const u8, length: 100 });
    running::enter(&Request { plugin: 3, id: 77, head, body, ..Request::NONE });
    lines::note(77, 2, b"the last line");
    lines::note(78, 2, b"somebody else's");
    match deed.as_str() {
        "null" => null_deed(16),
        "jump" => jump_deed(),
        "abort" => std::process::abort(),
        "overflow" => drop(std::hint::black_box(overflow(0))),
        other => panic!("no such deed: {other}"),
    }
}

/// Lets a child do it, and gives the signal it died of, and its record.
fn crash(deed: &str) -> (Option<i32>, Numbers, Vec<u8>) {
    let area = Area::create(2).unwrap();
    let descriptor = area.descriptor();
    let number = descriptor.as_raw_fd();
    let path = format!("/proc/{}/fd/{number}", std::process::id());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["crash::capture::tests::deed", "--exact", "--test-threads=1"])
        .env(DEED, deed)
        .env(AREA, path)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    let records = area.records().unwrap();
    let [(index, numbers)] = records[..] else { panic!("{} records", records.len()) };
    assert_eq!(index, 1, "the record of thread 1");
    (status.signal(), numbers, area.bytes(index).unwrap())
}

fn section(bytes: &[u8], section: Section, length: u64) -> &[u8] {
    let start = section.offset as usize;
    &bytes[start..start + length as usize]
}

#[test]
fn a_null_pointer_leaves_a_record() {
    let (signal, numbers, bytes) = crash("null");
    assert_eq!(signal, Some(libc::SIGSEGV));
    assert_eq!((numbers.signal, numbers.address), (libc::SIGSEGV as u64, 0x10));
    assert_eq!((numbers.plugin, numbers.request), (3, 77));
    let head = section(&bytes, HEAD, numbers.head_length);
    assert_eq!(head, b"GET /x HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_eq!(numbers.body_length, 100, "a body that is nowhere is no second crash");
    let lines = section(&bytes, LINES, numbers.lines_length);
    let lines: Vec<_> = lines::Line::from_bytes(lines).collect();
    assert_eq!(lines, [(1, 2, &b"the last line"[..])]);
    let maps = String::from_utf8_lossy(section(&bytes, MAPS, numbers.maps_length));
    let program = std::env::current_exe().unwrap();
    assert!(maps.contains(&*program.to_string_lossy()) && maps.contains("[stack]"), "{maps}");
    let registers = section(&bytes, REGISTERS, size_of::<Registers>() as u64);
    let pc = u64::from_ne_bytes(registers[16 * 8..17 * 8].try_into().unwrap());
    let is_in = |line: &str| {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        (address(start)..address(end)).contains(&pc) && line.contains("r-xp")
    };
    if cfg!(target_arch = "x86_64") {
        assert!(maps.lines().any(is_in), "{pc:x} is code:\n{maps}");
    }
    assert!(numbers.stack_length > 1024, "{}", numbers.stack_length);
}

#[test]
fn an_abort_and_an_overflow_leave_one_too() {
    let (signal, numbers, _) = crash("abort");
    assert_eq!((signal, numbers.signal), (Some(libc::SIGABRT), libc::SIGABRT as u64));
    let (signal, numbers, bytes) = crash("overflow");
    assert_eq!(signal, Some(libc::SIGSEGV));
    // The guard is not readable, what lies above it is: the stack is full of our numbers.
    assert!(numbers.stack_length as usize > STACK.size / 2, "{}", numbers.stack_length);
    let stack = section(&bytes, STACK, numbers.stack_length);
    assert!(stack[PAGE * 3..].iter().any(|byte| *byte != 0));
}

/// The functions of a record's stack.
fn functions(record: &[u8]) -> Vec<(String, String)> {
    let circumstances =
        Circumstances { id: "x".to_owned(), generation: 1, plugin: None, redacts: true };
    let report = examine(&circumstances, record);
    let named = report.frames.into_iter();
    named.map(|f| (f.function.unwrap_or_default(), f.location.unwrap_or_default())).collect()
}

#[test]
fn the_stack_is_found_in_the_record() {
    let (_, _, record) = crash("null");
    let stack = functions(&record);
    let position = |name: &str| {
        let found = stack.iter().position(|(function, _)| function.contains(name));
        found.unwrap_or_else(|| panic!("no {name} in {stack:#?}"))
    };
    assert!(position("null_deed") < position("tests::deed"));
    let (_, location) = &stack[position("null_deed")];
    assert!(location.contains("capture_tests.rs:"), "{location}");
    // As far down as the thread's own beginning, through libraries without debug information.
    assert!(position("tests::deed") < position("start"), "{stack:#?}");

    // From a jump to nowhere, the caller is found; from abort(3), it is through the C library.
    let (_, numbers, record) = crash("jump");
    assert_eq!(numbers.address, 0x20);
    let stack = functions(&record);
    assert!(stack[1].0.contains("jump_deed"), "{stack:#?}");
    let (_, _, record) = crash("abort");
    let stack = functions(&record);
    assert!(stack.iter().any(|(function, _)| function.contains("tests::deed")), "{stack:#?}");
    let (_, _, record) = crash("overflow");
    let stack = functions(&record);
    assert!(stack.len() > 50 && stack[5].0.contains("overflow"), "{stack:#?}");
}

#[test]
fn the_first_crash_of_a_thread_is_kept() {
    let area = Area::create(1).unwrap();
    let descriptor = area.descriptor().try_clone_to_owned().unwrap();
    let recorder = Recorder::open(descriptor).unwrap();
    let capture = |thread, cause, id| {
        let request = Request { id, ..Request::NONE };
        // SAFETY: both are null.
        unsafe { recorder.capture(thread, cause, std::ptr::null(), std::ptr::null(), &request) }
    };
    assert!(capture(Some(0), Cause::Exit(3), 1));
    assert!(!capture(Some(0), Cause::Hang, 2));
    assert!(capture(None, Cause::Hang, 3), "a thread of a plugin's own");
    assert!(!capture(None, Cause::Hang, 4));
    let records = area.records().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].1.cause(), records[0].1.request), (Cause::Exit(3), 1));
    assert_eq!((records[1].1.cause(), records[1].1.request), (Cause::Hang, 3));
    assert!(records[0].1.stack_length > 0, "of here, where there is no context");
}
