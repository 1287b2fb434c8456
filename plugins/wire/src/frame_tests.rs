//! Frames whose every byte is known from the standards: RFC 791, RFC 768, RFC 9293.

use super::*;

/// "hello" from 127.0.0.1:8000 to 127.0.0.1:8080, put together by hand.
fn udp_frame() -> Frame {
    let mut bytes = vec![0; 12];
    bytes.extend([0x08, 0x00]);
    // Version 4, five words; 33 bytes; id 0x1234, DF; TTL 64; UDP; checksum; addresses.
    bytes.extend([0x45, 0, 0, 33, 0x12, 0x34, 0x40, 0, 64, 17, 0x2a, 0x96]);
    bytes.extend([127, 0, 0, 1, 127, 0, 0, 1]);
    bytes.extend([0x1f, 0x40, 0x1f, 0x90, 0, 13, 0xfe, 0x20]);
    bytes.extend(b"hello");
    Frame { time: Duration::ZERO, bytes }
}

fn value<'l>(layers: &'l [Layer], layer: &str, field: &str) -> &'l str {
    let layer = layers.iter().find(|found| found.name.en == layer).expect("the layer is there");
    let field = layer.fields.iter().find(|found| found.name.en == field);
    &field.expect("the field is there").value
}

#[test]
fn the_four_layers_of_the_lesson_cover_the_frame() {
    let layers = udp_frame().layers();
    let found: Vec<_> = layers.iter().map(|layer| (layer.name.en, layer.bytes.clone())).collect();
    let expected = [
        ("Ethernet II", 0..14),
        ("Internet Protocol Version 4", 14..34),
        ("User Datagram Protocol", 34..42),
        ("Data", 42..47),
    ];
    assert_eq!(found, expected);
}

#[test]
fn fields_say_what_the_bytes_say() {
    let layers = udp_frame().layers();
    let ip = "Internet Protocol Version 4";
    assert_eq!(value(&layers, ip, "Total length"), "33");
    assert_eq!(value(&layers, ip, "Identification"), "0x1234");
    assert_eq!(value(&layers, ip, "Flags, fragment offset"), "DF, 0");
    assert_eq!(value(&layers, ip, "Header checksum"), "0x2a96 ✓");
    assert_eq!(value(&layers, ip, "Destination"), "127.0.0.1");
    assert_eq!(value(&layers, "User Datagram Protocol", "Source port"), "8000");
    assert_eq!(value(&layers, "User Datagram Protocol", "Length"), "13");
    // What the kernel leaves there on the loopback: the sum of the pseudo header alone.
    assert!(value(&layers, "User Datagram Protocol", "Checksum").starts_with("0xfe20 (offload"));
    assert_eq!(value(&layers, "Data", "Bytes"), "68 65 6c 6c 6f");
    assert_eq!(udp_frame().data(), b"hello");
    let summary = udp_frame().summary();
    assert_eq!(summary, ["127.0.0.1", "127.0.0.1", "UDP", "8000 → 8080 Len=5"]);
}

#[test]
fn a_segment_tells_its_flags() {
    let mut bytes = udp_frame().bytes;
    bytes.truncate(34);
    bytes[17] = 40;
    bytes[23] = 6;
    bytes.extend([0x1f, 0x40, 0xc0, 0x00, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x12, 0xff, 0xff]);
    bytes.extend([0, 0, 0, 0]);
    let frame = Frame { time: Duration::ZERO, bytes };
    let facts = frame.tcp().expect("it is TCP");
    assert_eq!(facts.flags, ["SYN", "ACK"]);
    assert_eq!((facts.sequence, facts.acknowledgment, facts.data), (7, 9, 0));
    assert_eq!(frame.summary()[3], "8000 → 49152 [SYN, ACK] Seq=7 Ack=9 Len=0");
}

#[test]
fn what_is_no_frame_is_data() {
    for length in 0..14 {
        let frame = Frame { time: Duration::ZERO, bytes: vec![1; length] };
        assert!(frame.layers().iter().all(|layer| layer.name.en == "Data"));
    }
    // Cut anywhere, the layers still fit the bytes that are there.
    let whole = udp_frame();
    for length in 0..whole.bytes.len() {
        let cut = Frame { bytes: whole.bytes[..length].to_vec(), ..whole.clone() };
        for layer in cut.layers() {
            assert!(layer.bytes.end <= length, "{length}: {layer:?}");
        }
    }
}
