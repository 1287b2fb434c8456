//! Made inputs, valid ones and nearly valid ones: the same bytes give the same result over any number
//! of reads, and a valid request gives what it was made of.

use fuzz::body::{Decoded, decode_in_pieces};
use fuzz::head::{agrees, limits, parse_in_pieces};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tenon::http::head::Framing;

/// Where reads end: anywhere, and at the end of the bytes.
fn ends(cuts: &[Index], length: usize) -> Vec<usize> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    ends.push(length);
    ends.sort_unstable();
    ends
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..12)
}

/// Mostly one of the good ones; all good ones make something valid only now and then.
fn nearly(
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> impl Strategy<Value = &'static str> {
    prop_oneof![30 => select(good), 1 => select(bad)]
}

fn line_end() -> impl Strategy<Value = &'static str> {
    nearly(&["\r\n"], &["\n", "\r", "\r\r\n", "\n\r", "", "\r\n "])
}

fn request_line() -> impl Strategy<Value = String> {
    let before = nearly(&["", "", "\r\n", "\r\n\r\n"], &["\n", "\r", " ", "\r\n\r\n\r\n\r\n\r\n"]);
    let method = nearly(&["GET", "POST", "OPTIONS", "brew"], &["", "G(T", "CONNECT", "\u{16}"]);
    let target = nearly(
        &["/", "/a.py?x", "http://t/a", "*", "/%41/..%2f"],
        &["", "a", "/%", "/#", "http://u/", "https://t/", "/\u{e4}", "/a b", "/\0"],
    );
    let version = nearly(
        &["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.7"],
        &["HTTP/2.0", "HTTP/1.10", "http/1.1", "", "HTTP/1.1 "],
    );
    let space = || nearly(&[" "], &["", "  ", "\t"]);
    (before, method, space(), target, space(), version, line_end()).prop_map(
        |(before, method, first, target, second, version, end)| {
            format!("{before}{method}{first}{target}{second}{version}{end}")
        },
    )
}

fn field() -> impl Strategy<Value = String> {
    let line = nearly(
        &[
            "X: y",
            "X:",
            "x-y:\t z \t",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Connection: close, x",
            "Connection: upgrade",
            "Upgrade: h2c",
            "Expect: 100-continue",
        ],
        &[
            "Host: t",
            "X : y",
            " X: y",
            ": y",
            "X",
            "X: \0",
            "X: a\rb",
            "Content-Length: +5",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: chunked, gzip",
            "Expect: x",
        ],
    );
    (line, line_end()).prop_map(|(line, end)| format!("{line}{end}"))
}

/// A head as clients send it, or with something wrong, and what comes behind it.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let host = nearly(&["Host: t\r\n"], &["", "Host: t u\r\n", "Host:\r\n", "HOST : t\r\n"]);
    let rest = vec(any::<u8>(), 0..30);
    (request_line(), host, vec(field(), 0..5), line_end(), rest).prop_map(
        |(line, host, fields, end, rest)| {
            [format!("{line}{host}{}{end}", fields.concat()).into_bytes(), rest].concat()
        },
    )
}

fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        30 => Just(None),
        1 => select(&["", "g", "-1", "0x2", "+2", " 2", "2 ", "ffffffffffffffff", "999"][..]).prop_map(Some)
    ];
    let extension = nearly(
        &["", "", ";a", ";a=\"b;\\\"\"", " \t;x=y"],
        &[" x", ";\n", ";\0", ";a=\"\r\n\"", ";a\rb"],
    );
    (vec(any::<u8>(), 1..40), size, extension, line_end(), line_end()).prop_map(
        |(data, size, extension, first, second)| {
            let size = size.map_or_else(|| format!("{:x}", data.len()), str::to_owned);
            [format!("{size}{extension}{first}").as_bytes(), &data, second.as_bytes()].concat()
        },
    )
}

