//! Coded forms of a file that the server makes itself, where nobody has laid one beside it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::cache::Cache;
use super::entry::{Content, Facts, Heads, Representation, read_whole};
use super::media_type;
use crate::config::Config;
use crate::http::coding::Coding;
use crate::http::compress::{self, Effort, Encoder};

/// Larger files are compressed while they are sent, for each answer anew: kept, they would push out
/// everything else.
const LARGEST_KEPT: u64 = 4 * 1024 * 1024;

/// Who has to do with compressing one file.
#[derive(Debug)]
pub struct Made {
    /// In the order of preference; empty if the file is not to be compressed.
    codings: Vec<Coding>,
    /// Answers that may be compressed at the same time.
    streams: usize,
    forms: [OnceLock<Representation>; Coding::ALL.len()],
    /// Somebody is making that form.
    is_being_made: [AtomicBool; Coding::ALL.len()],
}

/// What there is of a coded form.
pub enum Form<'m> {
    Ready(&'m Representation),
    /// Made for this answer alone.
    Own(Representation),
    /// To be compressed while it is sent; so it is described.
    Streamed(Box<Encoder>, Heads),
    /// Not now.
    Missing,
}

impl Made {
    pub fn new(
        config: &Config,
        content_type: &str,
        cache_control: Option<&str>,
        size: u64,
    ) -> Self {
        let rules = &config.compression;
        // Nobody on the way may change it, the server itself included (RFC 9111 §5.2.2.6).
        let is_fixed = cache_control.is_some_and(|value| value.contains("no-transform"));
        let is_worth_it = size >= rules.min_size as u64
            && media_type::matches_any(content_type.as_bytes(), &rules.types);
        let codings = if is_worth_it && !is_fixed { rules.codings.clone() } else { Vec::new() };
        Self {
            codings,
            streams: rules.streams,
            forms: Default::default(),
            is_being_made: Default::default(),
        }
    }

    pub fn is_possible(&self) -> bool {
        !self.codings.is_empty()
    }

    pub fn codings(&self) -> impl Iterator<Item = Coding> {
        self.codings.iter().copied()
    }

    /// The entity tag of a coded form. It is weak: the same file may be coded into other bytes by
    /// another version of the server.
    pub fn etag(plain: &str, coding: Coding) -> String {
        format!("W/{}-{}\"", plain.trim_end_matches('"'), coding.name())
    }

    /// The form with a coding; makes it if there is none. `before_work` is called before what may
    /// take long.
    pub fn form(
        &self,
        coding: Coding,
        plain: &Representation,
        facts: &Facts,
        cache: &Cache,
        before_work: &dyn Fn(),
    ) -> Form<'_> {
        let index = coding as usize;
        if let Some(form) = self.forms[index].get() {
            return Form::Ready(form);
        }
        let etag = Self::etag(&plain.etag, coding);
        if plain.length > LARGEST_KEPT {
            return match Encoder::start(coding, self.streams) {
                Some(encoder) => {
                    Form::Streamed(Box::new(encoder), facts.heads(&etag, Some(coding)))
                }
                None => Form::Missing,
            };
        }
        // Those who come meanwhile do not wait for it.
        if self.is_being_made[index].swap(true, Ordering::Acquire) {
            return Form::Missing;
        }
        before_work();
        let form = make(coding, plain, facts, cache, etag);
        self.is_being_made[index].store(false, Ordering::Release);
        if !cache.has_room() {
            cache.reclaim();
        }
        match form {
            Some(form) if cache.has_room() => Form::Ready(self.forms[index].get_or_init(|| form)),
            Some(form) => Form::Own(form),
            None => Form::Missing,
        }
    }
}

fn make(
    coding: Coding,
    plain: &Representation,
    facts: &Facts,
    cache: &Cache,
    etag: String,
) -> Option<Representation> {
    let content = match &plain.content {
        Content::Memory(bytes) => bytes.clone(),
        Content::File(file) => {
            let content = read_whole(file, plain.length as usize).ok()?;
            // Else it has changed: the next look at it will tell.
            plain.is_untouched().then(|| Bytes::from(content))?
        }
    };
    let coded = match compress::whole(coding, &content, Effort::Kept) {
        Ok(coded) => coded,
        Err(error) => {
            tracing::warn!("cannot compress a file with {}: {error}", coding.name());
            return None;
        }
    };
    Some(Representation {
        length: coded.len() as u64,
        stamp: plain.stamp.clone(),
        _charge: cache.account.charge(coded.len(), 0),
        content: Content::Memory(coded.into()),
        heads: facts.heads(&etag, Some(coding)),
        etag,
    })
}
