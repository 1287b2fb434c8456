//! Content-Type from a file's name, and which types are worth compressing.

use std::collections::BTreeMap;

/// The Content-Type of a file: what is configured, else the table of `new_mime_guess`. Text is UTF-8.
pub fn of_file(path: &[u8], configured: &BTreeMap<String, String>) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension = extension.to_ascii_lowercase();
    if let Some(media_type) = configured.get(&extension) {
        return media_type.clone();
    }
    let guess = new_mime_guess::from_ext(&extension).first_or_octet_stream();
    let media_type = match guess.essence_str() {
        // The older name is obsolete (RFC 9239 §6).
        "application/javascript" => "text/javascript",
        media_type => media_type,
    };
    match has_charset(media_type) {
        true => format!("{media_type}; charset=utf-8"),
        false => media_type.to_owned(),
    }
}

/// Types whose registration has the parameter; JSON is always UTF-8 and has none (RFC 8259 §11).
fn has_charset(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || media_type.ends_with("+xml")
        || media_type == "application/xml"
}

/// Whether one of `patterns` (`text/*`, `*+json`, `application/json`) is about a Content-Type.
pub fn matches_any(content_type: &[u8], patterns: &[String]) -> bool {
    let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
    let essence = content_type[..end].trim_ascii();
    // An event stream is many small pieces, each of which must be seen at once.
    if essence.eq_ignore_ascii_case(b"text/event-stream") {
        return false;
    }
    patterns.iter().any(|pattern| {
        let pattern = pattern.as_bytes();
        match (pattern.strip_suffix(b"*"), pattern.strip_prefix(b"*")) {
            (Some(start), _) => {
                essence.len() > start.len() && essence[..start.len()].eq_ignore_ascii_case(start)
            }
            (_, Some(end)) => {
                essence.len() > end.len()
                    && essence[essence.len() - end.len()..].eq_ignore_ascii_case(end)
            }
            _ => essence.eq_ignore_ascii_case(pattern),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Compression;

    #[test]
    fn the_types_of_the_web() {
        // The IANA registrations; RFC 9239 for JavaScript, RFC 8081 for fonts.
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.xml", "application/xml; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.xhtml", "application/xhtml+xml; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.map", "application/json"),
            ("a.wasm", "application/wasm"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.ico", "image/vnd.microsoft.icon"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.otf", "font/otf"),
            ("a.mp3", "audio/mpeg"),
            ("a.ogg", "audio/ogg"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.pdf", "application/pdf"),
            ("a.zip", "application/zip"),
            ("a.gz", "application/gzip"),
            ("a", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("html", "application/octet-stream"),
            ("a.css/b", "application/octet-stream"),
        ] {
            assert_eq!(of_file(name.as_bytes(), &BTreeMap::new()), expected, "{name}");
        }
        let configured = BTreeMap::from([("md".to_owned(), "text/x-own".to_owned())]);
        assert_eq!(of_file(b"a.MD", &configured), "text/x-own");
    }

    #[test]
    fn what_is_compressed_already_is_left_alone() {
        let patterns = Compression::default().types;
        for text in
            ["text/html", "TEXT/HTML; charset=utf-8", "application/ld+json", "image/svg+xml"]
        {
            assert!(matches_any(text.as_bytes(), &patterns), "{text}");
        }
        for other in [
            "image/png",
            "font/woff2",
            "application/zip",
            "video/mp4",
            "text/event-stream",
            "",
            "text/",
        ] {
            assert!(!matches_any(other.as_bytes(), &patterns), "{other}");
        }
    }
}
