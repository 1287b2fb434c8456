//! `wsgi.file_wrapper`: a regular file is sent by the server itself; anything else is read in blocks.

use std::os::fd::OwnedFd;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyAny;

#[pyclass(frozen, module = "tenon")]
pub struct FileWrapper {
    file: Py<PyAny>,
    block: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize = 65536))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> Self {
        Self { file: filelike, block: blksize.max(1) }
    }

    #[getter]
    fn filelike(&self, py: Python<'_>) -> Py<PyAny> {
        self.file.clone_ref(py)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self.file.bind(py).call_method1(intern!(py, "read"), (self.block,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// A descriptor of its own, and where to begin. `None`: it is no file of the system's, or one
    /// that cannot tell its position.
    pub fn descriptor(&self, py: Python<'_>) -> Option<(OwnedFd, i64)> {
        let file = self.file.bind(py);
        let number: i32 = file.call_method0(intern!(py, "fileno")).ok()?.extract().ok()?;
        let position = file.call_method0(intern!(py, "tell")).ok()?.extract().ok()?;
        Some((duplicate(number)?, position))
    }
}

/// The application may close its own descriptor whenever it likes.
fn duplicate(number: i32) -> Option<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: makes a new descriptor, or fails with -1 if the number is none.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return None;
    }
    // SAFETY: just made, and nobody else knows it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    // The server takes regular files only, and is asked only once.
    std::fs::File::from(copy.try_clone().ok()?).metadata().ok()?.is_file().then_some(copy)
}
