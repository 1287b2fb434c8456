//! Compressors: bytes in, coded bytes out, one face for the three codings.
//!
//! Windows are kept small, so that thousands of answers on their way do not fill the memory, and
//! what is alive at a time is counted: who has too many sends the plain form.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::coding::Coding;

/// Window of Brotli and Zstandard, as a power of two: 256 KiB, eight times that of gzip.
const WINDOW: u32 = 18;
/// Coded bytes that Brotli gathers before it passes them on.
const BUFFER: usize = 4096;

/// Encoders of streams that are alive in this process.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Compressed for one answer, while it is sent.
    Once,
    /// Compressed for many answers.
    Kept,
}

/// A stream being compressed.
pub struct Encoder {
    compressor: Compressor,
    _counted: Counted,
}

/// One of the streams that are alive.
struct Counted;

impl Counted {
    fn among(most: usize) -> Option<Self> {
        let counted = Self;
        (STREAMS.fetch_add(1, Ordering::Relaxed) < most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Compressor {
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<ZstdEncoder<'static, Vec<u8>>>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Compressor {
    fn new(coding: Coding, effort: Effort) -> io::Result<Self> {
        let is_kept = effort == Effort::Kept;
        Ok(match coding {
            Coding::Brotli => {
                let quality = if is_kept { 6 } else { 4 };
                let writer = brotli::CompressorWriter::new(Vec::new(), BUFFER, quality, WINDOW);
                Self::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), if is_kept { 9 } else { 3 })?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
                Self::Zstd(Box::new(encoder))
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(if is_kept { 8 } else { 5 });
                Self::Gzip(Box::new(GzEncoder::new(Vec::new(), level)))
            }
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Brotli(writer) => writer,
            Self::Zstd(writer) => writer,
            Self::Gzip(writer) => writer,
        }
    }

    fn coded(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Brotli(writer) => writer.get_mut(),
            Self::Zstd(writer) => writer.get_mut(),
            Self::Gzip(writer) => writer.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli(writer) => Ok(writer.into_inner()),
            Self::Zstd(writer) => writer.finish(),
            Self::Gzip(writer) => writer.finish(),
        }
    }
}

impl Encoder {
    /// `None`: `most` are alive already, or there is no memory for another.
    pub fn start(coding: Coding, most: usize) -> Option<Self> {
        let counted = Counted::among(most)?;
        match Compressor::new(coding, Effort::Once) {
            Ok(compressor) => Some(Self { compressor, _counted: counted }),
            Err(error) => {
                tracing::warn!("cannot compress with {}: {error}", coding.name());
                None
            }
        }
    }

    /// Takes bytes in; some coded ones may come out.
    ///
    /// # Errors
    /// The compressor has no memory left: the stream cannot go on.
    pub fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.compressor.writer().write_all(bytes)?;
        out.append(self.compressor.coded());
        Ok(())
    }

    /// Everything that was taken in comes out: the receiver can decode up to here.
    ///
    /// # Errors
    /// As of `write`.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.compressor.writer().flush()?;
        out.append(self.compressor.coded());
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// As of `write`.
    pub fn finish(self, out: &mut Vec<u8>) -> io::Result<()> {
        out.append(&mut self.compressor.finish()?);
        Ok(())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Encoder").finish_non_exhaustive()
    }
}

/// Compresses a whole body.
///
/// # Errors
/// There is no memory for it.
pub fn whole(coding: Coding, bytes: &[u8], effort: Effort) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(coding, effort)?;
    compressor.writer().write_all(bytes)?;
    compressor.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    fn decode(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        // What ends too early is given as far as it goes.
        let _ = match coding {
            Coding::Brotli => brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain),
            Coding::Zstd => zstd::Decoder::new(coded).unwrap().read_to_end(&mut plain),
            Coding::Gzip => flate2::read::GzDecoder::new(coded).read_to_end(&mut plain),
        };
        plain
    }

    #[test]
    fn a_flush_brings_out_all_that_was_taken_in() {
        for coding in Coding::ALL {
            let mut encoder = Encoder::start(coding, usize::MAX).unwrap();
            let (mut coded, mut plain) = (Vec::new(), Vec::new());
            for word in ["event: 1\n\n", "event: 2\n\n", "event: 3\n\n"] {
                encoder.write(word.as_bytes(), &mut coded).unwrap();
                encoder.flush(&mut coded).unwrap();
                plain.extend_from_slice(word.as_bytes());
                assert_eq!(decode(coding, &coded), plain, "{coding:?}");
            }
            encoder.finish(&mut coded).unwrap();
            assert_eq!(decode(coding, &coded), plain, "{coding:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        /// However the bytes are cut and flushed, the client gets them back.
        #[test]
        fn any_split_gives_the_same_bytes(
            pieces in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..2000), any::<bool>()),
                0..8,
            ),
        ) {
            let plain: Vec<u8> = pieces.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            for coding in Coding::ALL {
                let mut encoder = Encoder::start(coding, usize::MAX).unwrap();
                let mut coded = Vec::new();
                for (bytes, flushes) in &pieces {
                    encoder.write(bytes, &mut coded).unwrap();
                    if *flushes {
                        encoder.flush(&mut coded).unwrap();
                    }
                }
                encoder.finish(&mut coded).unwrap();
                prop_assert_eq!(&decode(coding, &coded), &plain);
                let coded = whole(coding, &plain, Effort::Kept).unwrap();
                prop_assert_eq!(&decode(coding, &coded), &plain);
            }
        }
    }
}
