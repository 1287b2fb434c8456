//! Brings a plugin's library into the process, and takes its exports out of it.
//!
//! The caller has examined the file (`check`) and gives a private copy that nobody changes. The
//! library stays loaded until the process ends: code, thread-local destructors and threads of it may
//! be alive anywhere.

use std::ffi::{CStr, OsStr, c_void};
use std::mem::{ManuallyDrop, MaybeUninit, transmute};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use csgi::raw;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::constants::Constants;
use crate::check;

/// The exports of a loaded plugin; valid until the process ends.
#[derive(Clone, Copy)]
pub struct Loaded {
    pub manifest: raw::Manifest,
    pub constants: Constants,
    pub application: raw::Application,
    pub init: Option<raw::Init>,
    pub exit: Option<raw::Exit>,
    pub extension: Option<raw::Extension>,
}

/// Why a library was not loaded.
#[derive(Debug)]
pub enum LoadError {
    /// What the dynamic linker says.
    Linker(String),
    /// The export is missing, or is another library's.
    Export(&'static str),
    /// The manifest in memory is not the one in the file.
    Manifest,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Linker(text) => write!(
                formatter,
                "the dynamic linker refuses it: {text}; link it with every library that it uses"
            ),
            Self::Export(name) => write!(
                formatter,
                "it does not define {name} itself; export {name} from this very library"
            ),
            Self::Manifest => write!(
                formatter,
                "its manifest is changed while it is loaded; declare csgi_plugin const"
            ),
        }
    }
}

/// Loads the library at `copy`. To be called on the loader thread: constructors of the library run
/// here, and may change the thread's floating-point state, which is restored.
///
/// # Errors
/// The linker refuses the library, or an export is not as the ABI says.
pub fn load(copy: &Path) -> Result<Loaded, LoadError> {
    let floating_point = float_control::read();
    // SAFETY: this runs the library's constructors, which is what loading a plugin means; `check`
    // has seen the file and a trial process has run them before.
    let library = unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE) };
    float_control::write(floating_point);
    let library = library.map_err(|error| LoadError::Linker(plain(&error)))?;
    let exports = Exports { library: ManuallyDrop::new(library), copy };
    let (manifest, base) =
        exports.locate(c"csgi_plugin").ok_or(LoadError::Export("csgi_plugin"))?;
    // SAFETY: `check` found an object of this size at this symbol, and `find` that it is this
    // library's; any bytes are a valid `Manifest`.
    let manifest = unsafe { manifest.cast::<raw::Manifest>().read_unaligned() };
    let (_, length) = check::manifest_in(copy)
        .filter(|(written, _)| *written == manifest)
        .ok_or(LoadError::Manifest)?;
    let application = exports.find(c"application").ok_or(LoadError::Export("application"))?;
    let init = exports.find(c"csgi_init");
    let exit = exports.find(c"csgi_exit");
    let extension = exports.find(c"csgi_extension");
    Ok(Loaded {
        manifest,
        constants: Constants::new(base, length),
        // SAFETY: not null; the ABI says that this symbol is such a function.
        application: unsafe { transmute::<*mut c_void, raw::Application>(application) },
        // SAFETY: as above.
        init: init.map(|init| unsafe { transmute::<*mut c_void, raw::Init>(init) }),
        // SAFETY: as above.
        exit: exit.map(|exit| unsafe { transmute::<*mut c_void, raw::Exit>(exit) }),
        extension: extension.map(|extension| {
            // SAFETY: as above.
            unsafe { transmute::<*mut c_void, raw::Extension>(extension) }
        }),
    })
}

/// Ends the process without the exit handlers and destructors of libraries, whose threads may still
/// run (_exit(2)). What the plugins had to do at the end, `csgi_exit` has done.
pub fn end_process(status: u8) -> ! {
    // SAFETY: nothing of this process is used any more.
    unsafe { libc::_exit(status.into()) }
}

struct Exports<'p> {
    /// Never closed.
    library: ManuallyDrop<Library>,
    copy: &'p Path,
}

