//! A frame, layer by layer: which bytes are which header field and what they say.

use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use etherparse::{
    EtherType, Ethernet2Slice, Ipv4HeaderSlice, LinkSlice, NetSlice, SlicedPacket, TcpSlice,
    TransportSlice, UdpSlice,
};
use lab::{Lang, Text};

use crate::hex;

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Text,
    /// From the beginning of the frame.
    pub bytes: Range<usize>,
    pub value: String,
}

/// One header, or the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub name: Text,
    pub bytes: Range<usize>,
    pub fields: Vec<Field>,
}

/// What a ladder shows of a TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpFacts {
    pub source: u16,
    pub destination: u16,
    /// In the order of a conversation: SYN, FIN, RST, PSH, ACK.
    pub flags: Vec<&'static str>,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub data: usize,
}

/// Bytes of one layer that are shown at most.
const SHOWN: usize = 64;

/// As it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Since 1970.
    pub time: Duration,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The layers from the outside in. What cannot be understood is the data of the last one that
    /// can.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let Ok(packet) = SlicedPacket::from_ethernet(&self.bytes) else {
            return vec![data(0..self.bytes.len(), &self.bytes)];
        };
        let mut end = 0;
        if let Some(LinkSlice::Ethernet2(slice)) = &packet.link {
            layers.push(ethernet(slice));
            end = slice.header_slice().len();
        }
        if let Some(NetSlice::Ipv4(slice)) = &packet.net {
            layers.push(ipv4(end, &slice.header()));
            end += slice.header().slice().len();
            let header = slice.header();
            let header_end = match &packet.transport {
                Some(TransportSlice::Udp(slice)) => {
                    layers.push(udp(end, slice, &header));
                    end + slice.header_slice().len()
                }
                Some(TransportSlice::Tcp(slice)) => {
                    layers.push(tcp(end, slice, &header));
                    end + slice.header_slice().len()
                }
                _ => end,
            };
            end = header_end;
        }
        if end < self.bytes.len() {
            layers.push(data(end..self.bytes.len(), &self.bytes));
        }
        layers
    }

    /// The layers as parts of a picture of bytes.
    pub fn parts(&self, lang: Lang) -> Vec<(String, Vec<u8>)> {
        let part = |layer: Layer| {
            let Range { start, end } = layer.bytes;
            let label = format!("{} · {start}–{}", layer.name.get(lang), end.saturating_sub(1));
            let shown = self.bytes.get(start..end.min(start + SHOWN)).unwrap_or_default();
            (label, shown.to_vec())
        };
        self.layers().into_iter().map(part).collect()
    }

    /// What is carried inside: the part that the programs sent.
    pub fn data(&self) -> &[u8] {
        match SlicedPacket::from_ethernet(&self.bytes).ok().and_then(|packet| packet.transport) {
            Some(TransportSlice::Udp(slice)) => slice.payload(),
            Some(TransportSlice::Tcp(slice)) => slice.payload(),
            _ => &[],
        }
    }

    pub fn tcp(&self) -> Option<TcpFacts> {
        let packet = SlicedPacket::from_ethernet(&self.bytes).ok()?;
        let TransportSlice::Tcp(slice) = packet.transport? else { return None };
        Some(TcpFacts {
            source: slice.source_port(),
            destination: slice.destination_port(),
            flags: flags(&slice),
            sequence: slice.sequence_number(),
            acknowledgment: slice.acknowledgment_number(),
            data: slice.payload().len(),
        })
    }

    /// The columns Source, Destination, Protocol and Info of an analyser.
    pub fn summary(&self) -> [String; 4] {
        let packet = SlicedPacket::from_ethernet(&self.bytes);
        let (net, transport) =
            packet.map(|packet| (packet.net, packet.transport)).unwrap_or_default();
        let (source, destination) = match &net {
            Some(NetSlice::Ipv4(slice)) => {
                let header = slice.header();
                (header.source_addr().to_string(), header.destination_addr().to_string())
            }
            _ => Default::default(),
        };
        let (protocol, info) = match &transport {
            Some(TransportSlice::Udp(slice)) => {
                let (from, to) = (slice.source_port(), slice.destination_port());
                ("UDP", format!("{from} → {to} Len={}", slice.payload().len()))
            }
            Some(TransportSlice::Tcp(slice)) => {
                let (from, to) = (slice.source_port(), slice.destination_port());
                let (sequence, length) = (slice.sequence_number(), slice.payload().len());
                let flags = flags(slice).join(", ");
                let acknowledgment = match slice.ack() {
                    true => format!(" Ack={}", slice.acknowledgment_number()),
                    false => String::new(),
                };
                let info =
                    format!("{from} → {to} [{flags}] Seq={sequence}{acknowledgment} Len={length}");
                ("TCP", info)
            }
            _ => ("", String::new()),
        };
        [source, destination, protocol.to_owned(), info]
    }
}

