//! A file that was looked up: its content, open or in memory, and all that is said about it. Made
//! once, then shared by the requests that ask for it while it does not change.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::beneath::Root;
use super::cache::{Account, Charge};
use super::made::Made;
use super::media_type;
use crate::config::Config;
use crate::http::coding::Coding;
use crate::http::conditional::Validators;
use crate::http::date;
use crate::http::response::ResponseHead;

/// Files up to this size are kept in memory, to leave in one write with their head.
const SMALL: u64 = 32 * 1024;
/// A file that was changed so shortly ago may change again without a sign of it: the times of files
/// advance in steps.
const SETTLED: Duration = Duration::from_millis(100);
/// Attempts to read a file that changes meanwhile.
const ATTEMPTS: usize = 3;

/// What changes when a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Cannot be set back, as the time of modification can.
    changed: (i64, i64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }

    /// A strong entity tag (RFC 9110 §8.8.3). Hashed, because inode numbers are nobody's business.
    fn etag(&self) -> String {
        let numbers = [
            self.device,
            self.inode,
            self.size,
            self.modified.0 as u64,
            self.modified.1 as u64,
            self.changed.0 as u64,
            self.changed.1 as u64,
        ];
        let mut hash = Sha256::new();
        numbers.iter().for_each(|number| hash.update(number.to_le_bytes()));
        let digits = hash.finalize().iter().take(12).fold(String::new(), |mut digits, byte| {
            digits.push_str(&format!("{byte:02x}"));
            digits
        });
        format!("\"{digits}\"")
    }

    /// In seconds since 1970.
    fn modified_second(&self) -> u64 {
        u64::try_from(self.modified.0).unwrap_or(0)
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let at = |(seconds, nanoseconds): (i64, i64)| {
            let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            UNIX_EPOCH + seconds + Duration::from_nanos(nanoseconds as u64)
        };
        let last = at(self.modified).max(at(self.changed));
        now.duration_since(last).is_ok_and(|age| age > SETTLED)
    }
}

#[derive(Clone, Debug)]
pub enum Content {
    Memory(Bytes),
    File(Arc<OwnedFd>),
}

/// The heads of a representation's answers, but for what depends on the request.
#[derive(Clone, Debug)]
pub struct Heads {
    pub ok: Arc<ResponseHead>,
    pub not_modified: Arc<ResponseHead>,
}

/// One form of the file: as it is, or coded.
#[derive(Debug)]
pub struct Representation {
    pub content: Content,
    /// The state of the file that it is a form of.
    pub stamp: Stamp,
    pub length: u64,
    pub etag: String,
    pub heads: Heads,
    /// What it takes of the cache, given back when it is dropped.
    pub _charge: Charge,
}

impl Representation {
    pub fn is_untouched(&self) -> bool {
        match &self.content {
            Content::Memory(_) => true,
            Content::File(file) => {
                rustix::fs::fstat(file).is_ok_and(|stat| Stamp::of(&stat) == self.stamp)
            }
        }
    }
}

#[derive(Debug)]
pub struct Entry {
    path: Vec<u8>,
    is_settled: bool,
    pub facts: Facts,
    pub plain: Representation,
    /// Files beside it with a coded form, by coding.
    siblings: [Option<Representation>; Coding::ALL.len()],
    /// What is made of it on the fly.
    pub made: Made,
}

/// What is said about a file in all its forms.
#[derive(Debug)]
pub struct Facts {
    pub content_type: String,
    /// In seconds since 1970.
    pub modified: u64,
    /// Not if it lies in the future: RFC 9110 §8.8.2.1.
    shows_modified: bool,
    pub cache_control: Option<String>,
    /// Which form is sent depends on Accept-Encoding.
    pub varies: bool,
}

/// A regular file, open, and where it lies below the root.
pub struct Place {
    path: Vec<u8>,
    file: OwnedFd,
    stamp: Stamp,
}

impl Place {
    /// # Errors
    /// It cannot be opened beneath the root; NOENT also for what is no regular file, ISDIR for
    /// folders.
    pub fn open(root: &Root, path: Vec<u8>) -> Result<Self, Errno> {
        let file = root.open_beneath(&path, OFlags::RDONLY)?;
        let stat = rustix::fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Self { stamp: Stamp::of(&stat), path, file }),
            FileType::Directory => Err(Errno::ISDIR),
            _ => Err(Errno::NOENT),
        }
    }

    /// The content of a small file, with the stamp that belongs to it; `None` if it is not small,
    /// or does not hold still.
    fn read(&mut self) -> Result<Option<Bytes>, Errno> {
        for _ in 0..ATTEMPTS {
            if self.stamp.size > SMALL {
                return Ok(None);
            }
            let content = read_whole(&self.file, self.stamp.size as usize)?;
            let stamp = Stamp::of(&rustix::fs::fstat(&self.file)?);
            if stamp == self.stamp && content.len() as u64 == stamp.size {
                return Ok(Some(content.into()));
            }
            self.stamp = stamp;
        }
        Ok(None)
    }

    fn represent(
        mut self,
        account: &Account,
        heads: impl FnOnce(&str) -> Heads,
    ) -> Result<Representation, Errno> {
        let content = match self.read()? {
            Some(bytes) => Content::Memory(bytes),
            None => Content::File(Arc::new(self.file)),
        };
        let charge = match &content {
            Content::Memory(bytes) => account.charge(bytes.len(), 0),
            Content::File(_) => account.charge(0, 1),
        };
        let etag = self.stamp.etag();
        let heads = heads(&etag);
        let length = self.stamp.size;
        Ok(Representation { content, stamp: self.stamp, length, etag, heads, _charge: charge })
    }
}

