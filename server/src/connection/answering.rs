//! Answers of the server's own: files, pages and refusals, onto the wire and into the access log.

use std::sync::Arc;

use super::coded::{CodedBody, CodedFraming, Coder, Source};
use super::output::Tail;
use super::patience::Patience;
use super::{Connection, answer_head};
use crate::access_log::Times;
use crate::http::glimpse::glimpse;
use crate::http::head::{Head, Version};
use crate::http::request_error::RequestError;
use crate::http::request_id::RequestId;
use crate::http::response::{
    Answer, AnswerBody, Persistence, ResponseFraming, ResponseHead, status_has_body,
};
use crate::respond;
use crate::worker::event_loop::{Answered, Thread};

/// A body of the server's own up to this size is copied, so that it leaves with the head.
const COPY: usize = 32 * 1024;

impl Connection {
    /// Encodes an answer of the server's own, and logs it.
    pub(super) fn send_answer(
        &mut self,
        answer: Answer,
        head: &Head,
        head_bytes: &[u8],
        thread: &mut Thread,
    ) {
        let status = answer.head.status();
        let is_head = head.method.of(head_bytes) == b"HEAD";
        let id = std::mem::take(&mut thread.request_id);
        self.patience = Patience::default();
        let sent = self.encode_answer(answer, head, is_head, &id, thread);
        let total = thread.started.take().map(|started| started.elapsed()).unwrap_or_default();
        let times = Times { total, ..Times::default() };
        thread.log(self, || Answered {
            head,
            head_bytes,
            status,
            sent,
            request_id: &id,
            plugin: None,
            times,
        });
    }

    /// Says how long the body is.
    pub(super) fn encode_answer(
        &mut self,
        mut answer: Answer,
        head: &Head,
        is_head: bool,
        id: &RequestId,
        thread: &Thread,
    ) -> u64 {
        if thread.answers_ids() {
            add_id(Arc::make_mut(&mut answer.head), id);
        }
        let has_body = status_has_body(answer.head.status());
        let length = answer.body.length();
        let framing = match length {
            _ if !has_body => ResponseFraming::None,
            Some(length) => ResponseFraming::Length(length),
            None if head.version == Version::Http10 => ResponseFraming::UntilClose,
            None => ResponseFraming::Chunked,
        };
        let persistence = match framing {
            ResponseFraming::UntilClose => Persistence::Close,
            _ => self.persistence(thread, head.keep_alive),
        };
        self.is_closing |= persistence == Persistence::Close;
        let out = &mut self.output.bytes;
        answer_head(out, &answer.head, framing, head.version, persistence, thread);
        if is_head || !has_body {
            return 0;
        }
        self.output.tail = match answer.body {
            AnswerBody::Bytes(bytes) if bytes.len() <= COPY => {
                self.output.bytes.extend_from_slice(&bytes);
                Tail::None
            }
            AnswerBody::Bytes(bytes) => Tail::Copied { bytes, position: 0 },
            AnswerBody::File { file, offset, length } => Tail::File { file, offset, left: length },
            AnswerBody::Parts { file, parts } => Tail::Parts { file, parts, next: 0, position: 0 },
            AnswerBody::Coded { file, length, encoder } => {
                let framing = match framing {
                    ResponseFraming::UntilClose => CodedFraming::UntilClose,
                    _ => CodedFraming::Chunked,
                };
                let coder = Coder::new(*encoder, framing);
                Tail::Coded(Box::new(CodedBody::new(Source::File(file), 0, length, coder)))
            }
            AnswerBody::Empty => Tail::None,
        };
        length.unwrap_or(0)
    }

    /// A request that cannot be understood ends the connection: where the next one begins is
    /// not certain. It begins with `bytes`.
    #[cold]
    pub(super) fn refuse_request(
        &mut self,
        thread: &mut Thread,
        error: &RequestError,
        bytes: &[u8],
    ) {
        tracing::debug!("a request was refused: {error}");
        self.refuse(thread, error.status(), Some(&error.to_string()), bytes);
    }

    /// The same for any reason. More of it may be on its way.
    #[cold]
    pub(super) fn refuse(
        &mut self,
        thread: &mut Thread,
        status: u16,
        detail: Option<&str>,
        bytes: &[u8],
    ) {
        self.is_closing = true;
        self.has_unread_input = true;
        self.send_answer(respond::page(status, detail), &glimpse(bytes), bytes, thread);
    }
}

/// Tells the client the id of its request, if it is to know it.
pub(super) fn add_id(head: &mut ResponseHead, id: &RequestId) {
    if !id.as_bytes().is_empty() {
        head.field(b"X-Request-Id", id.as_bytes()).expect("an id is well-formed");
    }
}
