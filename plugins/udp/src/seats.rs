//! The requests of the two chat pages.
//!
//! | path | answer |
//! |---|---|
//! | `/room`, `/talk` | the page |
//! | `/room/events?name=&charset=` | joins; what is said, as server-sent events |
//! | `/talk/events?port=&peer=&charset=` | the same for two |
//! | `/room/say`, `/talk/say` | POST `session`, `charset`, `text` |

use std::net::{Ipv4Addr, SocketAddrV4};

use chat::{CHARSET_SEAT, Page, Seat};
use csgi::{Env, Response};
use lab::{Lang, Parameter, Text, text};
use wire::{Charset, Interface};

/// The lesson's port, unless the configuration has `room_port`.
const ROOM_PORT: u16 = 8000;

pub fn serve(env: &Env) -> Option<Response> {
    Some(match env.path() {
        b"/room" => room_page(env),
        b"/talk" => talk_page(env),
        b"/room/events" => join(env).unwrap_or_else(|refusal| refusal),
        b"/talk/events" => talk(env).unwrap_or_else(|refusal| refusal),
        b"/room/say" | b"/talk/say" => chat::say(env),
        _ => return None,
    })
}

fn room_port(env: &Env) -> u16 {
    chat::config_port(&chat::config(env), "room_port", ROOM_PORT)
}

fn seat(name: &'static str, label: Text, value: &str) -> Seat {
    Seat { name, label, value: value.to_owned(), options: &[] }
}

fn room_page(env: &Env) -> Response {
    let (lang, _) = chat::given(env);
    let port = room_port(env);
    let introduction = match lang {
        Lang::Zh => format!(
            "<p>房间在 UDP 端口 {port}。任何 UDP 程序都可以加入：<code>nc -u 127.0.0.1 {port}</code>，或者课程里的 \
             Python 程序。每条消息下面是它在网络上的字节。"
        ),
        Lang::En => format!(
            "<p>The room is at UDP port {port}. Any UDP program may join: <code>nc -u 127.0.0.1 {port}</code>, or the \
             lesson's Python. Below each message are its bytes on the wire."
        ),
    };
    let name = seat("name", text("名字", "Name"), text("李白", "Ann").get(lang));
    let title = text("UDP 聊天室", "UDP chat room");
    let seats = vec![name, CHARSET_SEAT];
    Page { lab: "udp", path: "/room", title, introduction, seats }.respond(env, lang)
}

fn talk_page(env: &Env) -> Response {
    let (lang, _) = chat::given(env);
    let introduction = text(
        "<p>两个窗口，两个端口：一边填 8000 和 127.0.0.1:8001，另一边填 8001 和 127.0.0.1:8000。也可以和 \
         <code>nc -u -p 8001 127.0.0.1 8000</code> 聊。",
        "<p>Two windows, two ports: 8000 and 127.0.0.1:8001 here, 8001 and 127.0.0.1:8000 there. Or talk to \
         <code>nc -u -p 8001 127.0.0.1 8000</code>.",
    );
    let introduction = introduction.get(lang).to_owned();
    let own_label = text("自己的端口（0：系统选择）", "Own port (0: the system's choice)");
    let peer = seat("peer", text("对方的地址", "The other's address"), "127.0.0.1:8001");
    let title = text("UDP 两人聊天", "UDP talk of two");
    let seats = vec![seat("port", own_label, "0"), peer, CHARSET_SEAT];
    Page { lab: "udp", path: "/talk", title, introduction, seats }.respond(env, lang)
}

fn join(env: &Env) -> Result<Response, Response> {
    let (guest, interface) = chat::guest(env)?;
    let port = room_port(env);
    Ok(chat::open(env, move |session| {
        crate::room::seat::sit(&session, &interface, port, &guest);
    }))
}

fn talk(env: &Env) -> Result<Response, Response> {
    let parameters = [
        Parameter::integer("port", text("端口", "port"), 0, 65535, 0),
        Parameter::line("peer", text("对方", "peer"), 24, "127.0.0.1:8001"),
        chat::CHARSET,
    ];
    let (values, lang, interface) = chat::checked(env, &parameters)?;
    let charset = Charset::named(values.get("charset")).unwrap_or_default();
    let peer = reachable(values.get("peer"), &interface).ok_or_else(|| {
        let message = match lang {
            Lang::Zh => format!("请填 {} 网络里的“地址:端口”，例如 127.0.0.1:8001", interface.name),
            Lang::En => {
                format!("give an ADDRESS:PORT on {}, such as 127.0.0.1:8001", interface.name)
            }
        };
        chat::wrong_fields(lang, &[("peer", message)])
    })?;
    let own = SocketAddrV4::new(interface.address, values.integer("port") as u16);
    Ok(chat::open(env, move |session| {
        crate::talk::seat::sit(&session, own, peer, charset);
    }))
}

/// An address that this lab may send to.
fn reachable(text: &str, interface: &Interface) -> Option<SocketAddrV4> {
    let address: SocketAddrV4 = text.trim().parse().ok()?;
    let is_one = *address.ip() != interface.broadcast() && *address.ip() != Ipv4Addr::UNSPECIFIED;
    (is_one && address.port() != 0 && interface.reaches(*address.ip())).then_some(address)
}
