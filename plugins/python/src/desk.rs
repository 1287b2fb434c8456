//! What a thread keeps from one request of an application to the next, so that little of the next one
//! is made anew: the template of its `environ`, and the request object with its `start_response`.

use std::cell::RefCell;
use std::collections::hash_map::Entry;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustc_hash::FxHashMap;

use crate::application::Application;
use crate::environ::Template;
use crate::host::{Call, Host};
use crate::objects::references;
use crate::request::Request;

thread_local! {
    static DESKS: RefCell<FxHashMap<Host, Desk>> = RefCell::default();
}

struct Desk {
    application: &'static Application,
    template: Template,
    request: Py<Request>,
    /// A bound method of `request`.
    start_response: Py<PyAny>,
}

/// One request, laid out.
pub struct Prepared<'py> {
    pub application: &'static Application,
    pub environ: Bound<'py, PyDict>,
    pub request: Bound<'py, Request>,
    pub start_response: Bound<'py, PyAny>,
}

/// Lays out a request. `None`: its host stands for no application.
pub fn prepare<'py>(py: Python<'py>, call: Call) -> PyResult<Option<Prepared<'py>>> {
    DESKS.with_borrow_mut(|desks| {
        let desk = match desks.entry(call.host()) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => {
                let Some(application) = Application::of(call.host()) else { return Ok(None) };
                place.insert(Desk::new(py, application)?)
            }
        };
        desk.prepare(py, call).map(Some)
    })
}

impl Desk {
    fn new(py: Python<'_>, application: &'static Application) -> PyResult<Self> {
        let template = Template::new(application.base.bind(py))?;
        let (request, start_response) = make(py, &template)?;
        Ok(Self { application, template, request, start_response })
    }

    fn prepare<'py>(&mut self, py: Python<'py>, call: Call) -> PyResult<Prepared<'py>> {
        if !self.is_free(py) {
            (self.request, self.start_response) = make(py, &self.template)?;
        }
        self.request.get().begin(call);
        Ok(Prepared {
            application: self.application,
            environ: self.template.build(py, &call)?,
            request: self.request.bind(py).clone(),
            start_response: self.start_response.bind(py).clone(),
        })
    }

    /// Nobody holds anything of the last request any more: the request object is known to this desk,
    /// to the template, twice, and to its own method alone.
    fn is_free(&self, py: Python<'_>) -> bool {
        references(self.request.bind(py)) == 4 && references(self.start_response.bind(py)) == 1
    }
}

fn make(py: Python<'_>, template: &Template) -> PyResult<(Py<Request>, Py<PyAny>)> {
    let request = Bound::new(py, Request::default())?;
    template.set_request(py, request.as_any())?;
    let start_response = request.getattr("start_response")?;
    Ok((request.unbind(), start_response.unbind()))
}