fn flags(slice: &TcpSlice<'_>) -> Vec<&'static str> {
    let all = [
        (slice.syn(), "SYN"),
        (slice.fin(), "FIN"),
        (slice.rst(), "RST"),
        (slice.psh(), "PSH"),
        (slice.ack(), "ACK"),
    ];
    all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}

/// Collects the fields of one header.
struct Fields {
    start: usize,
    fields: Vec<Field>,
}

impl Fields {
    fn new(start: usize) -> Self {
        Self { start, fields: Vec::new() }
    }

    /// `bytes` counts from the beginning of the header.
    fn add(
        &mut self,
        zh: &'static str,
        en: &'static str,
        bytes: Range<usize>,
        value: impl ToString,
    ) {
        let bytes = self.start + bytes.start..self.start + bytes.end;
        self.fields.push(Field { name: Text { zh, en }, bytes, value: value.to_string() });
    }

    fn layer(self, zh: &'static str, en: &'static str, length: usize) -> Layer {
        let bytes = self.start..self.start + length;
        Layer { name: Text { zh, en }, bytes, fields: self.fields }
    }
}

fn mac(address: [u8; 6]) -> String {
    hex::pairs(&address).replace(' ', ":")
}

fn ethernet(slice: &Ethernet2Slice<'_>) -> Layer {
    let mut fields = Fields::new(0);
    fields.add("目的 MAC", "Destination", 0..6, mac(slice.destination()));
    fields.add("源 MAC", "Source", 6..12, mac(slice.source()));
    let kind = match slice.ether_type() {
        EtherType::IPV4 => "0x0800 (IPv4)".to_owned(),
        other => format!("0x{:04x}", other.0),
    };
    fields.add("类型", "Type", 12..14, kind);
    fields.layer("网络接口层 Ethernet II", "Ethernet II", slice.header_slice().len())
}

fn ipv4(start: usize, header: &Ipv4HeaderSlice<'_>) -> Layer {
    let mut fields = Fields::new(start);
    let length = header.slice().len();
    fields.add("版本", "Version", 0..1, header.version());
    fields.add("首部长度", "Header length", 0..1, format!("{length} ({} × 4)", header.ihl()));
    let service = format!("0x{:02x}", header.slice()[1]);
    fields.add("服务类型", "Differentiated services", 1..2, service);
    fields.add("总长度", "Total length", 2..4, header.total_len());
    fields.add("标识", "Identification", 4..6, format!("0x{:04x}", header.identification()));
    let (dont, more) = (header.dont_fragment(), header.more_fragments());
    let fragmenting = match (dont, more) {
        (true, _) => "DF",
        (_, true) => "MF",
        _ => "-",
    };
    let place = header.fragments_offset().byte_offset();
    fields.add("标志, 片偏移", "Flags, fragment offset", 6..8, format!("{fragmenting}, {place}"));
    fields.add("生存时间", "Time to live", 8..9, header.ttl());
    let protocol = match header.protocol().0 {
        6 => "6 (TCP)".to_owned(),
        17 => "17 (UDP)".to_owned(),
        other => other.to_string(),
    };
    fields.add("协议", "Protocol", 9..10, protocol);
    let computed = header.to_header().calc_header_checksum();
    let checksum = checksum(header.header_checksum(), computed, "");
    fields.add("首部校验和", "Header checksum", 10..12, checksum);
    fields.add("源 IP", "Source", 12..16, header.source_addr());
    fields.add("目的 IP", "Destination", 16..20, header.destination_addr());
    if length > 20 {
        fields.add("选项", "Options", 20..length, hex::pairs(header.options()));
    }
    fields.layer("网络层 IPv4", "Internet Protocol Version 4", length)
}

/// The loopback leaves the checksums of UDP and TCP to a network card that it does not have.
fn checksum(found: u16, computed: u16, otherwise: &str) -> String {
    let verdict = if found == computed { "✓" } else { otherwise };
    format!("0x{found:04x} {verdict}").trim_end().to_owned()
}

const OFFLOADED: &str = "(offload)";

fn udp(start: usize, slice: &UdpSlice<'_>, ip: &Ipv4HeaderSlice<'_>) -> Layer {
    let mut fields = Fields::new(start);
    fields.add("源端口", "Source port", 0..2, slice.source_port());
    fields.add("目的端口", "Destination port", 2..4, slice.destination_port());
    fields.add("长度", "Length", 4..6, slice.length());
    let computed = slice
        .to_header()
        .calc_checksum_ipv4_raw(ip.source(), ip.destination(), slice.payload())
        .unwrap_or_default();
    fields.add("校验和", "Checksum", 6..8, checksum(slice.checksum(), computed, OFFLOADED));
    fields.layer("传输层 UDP", "User Datagram Protocol", slice.header_slice().len())
}

fn tcp(start: usize, slice: &TcpSlice<'_>, ip: &Ipv4HeaderSlice<'_>) -> Layer {
    let mut fields = Fields::new(start);
    let length = slice.header_slice().len();
    fields.add("源端口", "Source port", 0..2, slice.source_port());
    fields.add("目的端口", "Destination port", 2..4, slice.destination_port());
    fields.add("序号 seq", "Sequence number", 4..8, slice.sequence_number());
    fields.add("确认号 ack", "Acknowledgment number", 8..12, slice.acknowledgment_number());
    let words = format!("{length} ({} × 4)", slice.data_offset());
    fields.add("首部长度", "Header length", 12..13, words);
    fields.add("标志", "Flags", 13..14, flags(slice).join(", "));
    fields.add("窗口", "Window", 14..16, slice.window_size());
    let computed = slice.calc_checksum_ipv4(ip.source(), ip.destination()).unwrap_or_default();
    fields.add("校验和", "Checksum", 16..18, checksum(slice.checksum(), computed, OFFLOADED));
    fields.add("紧急指针", "Urgent pointer", 18..20, slice.urgent_pointer());
    if length > 20 {
        let options: Vec<_> = slice
            .options_iterator()
            .map_while(Result::ok)
            .map(|option| format!("{option:?}"))
            .collect();
        fields.add("选项", "Options", 20..length, options.join(", "));
    }
    fields.layer("传输层 TCP", "Transmission Control Protocol", length)
}

fn data(bytes: Range<usize>, frame: &[u8]) -> Layer {
    let content = &frame[bytes.clone()];
    let mut fields = Fields::new(bytes.start);
    fields.add("字节", "Bytes", 0..content.len(), hex::some_pairs(content, SHOWN));
    fields.add(
        "ASCII",
        "ASCII",
        0..content.len(),
        hex::ascii(&content[..content.len().min(SHOWN)]),
    );
    fields.layer("应用层 Data", "Data", content.len())
}

/// For whoever has an address as bytes.
impl Frame {
    /// Source and destination, if it carries IPv4.
    pub fn addresses(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let packet = SlicedPacket::from_ethernet(&self.bytes).ok()?;
        let NetSlice::Ipv4(slice) = packet.net? else { return None };
        Some((slice.header().source_addr(), slice.header().destination_addr()))
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
