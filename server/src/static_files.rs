//! Static files: a path under the root folder into an answer.
//!
//! The kernel resolves the path beneath the root's descriptor (openat2(2), `RESOLVE_BENEATH`), so
//! that neither `..` nor a symbolic link nor a race leads out of it. Only regular files are served,
//! and nothing whose name begins with a dot, but for `/.well-known/` (RFC 8615).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error_page;
use crate::http::head::Head;
use crate::http::response::{Answer, AnswerBody};

/// Files up to this size are read into memory, to leave in one write with their head.
const SMALL: u64 = 32 * 1024;
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What a folder shows.
const INDEX: &str = "index.html";

pub struct StaticFiles {
    /// None: there is no such folder, and so no file.
    root: Option<OwnedFd>,
}

/// Why there is nothing to serve.
enum Refusal {
    NotFound,
    Forbidden,
    /// No descriptors or memory left.
    Exhausted,
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Exhausted,
            _ => Self::NotFound,
        }
    }
}

impl StaticFiles {
    /// A root that does not exist is one without files.
    ///
    /// # Errors
    /// The root cannot be opened, or the kernel (before 5.6) cannot resolve beneath it.
    pub fn open(root: &Path) -> std::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let describe = |error: Errno| {
            let text = format!("cannot serve the files in {}: {error}", root.display());
            std::io::Error::new(error.kind(), text)
        };
        match rustix::fs::open(root, flags, Mode::empty()) {
            Ok(descriptor) => {
                open_beneath(&descriptor, b".").map_err(describe)?;
                Ok(Self { root: Some(descriptor) })
            }
            Err(Errno::NOENT) => Ok(Self { root: None }),
            Err(error) => Err(describe(error)),
        }
    }

    /// Answers a request whose head was parsed from `bytes`.
    pub fn serve(&self, head: &Head, bytes: &[u8]) -> Answer {
        match head.method.of(bytes) {
            b"GET" | b"HEAD" => {}
            b"OPTIONS" => return Answer::empty(204).with("Allow", METHODS),
            _ => return page(405).with("Allow", METHODS),
        }
        match self.find(head, bytes) {
            Ok(answer) => answer,
            Err(Refusal::NotFound) => page(404),
            Err(Refusal::Forbidden) => page(403),
            Err(Refusal::Exhausted) => page(503),
        }
    }

    fn find(&self, head: &Head, bytes: &[u8]) -> Result<Answer, Refusal> {
        let root = self.root.as_ref().ok_or(Refusal::NotFound)?;
        let sent = head.path.of(bytes);
        let path = decode(sent).ok_or(Refusal::NotFound)?;
        let is_folder = path.ends_with(b"/");
        let relative = match &path[1..] {
            [] => INDEX.as_bytes().to_vec(),
            rest if is_folder => [rest, INDEX.as_bytes()].concat(),
            rest => rest.to_vec(),
        };
        let file = open_beneath(root, &relative)?;
        let stat = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => whole_file(file, &stat, &relative, head, bytes),
            FileType::Directory if !is_folder => Ok(to_folder(sent, head.query.of(bytes))),
            _ => Err(Refusal::NotFound),
        }
    }
}

/// The path once decoded; `None` if it is one that no file may have.
fn decode(sent: &[u8]) -> Option<Vec<u8>> {
    // An encoded slash is not a slash: RFC 3986 §2.2.
    if sent.first() != Some(&b'/') || sent.windows(3).any(|w| w.eq_ignore_ascii_case(b"%2f")) {
        return None;
    }
    let path: Vec<u8> = percent_decode(sent).collect();
    if path.iter().any(|byte| matches!(byte, b'\\' | ..b' ' | 0x7f)) {
        return None;
    }
    let mut segments = path[1..].split(|byte| *byte == b'/').peekable();
    let mut is_first = true;
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let is_hidden = segment.starts_with(b".") && !(is_first && segment == b".well-known");
        if is_hidden || (segment.is_empty() && !is_last) {
            return None;
        }
        is_first = false;
    }
    Some(path)
}

fn open_beneath(root: &OwnedFd, path: &[u8]) -> Result<OwnedFd, Errno> {
    // A FIFO would wait for a writer without NONBLOCK.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let mut attempts = 0;
    loop {
        match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
            // Something was renamed meanwhile, or a signal came (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) if attempts < 8 => attempts += 1,
            result => return result,
        }
    }
}

fn whole_file(
    file: OwnedFd,
    stat: &Stat,
    path: &[u8],
    head: &Head,
    bytes: &[u8],
) -> Result<Answer, Refusal> {
    let size = u64::try_from(stat.st_size).map_err(|_| Refusal::NotFound)?;
    let etag =
        format!("\"{:x}-{size:x}-{:x}.{:x}\"", stat.st_ino, stat.st_mtime, stat.st_mtime_nsec);
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let modified = UNIX_EPOCH + Duration::from_secs(seconds);
    let code = if is_current(head, bytes, &etag, modified) { 304 } else { 200 };
    let answer = Answer::empty(code)
        .with("ETag", &etag)
        .with("Last-Modified", &httpdate::fmt_http_date(modified));
    if code == 304 {
        return Ok(answer);
    }
    let body = match size {
        0 => AnswerBody::Empty,
        1..=SMALL => AnswerBody::Bytes(read_whole(&file, size)?),
        _ => AnswerBody::File { fd: file, offset: 0, length: size },
    };
    Ok(Answer { body, ..answer.with("Content-Type", &content_type(path)) })
}

