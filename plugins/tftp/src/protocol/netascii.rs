//! The mode netascii: LF is CR LF on the way, and CR is CR NUL (RFC 764).

use std::io::{self, Read, Write};

/// Reads a file's bytes as they travel.
#[derive(Debug)]
pub struct Encoder<R> {
    inner: R,
    /// The second byte of a pair, which had no room.
    pending: Option<u8>,
}

impl<R: Read> Encoder<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, pending: None }
    }
}

impl<R: Read> Read for Encoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < buffer.len() {
            if let Some(byte) = self.pending.take() {
                buffer[count] = byte;
                count += 1;
                continue;
            }
            let mut byte = [0];
            if self.inner.read(&mut byte)? == 0 {
                break;
            }
            (buffer[count], self.pending) = match byte[0] {
                b'\n' => (b'\r', Some(b'\n')),
                b'\r' => (b'\r', Some(0)),
                other => (other, None),
            };
            count += 1;
        }
        Ok(count)
    }
}

/// Writes what arrives as the file's bytes.
#[derive(Debug)]
pub struct Decoder<W> {
    inner: W,
    /// A CR has come, and what follows has not.
    has_cr: bool,
}

impl<W: Write> Decoder<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, has_cr: false }
    }

    /// The writer inside, for bytes that need no decoding.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As of the writer inside.
    pub fn finish(mut self) -> io::Result<()> {
        if self.has_cr {
            self.inner.write_all(b"\r")?;
        }
        self.inner.flush()
    }
}

impl<W: Write> Write for Decoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut decoded = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match (std::mem::replace(&mut self.has_cr, *byte == b'\r'), byte) {
                (true, b'\n') => decoded.push(b'\n'),
                (true, 0) => decoded.push(b'\r'),
                // A CR with neither behind it: as it is.
                (true, b'\r') => decoded.push(b'\r'),
                (true, other) => decoded.extend([b'\r', *other]),
                (false, b'\r') => {}
                (false, other) => decoded.push(*other),
            }
        }
        self.inner.write_all(&decoded).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_travel_with_cr_lf() {
        let mut sent = Vec::new();
        Encoder::new(&b"a\nb\rc\r\n"[..]).read_to_end(&mut sent).unwrap();
        assert_eq!(sent, b"a\r\nb\r\0c\r\0\r\n");
    }

    /// However the bytes are cut into packets.
    #[test]
    fn every_text_survives_the_way() {
        for text in [&b""[..], b"\r", b"\n\n", b"\r\r\n\0x", b"ab\r\n\r\0\n"] {
            for size in 1..5 {
                let mut encoder = Encoder::new(text);
                let mut received = Vec::new();
                let mut decoder = Decoder::new(&mut received);
                let mut packet = vec![0; size];
                loop {
                    let count = encoder.read(&mut packet).unwrap();
                    if count == 0 {
                        break;
                    }
                    decoder.write_all(&packet[..count]).unwrap();
                }
                decoder.finish().unwrap();
                assert_eq!(received, text, "in packets of {size}");
            }
        }
    }
}
