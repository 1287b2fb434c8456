//! The requests of the chat page.
//!
//! | path | answer |
//! |---|---|
//! | `/room` | the page |
//! | `/room/events?name=&charset=` | joins; what is said, as server-sent events |
//! | `/room/say` | POST `session`, `charset`, `text` |

use chat::{CHARSET_SEAT, Page, Seat};
use csgi::{Env, Response};
use lab::{Lang, text};

/// A port of the lesson's, unless the configuration has `room_port`. (8000, its other one, is where
/// the server itself listens.)
const ROOM_PORT: u16 = 8009;

pub fn serve(env: &Env) -> Option<Response> {
    Some(match env.path() {
        b"/room" => page(env),
        b"/room/events" => join(env).unwrap_or_else(|refusal| refusal),
        b"/room/say" => chat::say(env),
        _ => return None,
    })
}

fn room_port(env: &Env) -> u16 {
    chat::config_port(&chat::config(env), "room_port", ROOM_PORT)
}

fn page(env: &Env) -> Response {
    let (lang, _) = chat::given(env);
    let port = room_port(env);
    let introduction = match lang {
        Lang::Zh => format!(
            "<p>服务器在 TCP 端口 {port}。任何 TCP 程序都可以加入：<code>nc 127.0.0.1 {port}</code>，或者课程里的并发客户端。\
             每条消息下面是它在网络上的字节。"
        ),
        Lang::En => format!(
            "<p>The server is at TCP port {port}. Any TCP program may join: <code>nc 127.0.0.1 {port}</code>, or the \
             lesson's concurrent client. Below each message are its bytes on the wire."
        ),
    };
    let name = text("李白", "Ann").get(lang).to_owned();
    let name = Seat { name: "name", label: text("名字", "Name"), value: name, options: &[] };
    let title = text("TCP 聊天室", "TCP chat room");
    let seats = vec![name, CHARSET_SEAT];
    Page { lab: "tcp", path: "/room", title, introduction, seats }.respond(env, lang)
}

fn join(env: &Env) -> Result<Response, Response> {
    let (guest, interface) = chat::guest(env)?;
    let port = room_port(env);
    Ok(chat::open(env, move |session| {
        crate::room::seat::sit(&session, &interface, port, &guest);
    }))
}
