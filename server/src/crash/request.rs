//! The request of a record: what is shown and kept of it, and what is not.

use super::report::RequestReport;

/// Fields whose values say how the message is framed and where it goes. All others may be secrets.
const SHOWN: [&str; 7] = [
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
];
/// No longer line is shown.
const LONGEST: usize = 8 * 1024;

/// Reads a head that the server has accepted once; what is no head gives what it can.
pub fn read(id: u64, head: &[u8], body: &[u8], body_length: u64, redacts: bool) -> RequestReport {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
        text.trim_end_matches('\r').to_owned()
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = text(lines.next().unwrap_or_default());
    let fields = lines.map(text).take_while(|line| !line.is_empty());
    let headers = fields.filter_map(|field| {
        let (name, value) = field.split_once(':')?;
        let value = value.trim();
        let is_shown = !redacts || SHOWN.iter().any(|shown| name.eq_ignore_ascii_case(shown));
        let value = if is_shown { value.to_owned() } else { "*".repeat(value.len()) };
        Some((name.to_owned(), value))
    });
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    RequestReport {
        id: format!("{id:x}"),
        line,
        headers: headers.collect(),
        is_redacted: redacts,
        body_length,
        body: (!redacts && !body.is_empty()).then(|| hex(body)),
    }
}

impl RequestReport {
    /// The head as bytes again.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The body, if it is kept; one of as many zeros, if not.
    pub fn body(&self) -> Vec<u8> {
        let Some(hex) = &self.body else {
            return vec![0; usize::try_from(self.body_length).unwrap_or(0).min(1 << 20)];
        };
        let pairs = hex.as_bytes().chunks_exact(2);
        pairs.filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /x?y HTTP/1.1\r\nHost: t\r\nCookie: secret\r\nA:\r\n\r\n";

    #[test]
    fn values_are_hidden_unless_they_frame_the_message() {
        let request = read(0x2a, HEAD, b"hi", 2, true);
        assert_eq!((request.id.as_str(), request.line.as_str()), ("2a", "GET /x?y HTTP/1.1"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(request.headers, [pair("Host", "t"), pair("Cookie", "******"), pair("A", "")]);
        assert_eq!(request.body, None);
        assert_eq!(request.body(), [0, 0], "as long as it was");
    }

    #[test]
    fn what_is_kept_comes_back() {
        let request = read(1, HEAD, b"hi", 2, false);
        assert_eq!(
            request.head(),
            b"GET /x?y HTTP/1.1\r\nHost: t\r\nCookie: secret\r\nA: \r\n\r\n"
        );
        assert_eq!(request.body(), b"hi");
        read(1, b"\xff\x00\n\n::\n", b"", 0, true);
    }
}
