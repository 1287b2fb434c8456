//! What a request says about a file: its path, its preconditions, its ranges, its codings.

use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{OFlags, fstat};
use tenon::config::Limits;
use tenon::http::coding::{Accepted, Choice, Coding};
use tenon::http::conditional::{self, Outcome, Validators};
use tenon::http::head::{self, Head, Parsed};
use tenon::http::range::{self, Selection};
use tenon::static_files::beneath::Root;
use tenon::static_files::{multipart, path};

/// Takes a number off the front.
fn number(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk() {
        Some((number, rest)) => (u64::from_le_bytes(*number), rest),
        None => (bytes.len() as u64, &[]),
    }
}

/// What a Range field selects lies inside, is not empty, and no byte is selected twice.
pub fn range(bytes: &[u8]) {
    let (length, field) = number(bytes);
    let Selection::Parts(parts) = range::select(field, length) else { return };
    assert!((1..=16).contains(&parts.len()));
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= length), "{parts:?}");
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    assert!(sorted.windows(2).all(|pair| pair[0].end < pair[1].start), "{parts:?}");
}

/// The parts of a multipart body are those that were asked for, and not much more than them.
pub fn multipart(bytes: &[u8]) {
    let (length, field) = number(bytes);
    let Selection::Parts(ranges) = range::select(field, length) else { return };
    let (content_type, parts) = multipart::parts(&ranges, length, "text/plain");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=");
    let boundary = boundary.expect("the type of RFC 9110, section 14.6");
    assert!(boundary.len() <= 70, "RFC 2046, section 5.1.1");
    let (last, rest) = parts.split_last().expect("the end of the body");
    assert_eq!(last.before, format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!((rest.len(), last.length), (ranges.len(), 0));
    for (part, range) in rest.iter().zip(&ranges) {
        assert_eq!((part.offset, part.length), (range.start, range.end - range.start));
        let head = str::from_utf8(&part.before).expect("it is ASCII");
        let shown = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        assert!(head.ends_with(&format!("Content-Range: {shown}\r\n\r\n")), "{head}");
        assert!(part.before.len() < 256);
    }
}

const NAMES: [&str; 5] =
    ["if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "if-range"];

/// Fields of arbitrary values: each line is one, its first byte says which.
pub fn preconditions(bytes: &[u8]) {
    let mut request = b"GET / HTTP/1.1\r\nHost: h\r\n".to_vec();
    for line in bytes.split(|byte| *byte == b'\n').take(20) {
        let Some((which, value)) = line.split_first() else { continue };
        request.extend_from_slice(NAMES[usize::from(*which) % NAMES.len()].as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut parsed = Head::default();
    if head::parse(&mut request, &Limits::default(), &mut parsed) != Ok(Parsed::Complete) {
        return;
    }
    let has = |name| parsed.fields_named(&request, name).next().is_some();
    let current = Validators { etag: "\"abc\"", modified: 784_111_777 };
    let weak = Validators { etag: "W/\"abc\"", ..current };
    let now = current.modified + 60;
    for validators in [current, weak] {
        match conditional::evaluate(&parsed, &request, validators) {
            Outcome::Perform => {}
            Outcome::NotModified => assert!(has("if-none-match") || has("if-modified-since")),
            Outcome::Failed => assert!(has("if-match") || has("if-unmodified-since")),
        }
    }
    let applies = |validators| conditional::range_applies(&parsed, &request, validators, now);
    assert!(has("if-range") || (applies(current) && applies(weak)));
    // A weak tag is good for no range: only a date can hold for it, and for both alike.
    assert!(!applies(weak) || applies(current));
    // What is present cannot both be insisted on and be the reason to send nothing.
    if has("if-match") && conditional::evaluate(&parsed, &request, weak) != Outcome::Failed {
        assert!(parsed.fields_named(&request, "if-match").any(|value| value == b"*"));
    }
}

/// Nothing that is refused is chosen.
pub fn codings(bytes: &[u8]) {
    let values = || bytes.split(|byte| *byte == b'\n');
    let accepted = Accepted::read(values());
    let choice = accepted.choose(Coding::ALL.into_iter());
    assert_eq!(choice, Accepted::read(values()).choose(Coding::ALL.into_iter()));
    match choice {
        Choice::Identity => assert!(!accepted.refuses_identity()),
        Choice::Nothing => assert!(accepted.refuses_identity()),
        Choice::Coded(coding) => {
            assert!(!accepted.is_plain());
            let only = accepted.choose([coding].into_iter());
            assert_eq!(only, choice, "the best of all is the best of itself and the plain form");
            let name = coding.name().to_ascii_lowercase();
            let said = bytes.to_ascii_lowercase();
            let is_said = |text: &[u8]| said.windows(text.len()).any(|part| part == text);
            assert!(is_said(name.as_bytes()) || is_said(b"*"), "{coding:?}");
        }
    }
}

/// A tree with links inside, outside and in circles; the folder beside its root must stay unseen.
fn roots() -> &'static (Root, Root, u64) {
    static ROOTS: OnceLock<(Root, Root, u64)> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("there is room for a few files").keep();
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("a/b")).expect("the folder is new");
        std::fs::write(folder.join("secret"), "secret").expect("the folder is new");
        std::fs::write(root.join("f"), "file").expect("the folder is new");
        std::fs::write(root.join("a/b/f"), "file").expect("the folder is new");
        for (target, name) in [
            ("../secret", "s"),
            ("..", "u"),
            ("a/b", "l"),
            ("../../f", "a/b/r"),
            ("o", "o"),
            ("/", "t"),
            ("a/../../root/f", "z"),
        ] {
            std::os::unix::fs::symlink(target, root.join(name)).expect("the name is free");
        }
        let open = |path: &Path| Root::open(path).expect("the folder is there");
        let secret = std::fs::File::open(folder.join("secret")).expect("it was written");
        let inode = fstat(&secret).expect("it is open").st_ino;
        (open(&root), open(&root).walking(), inode)
    })
}

/// A path is decoded or refused, and what the kernel opens for it the walk opens too: never the
/// file outside. Raw bytes go the same way, as if nothing had checked them.
pub fn resolution(bytes: &[u8]) {
    let (kernel, walking, secret) = roots();
    let decoded = path::decode(bytes);
    if let Some(decoded) = &decoded {
        for segment in decoded.split(|byte| *byte == b'/') {
            assert!(!segment.starts_with(b".") || segment == b".well-known");
        }
        assert!(!bytes.starts_with(b"//") && !decoded.contains(&0) && !decoded.contains(&b'\\'));
    }
    for path in [decoded.as_deref(), Some(bytes)].into_iter().flatten() {
        let open = |root: &Root| {
            let file = root.open_beneath(path, OFlags::RDONLY).ok()?;
            Some(fstat(&file).expect("it is open").st_ino)
        };
        let (by_kernel, by_walk) = (open(kernel), open(walking));
        assert_eq!(by_kernel, by_walk, "{}", path.escape_ascii());
        assert_ne!(by_kernel, Some(*secret), "{}", path.escape_ascii());
    }
}
