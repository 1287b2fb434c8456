//! Looking at, and changing, the fields of a response head that a plugin has given.

use super::response::ResponseHead;

impl ResponseHead {
    /// The values of all fields of that name.
    pub fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        lines(self.fields()).filter_map(move |line| value_of(line, name))
    }

    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Leaves all fields of that name out.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut kept = Vec::with_capacity(self.fields().len());
        for line in lines(self.fields()).filter(|line| value_of(line, name).is_none()) {
            kept.extend_from_slice(line);
            kept.extend_from_slice(b"\r\n");
        }
        self.set_fields(&kept);
    }

    /// The body that was measured is not the one that is sent.
    pub fn forget_length(&mut self) {
        self.content_length = None;
    }
}

/// The lines without their ends. A value has no line break: it was refused with one.
fn lines(fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = fields;
    std::iter::from_fn(move || {
        let end = memchr::memchr(b'\n', rest)?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        line.strip_suffix(b"\r\n")
    })
}

fn value_of<'l>(line: &'l [u8], name: &str) -> Option<&'l [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    if !found.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    value.strip_prefix(b": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_and_left_out() {
        let mut head = ResponseHead::new(200);
        for (name, value) in [("Vary", "Cookie"), ("ETag", "\"x\""), ("vary", ""), ("Varying", "1")]
        {
            head.field(name.as_bytes(), value.as_bytes()).unwrap();
        }
        assert_eq!(head.values("vary").collect::<Vec<_>>(), [&b"Cookie"[..], b""]);
        head.remove("VARY");
        assert!(!head.has("Vary") && head.has("Varying") && head.has("etag"));
        let mut out = Vec::new();
        head.encode_interim_into(&mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nETag: \"x\"\r\nVarying: 1\r\n\r\n");
    }
}
