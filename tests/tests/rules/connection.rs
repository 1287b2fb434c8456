//! When a connection goes on and when it ends (RFC 9112 §9), and what is bound to it (RFC 9110 §7).

use crate::Expect::{Answers, Closes, Echoes};
use crate::{NEXT, get, hold, post, row};

#[test]
fn persistence() {
    let old = |fields: &str| format!("GET /a.py HTTP/1.0\r\n{fields}\r\n");
    hold(&[
        row("RFC 9112 §9.3", "HTTP/1.1 goes on", get(""), Answers(200)),
        row(
            "RFC 9112 §9.3",
            "also after an error",
            "GET /none HTTP/1.1\r\nHost: t\r\n\r\n",
            Answers(404),
        ),
        row("RFC 9112 §9.6", "close", get("Connection: close\r\n"), Closes(200)),
        row("RFC 9110 §7.6.1", "options have no case", get("Connection: CLOSE\r\n"), Closes(200)),
        row(
            "RFC 9110 §7.6.1",
            "and stand in a list",
            get("Connection: x, close ,y\r\n"),
            Closes(200),
        ),
        row(
            "RFC 9110 §5.3",
            "or in several fields",
            get("Connection: x\r\nConnection: close\r\n"),
            Closes(200),
        ),
        row("RFC 9112 §9.3", "close wins", get("Connection: keep-alive, close\r\n"), Closes(200)),
        row("RFC 9112 §9.3", "HTTP/1.0 ends", old(""), Closes(200)),
        row(
            "RFC 9112 §9.3",
            "HTTP/1.0 goes on if asked",
            old("Connection: Keep-Alive\r\n"),
            Answers(200),
        ),
        row(
            "RFC 9112 §9.3",
            "and ends if asked both",
            old("Connection: keep-alive, close\r\n"),
            Closes(200),
        ),
        row("RFC 9112 §9.3.2", "pipelined", format!("{}{NEXT}", get("")), Answers(200)),
        row(
            "RFC 9112 §9.6",
            "what follows close is not answered",
            get("Connection: close\r\n") + NEXT,
            Closes(200),
        ),
        row(
            "RFC 9110 §7.8",
            "an upgrade nobody takes is passed over",
            get("Connection: upgrade\r\nUpgrade: h2c\r\n"),
            Answers(200),
        ),
        row(
            "RFC 9110 §7.6.1",
            "Connection cannot take Host away",
            get("Connection: host, content-length\r\n"),
            Answers(200),
        ),
        row(
            "RFC 9110 §10.1.4",
            "TE is not obeyed",
            post("TE: trailers, chunked\r\nContent-Length: 2\r\n", "hi"),
            Echoes("hi"),
        ),
        row(
            "RFC 9110 §9.3.2",
            "HEAD has no body",
            "HEAD /a.py HTTP/1.1\r\nHost: t\r\n\r\n",
            Answers(200),
        ),
        row(
            "RFC 9110 §15.4.5",
            "nor has 204",
            "GET /features.py/status?code=204 HTTP/1.1\r\nHost: t\r\n\r\n",
            Answers(204),
        ),
        row(
            "RFC 9110 §15.4.5",
            "nor has 304",
            "GET /features.py/status?code=304 HTTP/1.1\r\nHost: t\r\n\r\n",
            Answers(304),
        ),
    ]);
}