/// A chunked body, or nearly one, and what comes behind it.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let last = nearly(&["0", "000", "0;x"], &["", "0 ", "00000000000000000"]);
    let trailers = nearly(
        &["", "", "X: y\r\n", "X:\r\nY: z\r\n"],
        &["X\r\n", " X: y\r\n", ": y\r\n", "X: \0\r\n", "X: y\n"],
    );
    let rest = vec(any::<u8>(), 0..30);
    (vec(chunk(), 0..5), last, line_end(), trailers, line_end(), rest).prop_map(
        |(chunks, last, end, trailers, empty, rest)| {
            let end = format!("{last}{end}{trailers}{empty}");
            [chunks.concat(), end.into_bytes(), rest].concat()
        },
    )
}

fn config() -> ProptestConfig {
    // What is found belongs into the corpus, in plain sight.
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_split_gives_the_same_head(bytes in head(), cuts in cuts()) {
        let whole = parse_in_pieces(&bytes, &[bytes.len()]);
        prop_assert_eq!(&whole, &parse_in_pieces(&bytes, &ends(&cuts, bytes.len())));
        let single: Vec<_> = (1..=bytes.len()).collect();
        prop_assert_eq!(&whole, &parse_in_pieces(&bytes, &single), "byte by byte");
        if let Some(Ok(parts)) = &whole {
            agrees(parts, &bytes);
        }
    }

    #[test]
    fn a_valid_head_gives_what_it_was_made_of(
        path in "/[a-z0-9._~-]{0,20}",
        fields in vec(("[A-Za-z]{1,10}-x", "[ -~\u{e4}\t]{0,20}"), 0..12),
        rest in vec(any::<u8>(), 0..30),
        cuts in cuts(),
    ) {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let text = format!("GET {path} HTTP/1.1\r\nHost: t\r\n{lines}\r\n");
        let bytes = [text.as_bytes(), &rest].concat();
        let outcome = parse_in_pieces(&bytes, &ends(&cuts, bytes.len()));
        let parts = outcome.expect("it is whole").expect("it is valid");
        prop_assert!(text.len() < limits().head);
        prop_assert_eq!((parts.length, parts.framing), (text.len(), Framing::None));
        prop_assert_eq!(parts.path, path.into_bytes());
        let host = ("Host".to_owned(), "t".to_owned());
        let expected: Vec<_> = std::iter::once(&host)
            .chain(&fields)
            .map(|(name, value)| {
                let value = value.trim_matches([' ', '\t']);
                (name.to_ascii_lowercase().into_bytes(), value.as_bytes().to_vec())
            })
            .collect();
        prop_assert_eq!(parts.fields, expected);
    }

    #[test]
    fn any_split_gives_the_same_body(bytes in body(), length in 0..300u64, cuts in cuts()) {
        let ends = ends(&cuts, bytes.len());
        let single: Vec<_> = (1..=bytes.len()).collect();
        for framing in [Framing::Chunked, Framing::Length(length)] {
            let whole = decode_in_pieces(framing, &bytes, &[bytes.len()]);
            prop_assert_eq!(&whole, &decode_in_pieces(framing, &bytes, &ends));
            prop_assert_eq!(&whole, &decode_in_pieces(framing, &bytes, &single), "byte by byte");
        }
    }

    #[test]
    fn a_valid_body_gives_its_chunks(
        chunks in vec((vec(any::<u8>(), 1..40), "(;[a-z]{1,5}(=([a-z]{1,5}|\"[ -!#-\\[\\]-~]{0,9}\"))?){0,2}"), 0..7),
        trailers in "([A-Za-z]{1,9}:[ -~\t]{0,9}\r\n){0,3}",
        rest in vec(any::<u8>(), 0..30),
        cuts in cuts(),
    ) {
        let mut bytes = Vec::new();
        for (data, extension) in &chunks {
            bytes.extend(format!("{:x}{extension}\r\n", data.len()).into_bytes());
            bytes.extend(data);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("0\r\n{trailers}\r\n").into_bytes());
        let used = bytes.len();
        bytes.extend(rest);
        let body: Vec<u8> = chunks.into_iter().flat_map(|(data, _)| data).collect();
        let decoded = decode_in_pieces(Framing::Chunked, &bytes, &ends(&cuts, bytes.len()));
        prop_assert_eq!(decoded, Ok(Decoded { body, used, is_whole: true }));
    }
}
