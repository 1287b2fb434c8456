//! The answer with a file: which form of it, whether the client has it already, and which part.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cache::Cache;
use super::entry::{Content, Entry, Heads, Representation};
use super::made::{Form, Made};
use super::{multipart, page};
use crate::http::coding::{Accepted, Choice, Coding};
use crate::http::conditional::{self, Outcome};
use crate::http::head::Head;
use crate::http::range::{self, Selection};
use crate::http::response::{Answer, AnswerBody};

/// A GET or HEAD for a file.
pub struct Request<'r> {
    pub head: &'r Head,
    pub bytes: &'r [u8],
    pub entry: &'r Entry,
    pub cache: &'r Cache,
    /// Called before what may take long.
    pub before_work: &'r dyn Fn(),
}

/// The form of the file that is sent.
enum Selected {
    Plain,
    Sibling(Coding),
    Made(Coding),
    /// None that the client takes. 406.
    Nothing,
}

pub fn answer(request: &Request<'_>) -> Answer {
    let entry = request.entry;
    // Ranges are defined for GET alone (RFC 9110 §14.2).
    let is_get = request.head.method.of(request.bytes) == b"GET";
    let range = if is_get { request.head.field(request.bytes, "range") } else { None };
    match request.select(range.is_some()) {
        Selected::Plain => request.with(&entry.plain, None, range),
        Selected::Sibling(coding) => match entry.sibling(coding) {
            Some(sibling) => request.with(sibling, Some(coding), range),
            None => request.with(&entry.plain, None, range),
        },
        Selected::Made(coding) => request.with_made(coding),
        Selected::Nothing => page(406).with("Vary", "Accept-Encoding"),
    }
}

impl Request<'_> {
    fn select(&self, has_range: bool) -> Selected {
        let fields = || self.head.fields_named(self.bytes, "accept-encoding");
        // Only a weight can refuse the plain form.
        if !self.entry.facts.varies && !fields().any(|value| memchr::memchr(b';', value).is_some())
        {
            return Selected::Plain;
        }
        let accepted = Accepted::read(fields());
        let siblings = Coding::ALL.into_iter().filter(|c| self.entry.sibling(*c).is_some());
        // What is made on the fly has no ranges: who asks for one gets it of the plain form.
        let makes = !has_range || accepted.refuses_identity();
        let made = self.entry.made.codings().filter(|_| makes);
        match accepted.choose(siblings.chain(made)) {
            Choice::Identity => Selected::Plain,
            Choice::Coded(coding) if self.entry.sibling(coding).is_some() => {
                Selected::Sibling(coding)
            }
            Choice::Coded(coding) => Selected::Made(coding),
            Choice::Nothing => Selected::Nothing,
        }
    }

    fn with_made(&self, coding: Coding) -> Answer {
        let entry = self.entry;
        // What the client has need not be made again.
        let etag = Made::etag(&entry.plain.etag, coding);
        if let Some(answer) = self.precondition(&etag, || entry.facts.heads(&etag, Some(coding))) {
            return answer;
        }
        let made =
            entry.made.form(coding, &entry.plain, &entry.facts, self.cache, self.before_work);
        match made {
            Form::Ready(form) => whole(form),
            Form::Own(form) => whole(&form),
            Form::Streamed(encoder, heads) => match &entry.plain.content {
                Content::File(file) => {
                    let (file, length) = (file.clone(), entry.plain.length);
                    Answer { head: heads.ok, body: AnswerBody::Coded { file, length, encoder } }
                }
                Content::Memory(_) => whole(&entry.plain),
            },
            Form::Missing => self.with(&entry.plain, None, None),
        }
    }

    /// The answer that a precondition decides, if one does.
    fn precondition(&self, etag: &str, heads: impl FnOnce() -> Heads) -> Option<Answer> {
        let validators = self.entry.validators(etag);
        match conditional::evaluate(self.head, self.bytes, validators) {
            Outcome::Perform => None,
            Outcome::NotModified => {
                Some(Answer { head: heads().not_modified, body: AnswerBody::Empty })
            }
            Outcome::Failed => Some(page(412)),
        }
    }

    fn with(&self, form: &Representation, coding: Option<Coding>, range: Option<&[u8]>) -> Answer {
        if let Some(answer) = self.precondition(&form.etag, || form.heads.clone()) {
            return answer;
        }
        let Some(range) = range else { return whole(form) };
        let validators = self.entry.validators(&form.etag);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if self.head.fields_named(self.bytes, "range").count() > 1
            || !conditional::range_applies(self.head, self.bytes, validators, now)
        {
            return whole(form);
        }
        match range::select(range, form.length) {
            Selection::Whole => whole(form),
            // What Content-Encoding says of a multipart body would be read in two ways.
            Selection::Parts(parts) if parts.len() > 1 && coding.is_some() => whole(form),
            Selection::Parts(parts) => self.partial(form, coding, &parts),
            Selection::Unsatisfiable => {
                page(416).with("Content-Range", &format!("bytes */{}", form.length))
            }
        }
    }

    fn partial(
        &self,
        form: &Representation,
        coding: Option<Coding>,
        parts: &[Range<u64>],
    ) -> Answer {
        let facts = &self.entry.facts;
        let mut head = facts.identify(206, &form.etag);
        // With If-Range the client has said that it has the rest.
        let describes = self.head.field(self.bytes, "if-range").is_none();
        if let [only] = parts {
            if describes {
                facts.describe(&mut head, &facts.content_type, coding);
            }
            let answer = Answer { head: head.into(), body: slice(form, only) };
            return answer.with("Content-Range", &multipart::content_range(only, form.length));
        }
        let (content_type, parts) = multipart::parts(parts, form.length, &facts.content_type);
        facts.describe(&mut head, &content_type, None);
        let body = match &form.content {
            Content::Memory(bytes) => {
                let mut body = Vec::new();
                for part in &parts {
                    body.extend_from_slice(&part.before);
                    body.extend_from_slice(&bytes[part.offset as usize..][..part.length as usize]);
                }
                AnswerBody::Bytes(body.into())
            }
            Content::File(file) => AnswerBody::Parts { file: file.clone(), parts },
        };
        Answer { head: head.into(), body }
    }
}

fn whole(form: &Representation) -> Answer {
    Answer { head: Arc::clone(&form.heads.ok), body: slice(form, &(0..form.length)) }
}

fn slice(form: &Representation, range: &Range<u64>) -> AnswerBody {
    let length = range.end - range.start;
    match &form.content {
        _ if length == 0 => AnswerBody::Empty,
        Content::Memory(bytes) => {
            AnswerBody::Bytes(bytes.slice(range.start as usize..range.end as usize))
        }
        Content::File(file) => AnswerBody::File { file: file.clone(), offset: range.start, length },
    }
}
