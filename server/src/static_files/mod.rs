//! Static files: a path under the root folder into an answer.
//!
//! 1. `path`: the request's path as text, decoded and checked.
//! 2. `cache`: it may be at hand already.
//! 3. `beneath`: opened, and never outside the root.
//! 4. `entry`: what there is to be said about it; `media_type` is a part of that.
//! 5. `reply`: which form of it is sent (`made` has those that are compressed on the fly), whether
//!    the client has it already, and which part it wants (`multipart`).
//!
//! A folder without an index may show what is in it (`listing`).

pub mod beneath;
mod cache;
mod entry;
mod listing;
mod made;
pub mod media_type;
pub mod multipart;
pub mod path;
mod reply;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::config::Config;
use crate::error_page;
use crate::http::head::Head;
use crate::http::response::Answer;
use beneath::Root;
use cache::{Cache, Found, Limits};
use entry::{Entry, Place};

const METHODS: &str = "GET, HEAD, OPTIONS";
/// Descriptors that the cache may hold, as a part of those the process may have.
const SHARE: u64 = 4;

pub struct StaticFiles {
    /// None: there is no such folder, and so no file.
    root: Option<Root>,
    config: Config,
    is_dev: bool,
    cache: Cache,
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
    /// A root that does not exist is one without files. `is_dev`: a change is seen at once.
    ///
    /// # Errors
    /// The root cannot be opened.
    pub fn open(config: &Config, is_dev: bool) -> std::io::Result<Self> {
        let root = match Root::open(&config.html) {
            // Plugins are there to be run, not to be read.
            Ok(root) => Some(root.without(&config.html, &config.plugins)),
            Err(Errno::NOENT) => None,
            Err(error) => {
                let text = format!("cannot serve the files in {}: {error}", config.html.display());
                return Err(std::io::Error::new(error.kind(), text));
            }
        };
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / SHARE;
        let limits = Limits {
            entries: config.files.open,
            bytes: config.files.memory,
            descriptors: usize::try_from(descriptors).unwrap_or(usize::MAX),
        };
        Ok(Self { root, config: config.clone(), is_dev, cache: Cache::new(limits, is_dev) })
    }

    /// Answers a request whose head was parsed from `bytes`. `before_work` is called before what
    /// may take long.
    pub fn serve(&self, head: &Head, bytes: &[u8], before_work: &dyn Fn()) -> Answer {
        match head.method.of(bytes) {
            b"GET" | b"HEAD" => {}
            b"OPTIONS" => return Answer::empty(204).with("Allow", METHODS),
            b"POST" | b"PUT" | b"DELETE" | b"PATCH" | b"TRACE" => {
                return page(405).with("Allow", METHODS);
            }
            // A method that nobody knows here (RFC 9110 §9.1).
            _ => return page(501).with("Allow", METHODS),
        }
        match self.find(head, bytes, before_work) {
            Ok(answer) => answer,
            Err(Refusal::NotFound) => page(404),
            Err(Refusal::Forbidden) => page(403),
            Err(Refusal::Exhausted) => page(503).with("Retry-After", "1"),
        }
    }

    /// Called now and then: lets go of files that nobody asks for.
    pub fn tidy(&self) {
        self.cache.tidy();
    }

    fn find(&self, head: &Head, bytes: &[u8], before_work: &dyn Fn()) -> Result<Answer, Refusal> {
        let root = self.root.as_ref().ok_or(Refusal::NotFound)?;
        let sent = head.path.of(bytes);
        let path = path::decode(sent).ok_or(Refusal::NotFound)?;
        let is_folder = path.is_empty() || path.ends_with(b"/");
        let entry = match self.entry(root, &path, is_folder) {
            Ok(entry) => entry,
            Err(Errno::ISDIR) if !is_folder => return Ok(to_folder(sent, head.query.of(bytes))),
            Err(Errno::NOENT | Errno::ISDIR) if is_folder && self.config.files.listing => {
                before_work();
                return Ok(listing::page(root, &path)?);
            }
            Err(error) => return Err(error.into()),
        };
        let cache = &self.cache;
        Ok(reply::answer(&reply::Request { head, bytes, entry: &entry, cache, before_work }))
    }

    /// What is known of the file for a path, or of the index of the folder there.
    fn entry(&self, root: &Root, path: &[u8], is_folder: bool) -> Result<Arc<Entry>, Errno> {
        let stale = match self.cache.find(path) {
            Found::Fresh(entry) if entry.is_untouched() => return Ok(entry),
            Found::Fresh(entry) | Found::Stale(entry) => Some(entry),
            Found::Nothing => None,
        };
        let place = match self.locate(root, path, is_folder) {
            // What the cache holds open is worth less than this request.
            Err(Errno::MFILE | Errno::NFILE) => {
                self.cache.clear();
                self.locate(root, path, is_folder)
            }
            place => place,
        };
        let place = match place {
            Ok(place) => place,
            Err(error) => {
                if stale.is_some() {
                    self.cache.forget(path);
                }
                return Err(error);
            }
        };
        if let Some(entry) = stale
            && entry.is_current(root, &place, &self.config)
        {
            return Ok(entry);
        }
        let account = &self.cache.account;
        let entry = Arc::new(Entry::describe(root, place, &self.config, self.is_dev, account)?);
        if self.config.files.open > 0 {
            self.cache.keep(path, &entry);
        }
        Ok(entry)
    }

    fn locate(&self, root: &Root, path: &[u8], is_folder: bool) -> Result<Place, Errno> {
        if !is_folder {
            return Place::open(root, path.to_vec());
        }
        for name in &self.config.files.index {
            match Place::open(root, [path, name.as_bytes()].concat()) {
                Err(Errno::NOENT | Errno::ISDIR) => {}
                result => return result,
            }
        }
        Err(Errno::NOENT)
    }
}

/// A folder's address ends in a slash, or the links in its page would lead elsewhere. The path has
/// passed `path::decode`: it does not begin with two slashes, which would name another host.
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
