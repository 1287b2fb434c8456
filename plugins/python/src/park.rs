//! Waiting without a thread, for applications that know this server: they yield
//! `environ["csgi.pending"]`, and `environ["csgi.wake"](environ["csgi.id"])`, from any thread, has
//! their iterator called again; so does `environ["csgi.wake_after"](environ["csgi.id"], seconds)`.

use pyo3::exceptions::PyValueError;
use pyo3::ffi::c_str;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::host::Host;
use crate::request::Request;

/// An empty bytestring that is told from every other by its identity.
static PENDING: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

#[pyclass(frozen, module = "tenon")]
struct Waker {
    host: Host,
}

#[pymethods]
impl Waker {
    fn wake(&self, request: &Bound<'_, Request>) {
        self.host.wake(request.get().id());
    }

    fn wake_after(&self, request: &Bound<'_, Request>, seconds: f64) -> PyResult<()> {
        if !(0.0..=4_000_000.0).contains(&seconds) {
            return Err(PyValueError::new_err("seconds must be from 0 to 4000000"));
        }
        let milliseconds = (seconds * 1000.0).ceil() as u32;
        if self.host.wake_after(request.get().id(), milliseconds) {
            return Ok(());
        }
        Err(PyValueError::new_err("this server has no timers"))
    }
}

fn pending(py: Python<'_>) -> PyResult<&Py<PyAny>> {
    PENDING.get_or_try_init(py, || {
        let class = py.eval(c_str!("type('Pending', (bytes,), {})()"), None, None)?;
        Ok(class.unbind())
    })
}

pub fn is_pending(part: &Bound<'_, PyAny>) -> bool {
    PENDING.get(part.py()).is_some_and(|pending| part.is(pending))
}

pub fn add_to(py: Python<'_>, environ: &Bound<'_, PyDict>, host: Host) -> PyResult<()> {
    let waker = Bound::new(py, Waker { host })?;
    environ.set_item("csgi.pending", pending(py)?)?;
    environ.set_item("csgi.wake", waker.getattr("wake")?)?;
    environ.set_item("csgi.wake_after", waker.getattr("wake_after")?)
}