pub fn read_whole(file: &OwnedFd, size: usize) -> Result<Vec<u8>, Errno> {
    let mut content = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match rustix::io::pread(file, &mut content[filled..], filled as u64) {
            // It has become shorter meanwhile.
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    content.truncate(filled);
    Ok(content)
}

impl Entry {
    /// Gathers what there is to be said about a file, and what lies beside it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn describe(
        root: &Root,
        place: Place,
        config: &Config,
        is_dev: bool,
        account: &Account,
    ) -> Result<Self, Errno> {
        let now = SystemTime::now();
        let path = place.path.clone();
        let siblings = open_siblings(root, &place, config);
        let content_type = media_type::of_file(&path, &config.files.types);
        let rule = config.files.cache_control.iter().find(|rule| rule.matches(&path));
        // While a page is being written its author wants to see it, not what a cache has of it.
        let cache_control = rule.map(|rule| rule.value.clone());
        let cache_control = cache_control.or_else(|| is_dev.then(|| "no-cache".to_owned()));
        let made = Made::new(config, &content_type, cache_control.as_deref(), place.stamp.size);
        let modified = place.stamp.modified_second();
        let facts = Facts {
            varies: made.is_possible() || siblings.iter().any(Option::is_some),
            content_type,
            modified,
            shows_modified: UNIX_EPOCH + Duration::from_secs(modified) <= now,
            cache_control,
        };
        let represent =
            |place: Place, coding| place.represent(account, |etag| facts.heads(etag, coding));
        let mut coded: [Option<Representation>; Coding::ALL.len()] = Default::default();
        for (coding, sibling) in Coding::ALL.into_iter().zip(siblings) {
            coded[coding as usize] =
                sibling.map(|sibling| represent(sibling, Some(coding))).transpose()?;
        }
        let plain = represent(place, None)?;
        let is_settled = plain.stamp.is_settled(now)
            && coded.iter().flatten().all(|form| form.stamp.is_settled(now));
        Ok(Self { path, is_settled, facts, plain, siblings: coded, made })
    }

    /// Whether `place`, what is there now, and what lies beside it, is what was described.
    pub fn is_current(&self, root: &Root, place: &Place, config: &Config) -> bool {
        let siblings = open_siblings(root, place, config);
        self.is_settled
            && (&place.path, &place.stamp) == (&self.path, &self.plain.stamp)
            && self.siblings.iter().zip(&siblings).all(|(old, new)| {
                old.as_ref().map(|old| &old.stamp) == new.as_ref().map(|new| &new.stamp)
            })
    }

    /// Whether what is held open is still as it was described. A file that is written in its place,
    /// rather than replaced, would be sent with the tag of what it was.
    pub fn is_untouched(&self) -> bool {
        self.siblings.iter().flatten().chain([&self.plain]).all(Representation::is_untouched)
    }

    pub fn sibling(&self, coding: Coding) -> Option<&Representation> {
        self.siblings[coding as usize].as_ref()
    }

    pub fn validators<'e>(&'e self, etag: &'e str) -> Validators<'e> {
        Validators { etag, modified: self.facts.modified }
    }
}

/// The coded files beside a file. One that is older than the file itself is of an older version.
fn open_siblings(
    root: &Root,
    place: &Place,
    config: &Config,
) -> [Option<Place>; Coding::ALL.len()] {
    Coding::ALL.map(|coding| {
        if !config.files.precompressed {
            return None;
        }
        let path = [&place.path, coding.extension().as_bytes()].concat();
        let sibling = Place::open(root, path).ok()?;
        (sibling.stamp.modified_second() >= place.stamp.modified_second()).then_some(sibling)
    })
}

impl Facts {
    pub fn heads(&self, etag: &str, coding: Option<Coding>) -> Heads {
        let mut ok = self.identify(200, etag);
        self.describe(&mut ok, &self.content_type, coding);
        Heads { ok: Arc::new(ok), not_modified: Arc::new(self.identify(304, etag)) }
    }

    /// The head of an answer with what says which state of the file it is about: all that a client
    /// needs that has the rest already (RFC 9110 §15.3.7, §15.4.5).
    pub fn identify(&self, code: u16, etag: &str) -> ResponseHead {
        let mut head = ResponseHead::new(code);
        add(&mut head, "ETag", etag);
        if let Some(value) = &self.cache_control {
            add(&mut head, "Cache-Control", value);
        }
        if self.varies {
            add(&mut head, "Vary", "Accept-Encoding");
        }
        head
    }

    pub fn describe(&self, head: &mut ResponseHead, content_type: &str, coding: Option<Coding>) {
        if self.shows_modified {
            add(head, "Last-Modified", &date::at(self.modified).to_string());
        }
        add(head, "Content-Type", content_type);
        if let Some(coding) = coding {
            add(head, "Content-Encoding", coding.name());
        }
        add(head, "Accept-Ranges", "bytes");
    }
}

/// The values are made here or checked with the configuration.
fn add(head: &mut ResponseHead, name: &str, value: &str) {
    if let Err(error) = head.field(name.as_bytes(), value.as_bytes()) {
        // Without the field rather than wrong.
        tracing::error!("{name} was left out of the answer with a file: {error:?}");
    }
}
