//! The applications of this process: importing one, and finding it when a request comes.

use std::ffi::CString;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use csgi::raw;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyModule};

use crate::environ;
use crate::host::Host;
use crate::interpreter;
use crate::settings::Settings;

/// An application that is served.
pub struct Application {
    pub host: Host,
    pub callable: Py<PyAny>,
    /// What `environ` has in every request.
    pub base: Py<PyDict>,
    /// It has been said that this application returns text where bytes belong.
    has_warned: AtomicBool,
}

/// In the order they were loaded; each lives as long as the process.
static APPLICATIONS: RwLock<Vec<&'static Application>> = RwLock::new(Vec::new());

/// The part of this plugin in Python.
static SUPPORT: PyOnceLock<Py<PyModule>> = PyOnceLock::new();

impl Application {
    /// The application that a host stands for.
    pub fn of(host: Host) -> Option<&'static Self> {
        let applications = APPLICATIONS.read().unwrap_or_else(PoisonError::into_inner);
        applications.iter().find(|application| application.host == host).copied()
    }

    /// Says once what is wrong with the types that the application gives.
    pub fn warn_of_text(&self, request: u64, what: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let text = format!(
                "{what} where PEP 3333 asks for bytes: it is sent as UTF-8; return \
                 [text.encode(\"utf-8\")] instead (said once)"
            );
            self.host.log(request, raw::LOG_WARN, &text);
        }
    }
}

/// Loads an application: `file` is its path for people, `copy` what is read. Gives its group.
///
/// # Errors
/// Why it is not served, the first line for people.
pub fn load(host: Host, file: &str, copy: &Path, defaults: &Settings) -> Result<String, String> {
    let mut settings = Settings::parse(host.config())?;
    settings.venv = settings.venv.or_else(|| defaults.venv.clone());
    let plugins = Path::new(file).parent().unwrap_or(Path::new(""));
    let environment = settings.environment(plugins)?;
    interpreter::start(environment.as_deref())?;
    interpreter::place_thread();
    let application = Python::attach(|py| {
        let callable = import(py, host, file, copy, &settings);
        callable
            .and_then(|callable| {
                let base = environ::base(py, host, file)?;
                let has_warned = AtomicBool::new(false);
                Ok(Application { host, callable, base, has_warned })
            })
            .map_err(|error| describe(py, error))
    })?;
    let mut applications = APPLICATIONS.write().unwrap_or_else(PoisonError::into_inner);
    applications.push(Box::leak(Box::new(application)));
    Ok(interpreter::describe(environment.as_deref()))
}

fn support(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    let module = SUPPORT.get_or_try_init(py, || {
        let code = CString::new(include_str!("support.py"))?;
        let module = PyModule::from_code(py, &code, c"<tenon>", c"_tenon_support")?;
        module.call_method1("watch_forks", (pyo3::wrap_pyfunction!(crate::in_child, py)?,))?;
        Ok::<_, PyErr>(module.unbind())
    })?;
    Ok(module.bind(py))
}

fn import(
    py: Python<'_>,
    host: Host,
    file: &str,
    copy: &Path,
    settings: &Settings,
) -> PyResult<Py<PyAny>> {
    let absolute = std::path::absolute(file)?;
    let wanted = settings.callable.as_deref().unwrap_or("application");
    let arguments =
        (host.name(), absolute, copy, settings.module.as_deref(), wanted, &settings.path);
    Ok(support(py)?.call_method1("load", arguments)?.unbind())
}

/// One line for people, and the traceback below it.
fn describe(py: Python<'_>, error: PyErr) -> String {
    in_words(py, "describe", &error)
}

/// The traceback of an exception.
pub fn trace(py: Python<'_>, error: &PyErr) -> String {
    in_words(py, "trace", error)
}

fn in_words(py: Python<'_>, function: &str, error: &PyErr) -> String {
    // With its traceback, which is kept apart until then.
    let value = error.clone_ref(py).into_value(py);
    let text = support(py).and_then(|support| support.call_method1(function, (value,)));
    text.and_then(|text| text.extract()).unwrap_or_else(|_| error.to_string())
}

/// Lets Python run what it runs at its end.
pub fn at_exit() {
    if interpreter::is_started() {
        interpreter::place_thread();
        Python::attach(|py| {
            let result = support(py).and_then(|support| support.call_method0("at_exit"));
            // The process ends; an exception there has nobody to go to but standard error.
            result.map_or_else(|error| error.print(py), drop);
        });
    }
}