fn read_whole(file: &OwnedFd, size: u64) -> Result<Vec<u8>, Refusal> {
    let mut content = vec![0; size as usize];
    let mut filled = 0;
    while filled < content.len() {
        match rustix::io::pread(file, &mut content[filled..], filled as u64) {
            // It has become shorter meanwhile.
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    content.truncate(filled);
    Ok(content)
}

/// The client has it already (RFC 9110 §13.1.2, §13.1.3, in the order of §13.2.2).
fn is_current(head: &Head, bytes: &[u8], etag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = head.field(bytes, "if-none-match") {
        let mut tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        return tags
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes());
    }
    let since = head.field(bytes, "if-modified-since").and_then(|text| str::from_utf8(text).ok());
    let since = since.and_then(|text| httpdate::parse_http_date(text).ok());
    since.is_some_and(|since| modified <= since)
}

fn content_type(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    let guess = mime_guess::from_path(&*path).first_or_octet_stream();
    let is_text = guess.type_() == "text"
        || matches!(guess.subtype().as_str(), "javascript" | "json" | "xml")
        || guess.suffix().is_some_and(|suffix| suffix == "xml" || suffix == "json");
    if is_text { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.to_string() }
}

/// A folder's address ends in a slash, or the links in its page would lead elsewhere.
fn to_folder(path: &[u8], query: &[u8]) -> Answer {
    let mut location = String::from_utf8_lossy(path).into_owned() + "/";
    if !query.is_empty() {
        location.push('?');
        location.push_str(&String::from_utf8_lossy(query));
    }
    page(301).with("Location", &location)
}

fn page(code: u16) -> Answer {
    Answer::page(code, error_page::page(code, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::http::head;

    fn ask(files: &StaticFiles, line: &str, fields: &str) -> Answer {
        let mut bytes = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes();
        let mut head = Head::default();
        head::parse(&mut bytes, &Limits::default(), &mut head).unwrap();
        files.serve(&head, &bytes)
    }

    fn encode(answer: &Answer) -> String {
        let mut out = Vec::new();
        answer.head.encode_interim_into(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn folder() -> (tempfile::TempDir, StaticFiles) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("html");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("index.html"), "index").unwrap();
        std::fs::write(root.join("sub/a b.js"), "1").unwrap();
        std::fs::write(root.join(".hidden"), "secret").unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        std::os::unix::fs::symlink("../outside", root.join("leak")).unwrap();
        std::os::unix::fs::symlink("index.html", root.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let files = StaticFiles::open(&root).unwrap();
        (folder, files)
    }

    #[test]
    fn files_and_folders() {
        let (_folder, files) = folder();
        let index = ask(&files, "GET /?x", "");
        assert!(matches!(index.body, AnswerBody::Bytes(ref bytes) if bytes == b"index"));
        assert!(encode(&index).contains("Content-Type: text/html; charset=utf-8\r\n"));
        let script = encode(&ask(&files, "GET /sub/a%20b.js", ""));
        assert!(script.contains("javascript; charset=utf-8\r\n"), "{script}");
        assert_eq!(ask(&files, "GET /link", "").head.status(), 200);
        let redirect = ask(&files, "GET /sub?q=1", "");
        assert_eq!(redirect.head.status(), 301);
        assert!(encode(&redirect).contains("Location: /sub/?q=1\r\n"));
    }

    #[test]
    fn nothing_else_is_served() {
        let (_folder, files) = folder();
        for path in [
            "/none",
            "/.hidden",
            "/sub/",
            "/leak",
            "/fifo",
            "/../outside",
            "/sub/../../outside",
            "/%2e%2e/outside",
            "/sub%2f..%2f..%2foutside",
            "/index.html/",
            "//index.html",
            "/index.html%00",
            "/sub%5ca",
            "/./index.html",
        ] {
            assert_eq!(ask(&files, &format!("GET {path}"), "").head.status(), 404, "{path}");
        }
        let post = ask(&files, "POST /", "");
        assert_eq!(post.head.status(), 405);
        assert!(encode(&post).contains("Allow: GET, HEAD, OPTIONS\r\n"));
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let (_folder, files) = folder();
        let answer = encode(&ask(&files, "GET /", ""));
        let value = |name: &str| {
            let line = answer.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once(": ").unwrap().1.to_owned()
        };
        let status = |fields: String| ask(&files, "GET /", &fields).head.status();
        assert_eq!(status(format!("If-None-Match: \"x\", W/{}\r\n", value("ETag"))), 304);
        assert_eq!(status(format!("If-Modified-Since: {}\r\n", value("Last-Modified"))), 304);
        let old = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert_eq!(status(old.to_owned()), 200);
        let both =
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {}\r\n", value("Last-Modified"));
        assert_eq!(status(both), 200);
    }
}
