//! Starts Python, once in a process, and gives the threads of the server their place in it.
//!
//! `unsafe`: the C functions that start an interpreter, and dlopen.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::ffi;

/// The environment that the interpreter was started with.
static STARTED: Mutex<Option<Option<PathBuf>>> = Mutex::new(None);

/// What an application needs of its process, in words.
pub fn describe(environment: Option<&Path>) -> String {
    match environment {
        Some(venv) => format!("the Python environment {}", venv.display()),
        None => "no Python environment".to_owned(),
    }
}

/// Starts Python in a virtual environment, or without one. Has it been started already, the
/// environment must be the same.
///
/// # Errors
/// Python does not start, or runs in another environment.
pub fn start(environment: Option<&Path>) -> Result<(), String> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = &*started {
        if running.as_deref() == environment {
            return Ok(());
        }
        return Err(format!(
            "it needs {}, and this process has {}: the server must put them in different ones",
            describe(environment),
            describe(running.as_deref())
        ));
    }
    share_library();
    preinitialise()?;
    initialise(environment)?;
    // SAFETY: this thread has the GIL since `initialise`; threads take it for their calls.
    unsafe { ffi::PyEval_SaveThread() };
    *started = Some(environment.map(Path::to_owned));
    Ok(())
}

/// Was Python needed in this process?
pub fn is_started() -> bool {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Extension modules take the symbols of Python from wherever they are in the process; this plugin
/// was loaded so that nobody sees its own and those of its dependencies.
fn share_library() {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    let address = ffi::Py_IsInitialized as *const () as *const libc::c_void;
    // SAFETY: dladdr looks the address of a function up and writes to `info`.
    let found = unsafe { libc::dladdr(address, info.as_mut_ptr()) };
    // SAFETY: zeroed before, and all zeros are a valid `Dl_info`.
    let info = unsafe { info.assume_init() };
    if found != 0 && !info.dli_fname.is_null() {
        let flags = libc::RTLD_NOW | libc::RTLD_GLOBAL | libc::RTLD_NOLOAD;
        // SAFETY: the name is the linker's own; the library is loaded already and stays so.
        unsafe { libc::dlopen(info.dli_fname, flags) };
    }
}

fn check(status: ffi::PyStatus) -> Result<(), String> {
    // SAFETY: only looks at the value.
    if unsafe { ffi::PyStatus_Exception(status) } == 0 {
        return Ok(());
    }
    let text = |pointer: *const libc::c_char| {
        if pointer.is_null() {
            return String::new();
        }
        // SAFETY: not null; Python gives constant, NUL-terminated texts here.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
    };
    Err(format!("Python does not start: {}", text(status.err_msg)))
}

/// UTF-8 everywhere, and the locale of the process stays what it is: other plugins live in it.
fn preinitialise() -> Result<(), String> {
    let mut config = MaybeUninit::<ffi::PyPreConfig>::zeroed();
    // SAFETY: fills the whole structure in.
    unsafe { ffi::PyPreConfig_InitPythonConfig(config.as_mut_ptr()) };
    // SAFETY: filled in above.
    let mut config = unsafe { config.assume_init() };
    config.parse_argv = 0;
    config.utf8_mode = 1;
    config.configure_locale = 0;
    config.coerce_c_locale = 0;
    // SAFETY: a filled-in configuration; Python is not started yet.
    check(unsafe { ffi::Py_PreInitialize(&raw const config) })
}

fn initialise(environment: Option<&Path>) -> Result<(), String> {
    let mut space = MaybeUninit::<ffi::PyConfig>::zeroed();
    let config = space.as_mut_ptr();
    // SAFETY: fills the whole structure in.
    unsafe { ffi::PyConfig_InitPythonConfig(config) };
    // SAFETY: filled in above; nothing else refers to it.
    let fields = unsafe { &mut *config };
    fields.parse_argv = 0;
    // Signals are the server's.
    fields.install_signal_handlers = 0;
    // What an application prints is seen when it prints it.
    fields.buffered_stdio = 0;
    let program = match environment {
        Some(venv) => venv.join("bin/python"),
        None => PathBuf::from(env!("TENON_PYTHON")),
    };
    let result = set_program(config, &program).and_then(|()| {
        // SAFETY: a filled-in configuration; Python has been preinitialised.
        check(unsafe { ffi::Py_InitializeFromConfig(config) })
    });
    // SAFETY: frees what the configuration holds; it is not used afterwards.
    unsafe { ffi::PyConfig_Clear(config) };
    result
}

/// Python finds its modules from where its program is, which is not this one.
fn set_program(config: *mut ffi::PyConfig, program: &Path) -> Result<(), String> {
    if !program.exists() {
        return Ok(());
    }
    let text = CString::new(program.as_os_str().as_encoded_bytes())
        .map_err(|_| "the path of the environment has a NUL in it".to_owned())?;
    // SAFETY: the address of a field of a living structure.
    let name = unsafe { &raw mut (*config).program_name };
    // SAFETY: as above.
    let executable = unsafe { &raw mut (*config).executable };
    for field in [name, executable] {
        // SAFETY: configuration and field belong together; the text is NUL-terminated.
        check(unsafe { ffi::PyConfig_SetBytesString(config, field, text.as_ptr()) })?;
    }
    Ok(())
}

thread_local! {
    /// Whether this thread has its place.
    static IS_PLACED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Makes the thread's state in Python once and for all: without this, every call would make and
/// destroy one.
pub fn place_thread() {
    // SAFETY: may be called at any time.
    if IS_PLACED.get() || unsafe { ffi::Py_IsInitialized() } == 0 {
        return;
    }
    IS_PLACED.set(true);
    // SAFETY: Python is started. The state is never released: threads of the server live as long
    // as it does.
    unsafe { ffi::PyGILState_Ensure() };
    // SAFETY: this thread has the GIL since the line above.
    unsafe { ffi::PyEval_SaveThread() };
}
