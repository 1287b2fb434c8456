//! What can be configured about static files and about compression: `[files]` and `[compression]`.
//!
//! The same types are read from the file and handed to workers, so each value checks itself.

use std::collections::BTreeMap;

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use super::quantity::Size;
use crate::http::coding::Coding;

/// Files kept open, at most: each may hold four descriptors.
const MOST_OPEN: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// What a folder shows: the first of these names that it has.
    #[serde(deserialize_with = "names")]
    pub index: Vec<String>,
    /// A folder without an index shows what is in it.
    pub listing: bool,
    /// `page.html.br`, `.zst` and `.gz` are sent in the place of `page.html` to who takes them.
    pub precompressed: bool,
    /// Files kept open or in memory in each worker; 0: none.
    #[serde(deserialize_with = "open_files")]
    pub open: usize,
    /// Content of small files, and compressed ones, kept in memory in each worker, in bytes.
    #[serde(deserialize_with = "size")]
    pub memory: usize,
    /// Media types by extension, before the built-in table.
    #[serde(deserialize_with = "types")]
    pub types: BTreeMap<String, String>,
    /// The first rule that matches gives Cache-Control.
    pub cache_control: Vec<CacheRule>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            index: vec!["index.html".to_owned()],
            listing: false,
            precompressed: true,
            open: 1_000,
            memory: 16 * 1024 * 1024,
            types: BTreeMap::new(),
            cache_control: Vec::new(),
        }
    }
}

/// Which files, and what caches may do with them (RFC 9111 §5.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheRule {
    /// Whole segments of the path.
    #[serde(default, deserialize_with = "prefix")]
    pub prefix: Option<String>,
    /// Without the dot; none: all.
    #[serde(default, deserialize_with = "extensions")]
    pub extensions: Vec<String>,
    #[serde(deserialize_with = "directives")]
    pub value: String,
}

impl CacheRule {
    /// Whether it is about the file at `path`, a decoded path without the slash in front.
    pub fn matches(&self, path: &[u8]) -> bool {
        let is_below = |prefix: &str| {
            let prefix = prefix.trim_matches('/').as_bytes();
            path.strip_prefix(prefix)
                .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
        };
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let has_extension = |extension: &String| {
            let (extension, length) = (extension.as_bytes(), extension.len());
            name.len() > length + 1
                && name[name.len() - length - 1] == b'.'
                && name[name.len() - length..].eq_ignore_ascii_case(extension)
        };
        self.prefix.as_deref().is_none_or(is_below)
            && (self.extensions.is_empty() || self.extensions.iter().any(has_extension))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compression {
    /// What is made on the fly, the first preferred among what a client likes equally; empty: none.
    pub codings: Vec<Coding>,
    /// Shorter bodies stay as they are, in bytes.
    #[serde(deserialize_with = "size")]
    pub min_size: usize,
    /// What is worth it: media types, `text/*`, `*+json`.
    #[serde(deserialize_with = "patterns")]
    pub types: Vec<String>,
    /// Answers of one worker that are compressed while they are sent; further ones are not.
    pub streams: usize,
}

impl Default for Compression {
    fn default() -> Self {
        let types = [
            "text/*",
            "*+json",
            "*+xml",
            "application/javascript",
            "application/json",
            "application/manifest+json",
            "application/rtf",
            "application/toml",
            "application/vnd.ms-fontobject",
            "application/wasm",
            "application/x-ndjson",
            "application/x-sh",
            "application/xml",
            "application/yaml",
            "font/otf",
            "font/ttf",
            "image/bmp",
            "image/vnd.microsoft.icon",
            "image/x-icon",
        ];
        Self {
            codings: vec![Coding::Brotli, Coding::Zstd, Coding::Gzip],
            min_size: 1024,
            types: types.map(str::to_owned).to_vec(),
            streams: 256,
        }
    }
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &str,
    is_valid: impl Fn(&str) -> bool,
) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    match texts.iter().find(|text| !is_valid(text)) {
        Some(wrong) => Err(Error::custom(format!("found {wrong:?}, expected {expected}"))),
        None => Ok(texts),
    }
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(deserializer, "the name of a file, not hidden", |name| {
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
    })
}

fn extensions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(deserializer, "an extension such as \"css\", without the dot", is_extension)
}

fn is_extension(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && !text.contains('/')
}

fn patterns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    checked(deserializer, "a media type, \"text/*\" or \"*+json\"", |text| {
        text.starts_with("*+")
            || text.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty())
    })
}

fn types<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let types = BTreeMap::<String, String>::deserialize(deserializer)?;
    for (extension, media_type) in &types {
        let is_printable = media_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_extension(extension) || !is_printable || !media_type.contains('/') {
            return Err(Error::custom(format!(
                "found {extension:?} = {media_type:?}, expected an extension without the dot and a \
                 media type such as \"text/markdown\""
            )));
        }
    }
    Ok(types.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text {
        Some(text) if !text.starts_with('/') => {
            Err(Error::custom(format!("found {text:?}, expected a path such as \"/assets\"")))
        }
        text => Ok(text),
    }
}

/// Names of directives, some with a value (RFC 9111 §5.2).
fn directives<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_directive = |text: &str| {
        let (name, value) = text.split_once('=').unwrap_or((text, "0"));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let value = value.strip_prefix('"').map_or(value, |value| value.trim_end_matches('"'));
        !name.is_empty()
            && name.bytes().all(is_name)
            && !value.is_empty()
            && value.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~'))
    };
    if text.split(',').all(|part| is_directive(part.trim())) {
        return Ok(text);
    }
    Err(Error::custom(format!(
        "found {text:?}, expected directives such as \"public, max-age=3600\""
    )))
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let Size(bytes) = Size::deserialize(deserializer)?;
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn open_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let count = usize::deserialize(deserializer)?;
    if count <= MOST_OPEN {
        return Ok(count);
    }
    Err(Error::custom(format!("found {count}, expected a number from 0 to {MOST_OPEN}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_rule_is_about_whole_segments_and_extensions() {
        let rule = |prefix: Option<&str>, extensions: &[&str]| CacheRule {
            prefix: prefix.map(str::to_owned),
            extensions: extensions.iter().map(|text| (*text).to_owned()).collect(),
            value: "no-cache".to_owned(),
        };
        let assets = rule(Some("/assets"), &["css", "tar.gz"]);
        for path in ["assets/a.css", "assets/b/c.CSS", "assets/x.tar.gz"] {
            assert!(assets.matches(path.as_bytes()), "{path}");
        }
        for path in ["assets2/a.css", "a.css", "assets/a.js", "assets/css", "assets/.css"] {
            assert!(!assets.matches(path.as_bytes()), "{path}");
        }
        assert!(rule(None, &[]).matches(b"anything"));
        assert!(rule(Some("/"), &[]).matches(b"anything"));
        assert!(rule(Some("/assets/"), &[]).matches(b"assets/x"));
    }

    #[test]
    fn what_workers_get_is_what_was_read() {
        let files = Files {
            types: BTreeMap::from([("md".to_owned(), "text/markdown".to_owned())]),
            cache_control: vec![CacheRule {
                prefix: Some("/a".to_owned()),
                extensions: vec!["js".to_owned()],
                value: "public, max-age=60".to_owned(),
            }],
            ..Files::default()
        };
        let json = serde_json::to_string(&files).unwrap();
        assert_eq!(serde_json::from_str::<Files>(&json).unwrap(), files);
        let json = serde_json::to_string(&Compression::default()).unwrap();
        assert_eq!(serde_json::from_str::<Compression>(&json).unwrap(), Compression::default());
    }
}
