//! The same web server, right: what each answer must have, and no more of the folder than there is.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

use lab::say;

/// Bytes of a request's head.
const HEAD: usize = 16 * 1024;

/// One request for each connection.
pub fn serve(server: &TcpListener, html: &Path) -> io::Result<()> {
    loop {
        let (mut client, address) = server.accept()?;
        say!("{address} 客户端已连接" | "{address} has connected");
        let _ = deal_client(&mut client, html);
    }
}

fn deal_client(client: &mut TcpStream, html: &Path) -> io::Result<()> {
    let response = match head(client)? {
        Some(target) if target.ends_with(".py") => dynamic(&target),
        Some(target) => file(html, &target),
        None => answer("400 Bad Request", "text/plain", b"no such request\n"),
    };
    client.write_all(&response)
}

/// The target of the request. A head may come in several pieces: it is read to its empty line.
fn head(client: &mut TcpStream) -> io::Result<Option<String>> {
    let mut received = Vec::new();
    let mut piece = [0; 1024];
    while !received.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = client.read(&mut piece)?;
        received.extend_from_slice(&piece[..count]);
        if count == 0 || received.len() > HEAD {
            return Ok(None);
        }
    }
    let text = String::from_utf8_lossy(&received);
    let line: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
    Ok(match line[..] {
        ["GET", target, "HTTP/1.1" | "HTTP/1.0"] => Some(target.to_owned()),
        _ => None,
    })
}

/// Status line with its space, Content-Type, Content-Length: the client knows where the body ends.
fn answer(status: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut response = format!(
        "HTTP/1.1 {status}\r\nServer: My Server\r\nContent-Type: {kind}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    response.extend_from_slice(body);
    response
}

fn dynamic(target: &str) -> Vec<u8> {
    if target == "/a.py" {
        return answer("200 OK", "text/html; charset=utf-8", b"<h1>hello a.py</h1>");
    }
    not_found(target)
}

/// The name in the page is the one that was asked for, and cannot be markup.
fn not_found(target: &str) -> Vec<u8> {
    let body = format!("<h1>{} not found</h1>", lab::escape(target.trim_start_matches('/')));
    answer("404 Not Found", "text/html; charset=utf-8", body.as_bytes())
}

fn file(html: &Path, target: &str) -> Vec<u8> {
    let name = if target == "/" { "/index.html" } else { target };
    let path = Path::new(name.trim_start_matches('/'));
    // Only names below the folder: no "..".
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    let path: PathBuf = html.join(path);
    // The whole file, as bytes: it may be a picture.
    match std::fs::read(&path) {
        Ok(data) if is_below => {
            let kind = match path.extension().and_then(|end| end.to_str()) {
                Some("html") => "text/html; charset=utf-8",
                Some("png") => "image/png",
                _ => "text/plain; charset=utf-8",
            };
            answer("200 OK", kind, &data)
        }
        _ => not_found(target),
    }
}
