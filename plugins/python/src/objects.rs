//! Python objects the quick way, where PyO3's safe interface has none: Latin-1 texts and calls
//! without an argument tuple.
//!
//! `unsafe`: functions of the C API that PyO3 only declares.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use pyo3::{Borrowed, ffi};

/// A text as PEP 3333 wants it: every byte is one character.
pub fn latin1<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let length = text.len() as ffi::Py_ssize_t;
    // SAFETY: so many bytes are there, and they are copied; attached, as `py` says.
    let object =
        unsafe { ffi::PyUnicode_DecodeLatin1(text.as_ptr().cast(), length, std::ptr::null()) };
    // SAFETY: a new reference, or null with an exception set.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    // SAFETY: what decoding makes is a str.
    Ok(unsafe { object.cast_into_unchecked() })
}

/// The bytes of a text as PEP 3333 wants it.
pub enum Text<'t, 'py> {
    Ascii(&'t [u8]),
    Latin1(Bound<'py, PyBytes>),
}

impl<'t, 'py> Text<'t, 'py> {
    /// # Errors
    /// A character is not Latin-1, or it is no str at all: `what` says which thing.
    pub fn new(object: &'t Bound<'py, PyAny>, what: &str) -> PyResult<Self> {
        let text = object.cast::<PyString>().map_err(|_| {
            let kind = object.get_type();
            PyTypeError::new_err(format!("{what} must be a str, not {kind}"))
        })?;
        // An ASCII text is its own UTF-8: nothing is encoded or kept.
        if let Some(bytes) = ascii(text) {
            return Ok(Self::Ascii(bytes));
        }
        // SAFETY: a str; attached, as its lifetime says.
        let bytes = unsafe { ffi::PyUnicode_AsLatin1String(text.as_ptr()) };
        // SAFETY: a new reference, or null with an exception set.
        let bytes = unsafe { Bound::from_owned_ptr_or_err(object.py(), bytes) }?;
        Ok(Self::Latin1(bytes.cast_into::<PyBytes>()?))
    }

    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Ascii(bytes) => bytes,
            Self::Latin1(bytes) => bytes.as_bytes(),
        }
    }
}

/// The characters of a text that is ASCII alone, where they lie.
fn ascii<'t>(text: &'t Bound<'_, PyString>) -> Option<&'t [u8]> {
    let pointer = text.as_ptr();
    // SAFETY: a str; attached, as its lifetime says.
    if unsafe { ffi::PyUnicode_IS_COMPACT_ASCII(pointer) } == 0 {
        let text = text.to_str().ok()?;
        return text.is_ascii().then_some(text.as_bytes());
    }
    // SAFETY: as above.
    let length = unsafe { ffi::PyUnicode_GET_LENGTH(pointer) };
    // SAFETY: as above.
    let start = unsafe { ffi::PyUnicode_DATA(pointer) };
    // SAFETY: of a compact ASCII str that is one byte for each character; it lives as long as the
    // text and never changes.
    Some(unsafe { std::slice::from_raw_parts(start.cast(), length as usize) })
}

/// Calls with two arguments.
pub fn call2<'py>(
    callable: Borrowed<'_, 'py, PyAny>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = [first.as_ptr(), second.as_ptr()];
    // SAFETY: three living objects; no keywords. Attached, as their lifetime says.
    let result = unsafe {
        ffi::PyObject_Vectorcall(callable.as_ptr(), arguments.as_ptr(), 2, std::ptr::null_mut())
    };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// How many know of an object.
pub fn references(object: &Bound<'_, impl Sized>) -> isize {
    // SAFETY: a living object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}
