//! Frames as a pcap file, which every analyser reads.

use std::borrow::Cow;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};

use crate::Frame;

/// A capture file of Ethernet frames, with times in nanoseconds.
///
/// # Errors
/// The times do not fit the format (they do until 2106).
pub fn pcap(frames: &[Frame]) -> Result<Vec<u8>, String> {
    let header = PcapHeader {
        datalink: DataLink::ETHERNET,
        ts_resolution: TsResolution::NanoSecond,
        ..PcapHeader::default()
    };
    let failed = |error| format!("cannot write the capture file: {error}");
    let mut writer = PcapWriter::with_header(Vec::new(), header).map_err(failed)?;
    for frame in frames {
        let packet = PcapPacket {
            timestamp: frame.time,
            orig_len: frame.bytes.len() as u32,
            data: Cow::Borrowed(&frame.bytes),
        };
        writer.write_packet(&packet).map_err(failed)?;
    }
    Ok(writer.into_writer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The layout of the format: a header of 24 bytes, 16 before each packet.
    #[test]
    fn a_file_has_its_header_and_every_frame() {
        let frame = Frame { time: Duration::new(7, 9), bytes: vec![0xab; 60] };
        let file = pcap(&[frame.clone(), frame]).unwrap();
        assert_eq!(file.len(), 24 + 2 * (16 + 60));
        // The magic number of nanoseconds, in the byte order of the file.
        assert_eq!(&file[..4], [0xa1, 0xb2, 0x3c, 0x4d]);
        assert_eq!(file[20..24], [0, 0, 0, 1], "link type Ethernet");
        assert_eq!(file[24..32], [0, 0, 0, 7, 0, 0, 0, 9]);
    }
}
