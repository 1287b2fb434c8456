//! Why a request is refused. After any of these the connection ends, because where the next request
//! would begin is not certain.

use std::fmt;

/// The reason; `Display` says it in plain words, for the client's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// 400, RFC 9112 §2.2, §3, §5.
    Malformed(&'static str),
    /// 400: a line feed without a carriage return.
    BareNewline,
    /// 400, RFC 9112 §3.2.
    Target(&'static str),
    /// 400, RFC 9112 §3.2.
    Host(&'static str),
    /// 400, RFC 9112 §6.1, §6.3.
    Framing(&'static str),
    /// 400, RFC 9112 §7.1.
    Chunk(&'static str),
    /// 400: what a trusted proxy says of its client.
    Forwarded,
    /// 411, RFC 9110 §15.5.12.
    LengthRequired,
    /// 413.
    BodyTooLarge,
    /// 414.
    TargetTooLong,
    /// 417.
    Expectation,
    /// 421, RFC 9110 §7.4: https over a connection that has no TLS.
    Misdirected,
    /// 431, RFC 6585 §5.
    HeadTooLarge,
    /// 431.
    TooManyFields,
    /// 501, RFC 9112 §6.1.
    TransferCoding,
    /// 501: CONNECT.
    Method,
    /// 505.
    Version,
}

impl RequestError {
    /// The status code of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_)
            | Self::BareNewline
            | Self::Target(_)
            | Self::Host(_)
            | Self::Framing(_)
            | Self::Chunk(_)
            | Self::Forwarded => 400,
            Self::LengthRequired => 411,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::Misdirected => 421,
            Self::HeadTooLarge | Self::TooManyFields => 431,
            Self::TransferCoding | Self::Method => 501,
            Self::Version => 505,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed(reason)
            | Self::Target(reason)
            | Self::Host(reason)
            | Self::Framing(reason)
            | Self::Chunk(reason) => return write!(formatter, "not a valid request: {reason}"),
            Self::BareNewline => "not a valid request: a line ends in LF without CR",
            Self::Forwarded => "what the proxy says of its client cannot be understood",
            Self::LengthRequired => "an HTTP/1.0 request of this kind needs a Content-Length",
            Self::BodyTooLarge => "the request body is larger than this server takes",
            Self::TargetTooLong => "the request target is longer than this server takes",
            Self::Expectation => "the only expectation this server meets is 100-continue",
            Self::Misdirected => "this port is not secured, and the target is one of https",
            Self::HeadTooLarge => "the request head is larger than this server takes",
            Self::TooManyFields => "the request has more header fields than this server takes",
            Self::TransferCoding => "the only transfer coding this server takes is chunked",
            Self::Method => "this server is no proxy: it does not take CONNECT",
            Self::Version => "this server speaks HTTP/1.1 and HTTP/1.0",
        })
    }
}
