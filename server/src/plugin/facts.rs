//! What a call is told of its request.

/// The texts of a request, for `Call::begin`; they are copied nowhere and must be in `storage`.
pub struct Texts<'a> {
    pub method: &'a [u8],
    pub authority: &'a [u8],
    pub mount: &'a [u8],
    pub path: &'a [u8],
    pub query: &'a [u8],
    pub target: &'a [u8],
    pub scheme: &'static str,
    pub remote: &'a [u8],
    pub local: &'a [u8],
}

/// What `Call::begin` needs beside the texts.
pub struct Facts<'a, H, V> {
    pub id: u64,
    /// For the field X-Request-Id, in the place of any that the client has sent.
    pub request_id: Option<&'a [u8]>,
    pub http_version: u16,
    pub may_upgrade: bool,
    pub content_length: i64,
    pub headers: H,
    pub variables: V,
}

/// Languages know fields by the names that CGI has made of them (RFC 3875 §4.1.18): there `X_Y` passes
/// for `X-Y`, and Proxy for the variable HTTP_PROXY, by which a client would send a program's own
/// requests where it likes (httpoxy). `name` is in lower case.
pub fn misleads_languages(name: &[u8]) -> bool {
    name == b"proxy" || memchr::memchr(b'_', name).is_some()
}