impl Exports<'_> {
    /// The address of a symbol of this very library. dlsym(3) looks through the dependencies too:
    /// what it finds there is not the plugin's.
    fn find(&self, name: &'static CStr) -> Option<*mut c_void> {
        self.locate(name).map(|(address, _)| address)
    }

    /// The same, and where the library begins.
    fn locate(&self, name: &'static CStr) -> Option<(*mut c_void, usize)> {
        // SAFETY: only the address is taken, as a pointer that is not used as anything yet.
        let symbol = unsafe { self.library.get::<*mut c_void>(name.to_bytes_with_nul()) };
        let address = symbol.map_or(std::ptr::null_mut(), |symbol| symbol.into_raw());
        if address.is_null() {
            return None;
        }
        let (owner, base) = owner_of(address)?;
        is_same_file(&owner, self.copy).then_some((address, base))
    }
}

/// The file that an address was loaded from, and where that begins (dladdr(3)).
fn owner_of(address: *mut c_void) -> Option<(std::path::PathBuf, usize)> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr looks the address up and writes to `info`, which is large enough.
    let found = unsafe { libc::dladdr(address, info.as_mut_ptr()) };
    // SAFETY: zeroed before, and all zeros are a valid `Dl_info`.
    let info = unsafe { info.assume_init() };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a NUL-terminated name of the linker's that lives as long as the library: for ever.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some((Path::new(OsStr::from_bytes(name.to_bytes())).to_owned(), info.dli_fbase.addr()))
}

fn is_same_file(first: &Path, second: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|data| (data.dev(), data.ino())).ok();
    identity(first).is_some() && identity(first) == identity(second)
}

/// The linker's own words.
fn plain(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The control word of the floating-point unit: a library that was built with `-ffast-math` sets it
/// for the thread that loads it.
mod float_control {
    #[cfg(target_arch = "x86_64")]
    pub fn read() -> u32 {
        let mut word = 0_u32;
        // SAFETY: stores the control word to this variable and changes nothing else.
        unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack)) };
        word
    }

    #[cfg(target_arch = "x86_64")]
    pub fn write(word: u32) {
        // SAFETY: puts back a control word that was in force on this thread before.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack)) };
    }

    #[cfg(target_arch = "aarch64")]
    pub fn read() -> u64 {
        let word: u64;
        // SAFETY: reads a register that every process may read.
        unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack)) };
        word
    }

    #[cfg(target_arch = "aarch64")]
    pub fn write(word: u64) {
        // SAFETY: puts back a control word that was in force on this thread before.
        unsafe { std::arch::asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::{GOOD, compile};

    /// The addresses that can be written to.
    fn writable() -> Vec<std::ops::Range<usize>> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let lines = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().contains('w'));
        let address = |digits: &str| usize::from_str_radix(digits, 16).unwrap();
        let range = |line: &str| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            address(start)..address(end)
        };
        lines.map(range).collect()
    }

    #[test]
    fn nobody_can_write_to_constants() {
        let source = format!(
            "{GOOD}const char text[] = \"text\"; const char *const pointer = text; char variable[8] = \"a\";"
        );
        for (flags, are_protected) in [
            (&[][..], true),
            (&["-Wl,-z,noseparate-code"], true),
            (&["-Wl,-z,now"], true),
            // Then nobody protects what the linker fills in.
            (&["-Wl,-z,norelro"], false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let loaded = load(&compile(folder.path(), &source, flags)).unwrap();
            // SAFETY: the library is one of these lines, and stays loaded.
            let library = unsafe { Library::open(Some(folder.path().join("p.so")), RTLD_NOW) };
            let library = ManuallyDrop::new(library.unwrap());
            let holds = |name: &[u8]| {
                // SAFETY: only the address is used, and one byte of it is there.
                let address = unsafe { library.get::<*mut c_void>(name) }.unwrap().into_raw();
                // SAFETY: as above.
                loaded
                    .constants
                    .hold(unsafe { std::slice::from_raw_parts(address.cast::<u8>(), 1) })
            };
            assert!(holds(b"text\0") && holds(b"application\0"), "{flags:?}");
            assert!(!holds(b"variable\0"), "{flags:?}");
            assert_eq!(holds(b"pointer\0"), are_protected, "{flags:?}");
            let constants = loaded.constants.range();
            for range in writable() {
                let is_apart = range.end <= constants.start || constants.end <= range.start;
                assert!(is_apart, "{flags:?}: {constants:x?} can be written to at {range:x?}");
            }
        }
    }
}
