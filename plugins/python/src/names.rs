//! The keys of `environ`, made once: they are in every dictionary, and their hashes are known.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;

/// Header fields that requests often have, in lower case.
const COMMON: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "cookie",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-csrftoken",
    "x-csrf-token",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
];

macro_rules! names {
    ($($field:ident $text:literal),* $(,)?) => {
        pub struct Names {
            $(pub $field: Py<PyString>,)*
            /// `user-agent` to `HTTP_USER_AGENT`.
            fields: FxHashMap<&'static [u8], Py<PyString>>,
            /// Values that come again and again.
            pub get: Py<PyString>,
            pub post: Py<PyString>,
            pub head: Py<PyString>,
            pub empty: Py<PyString>,
            pub http10: Py<PyString>,
            pub http11: Py<PyString>,
            pub http2: Py<PyString>,
            pub http3: Py<PyString>,
        }

        impl Names {
            fn new(py: Python<'_>) -> Self {
                let name = |text: &str| PyString::intern(py, text).unbind();
                let fields = COMMON.iter().map(|field| (field.as_bytes(), name(&variable(field))));
                Self {
                    $($field: name($text),)*
                    fields: fields.collect(),
                    get: name("GET"),
                    post: name("POST"),
                    head: name("HEAD"),
                    empty: name(""),
                    http10: name("HTTP/1.0"),
                    http11: name("HTTP/1.1"),
                    http2: name("HTTP/2"),
                    http3: name("HTTP/3"),
                }
            }
        }
    };
}

names! {
    request_method "REQUEST_METHOD",
    script_name "SCRIPT_NAME",
    path_info "PATH_INFO",
    query_string "QUERY_STRING",
    request_uri "REQUEST_URI",
    content_type "CONTENT_TYPE",
    content_length "CONTENT_LENGTH",
    server_name "SERVER_NAME",
    server_port "SERVER_PORT",
    server_protocol "SERVER_PROTOCOL",
    remote_addr "REMOTE_ADDR",
    remote_port "REMOTE_PORT",
    http_host "HTTP_HOST",
    method "Method",
    url_scheme "wsgi.url_scheme",
    input "wsgi.input",
    request_id "csgi.id",
}

static NAMES: PyOnceLock<Names> = PyOnceLock::new();

impl Names {
    pub fn of(py: Python<'_>) -> &Names {
        NAMES.get_or_init(py, || Self::new(py))
    }

    /// The key of a header field that is no special one.
    pub fn field<'py>(&self, py: Python<'py>, field: &[u8]) -> Bound<'py, PyString> {
        match self.fields.get(field) {
            Some(name) => name.bind(py).clone(),
            None => PyString::new(py, &variable(&String::from_utf8_lossy(field))),
        }
    }
}

/// `user-agent` is HTTP_USER_AGENT.
fn variable(field: &str) -> String {
    format!("HTTP_{}", field.to_ascii_uppercase().replace('-', "_"))
}
