//! The lesson's web server of chapter 8 (04_dynamic_web_server.py), its mistakes kept.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use lab::say;

/// One request for each connection.
pub fn serve(server: &TcpListener, html: &Path) -> io::Result<()> {
    loop {
        let (mut client, address) = server.accept()?;
        say!("{address} 客户端已连接" | "{address} has connected");
        // Whatever goes wrong costs one client; the lesson has a process for each.
        let _ = deal_client(&mut client, html);
    }
}

fn deal_client(client: &mut TcpStream, html: &Path) -> io::Result<()> {
    let mut recv_data = [0; 1024];
    let count = client.read(&mut recv_data)?;
    let request = String::from_utf8_lossy(&recv_data[..count]);
    // re.match(r"\w+\s(/[^\s]*)", request_lines[0]).group(1)
    let file_name = request.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let response =
        if file_name.ends_with(".py") { dynamic(&file_name) } else { file(html, &file_name) };
    client.write_all(&response)
}

/// `m = __import__(file_name[1:-3])`; there is one module, a.
fn dynamic(file_name: &str) -> Vec<u8> {
    if file_name != "/a.py" {
        // Wrong: whatever was asked for, the body speaks of xxx.py.
        let body = "<h1>xxx.py not found</h1>";
        return format!("HTTP/1.1 404 Not Found\r\nServer: My Server\r\n\r\n{body}").into();
    }
    let status = "200 OK";
    // Wrong: "HTTP/1.1" + status, with no space between.
    let start_line = format!("HTTP/1.1{status}\r\n");
    format!("{start_line}Bdpagetype:1\r\nBduserid:0\r\n\r\n<h1>hello a.py</h1>").into()
}

fn file(html: &Path, file_name: &str) -> Vec<u8> {
    let name = if file_name == "/" { "/index.html" } else { file_name };
    // Wrong: "/../secret.txt" leads out of the folder.
    let Ok(mut file) = std::fs::File::open(format!("{}{name}", html.display())) else {
        return b"HTTP/1.1 404 Not Found\r\nServer: My Server\r\n\r\n<h1>file not found</h1>"
            .into();
    };
    // Wrong: file.read(1024) is the beginning of the file, not the file.
    let mut data = [0; 1024];
    let count = file.read(&mut data).unwrap_or(0);
    // Wrong: decode("utf-8") cannot take a picture; its exception ends the connection unanswered.
    let Ok(body) = std::str::from_utf8(&data[..count]) else { return Vec::new() };
    format!("HTTP/1.1 200 OK\r\nServer: My Server\r\n\r\n{body}").into()
}
