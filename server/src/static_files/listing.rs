//! A folder as a page, where that is switched on: what may be fetched in it, and nothing else.

use std::os::fd::OwnedFd;

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{Dir, FileType, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::beneath::Root;
use crate::error_page::escape;
use crate::http::date;
use crate::http::response::Answer;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:4rem auto;\
padding:0 1rem;color-scheme:light dark}td{padding:0 1rem 0 0}td+td{text-align:right}";
/// Names shown, at most.
const MOST: usize = 10_000;
/// What need not be encoded in a segment of a path (RFC 3986 §3.3), and is no markup.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

struct Row {
    name: Vec<u8>,
    is_folder: bool,
    size: u64,
    /// In seconds since 1970.
    modified: u64,
}

/// The page for the folder at `path`, which ends in a slash or is empty.
///
/// # Errors
/// The folder cannot be read.
pub fn page(root: &Root, path: &[u8]) -> Result<Answer, Errno> {
    let folder = root.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let (mut rows, is_whole) = rows(root, path, folder)?;
    rows.sort_by(|a, b| (!a.is_folder, &a.name).cmp(&(!b.is_folder, &b.name)));
    let title = escape(&format!("/{}", String::from_utf8_lossy(path)));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n<table>\n"
    );
    if !path.is_empty() {
        html.push_str("<tr><td><a href=\"../\">../</a>\n");
    }
    for row in rows {
        let slash = if row.is_folder { "/" } else { "" };
        // `./`: a name with a colon is no scheme.
        let link = percent_encode(&row.name, SEGMENT);
        let name = escape(&String::from_utf8_lossy(&row.name));
        let size = if row.is_folder { String::new() } else { row.size.to_string() };
        let modified = date::at(row.modified);
        html.push_str(&format!(
            "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a><td>{size}<td>{modified}\n"
        ));
    }
    html.push_str("</table>\n");
    if !is_whole {
        html.push_str(&format!(
            "<p>There are more than {MOST} names; the rest is not shown.</p>\n"
        ));
    }
    // Should a name bring markup all the same, a browser does nothing with it.
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{style}'");
    Ok(Answer::page(200, html.into_bytes()).with("Content-Security-Policy", &policy))
}

/// Every name that a request could ask for; `false`: and there are more.
fn rows(root: &Root, path: &[u8], folder: OwnedFd) -> Result<(Vec<Row>, bool), Errno> {
    let mut rows = Vec::new();
    for entry in Dir::new(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") {
            continue;
        }
        if rows.len() == MOST {
            return Ok((rows, false));
        }
        // Opened as a request would: a link that leads outside is not there.
        let place = [path, name].concat();
        let Ok(file) = root.open_beneath(&place, OFlags::PATH) else { continue };
        let stat = rustix::fs::fstat(&file)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::RegularFile || kind == FileType::Directory {
            rows.push(Row {
                name: name.to_vec(),
                is_folder: kind == FileType::Directory,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified: u64::try_from(stat.st_mtime).unwrap_or(0),
            });
        }
    }
    Ok((rows, true))
}
