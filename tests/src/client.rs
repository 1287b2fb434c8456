//! A client on a socket of its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::PATIENCE;

pub struct Client {
    stream: TcpStream,
    /// Received and not yet taken.
    received: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a field; `None` if it is missing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { stream, received: Vec::new() }
    }

    /// On a socket of another kind, whose reading and writing is the same.
    #[track_caller]
    pub fn over(socket: impl Into<OwnedFd>) -> Self {
        let stream = TcpStream::from(socket.into());
        stream.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        Self { stream, received: Vec::new() }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the server takes what is sent");
    }

    /// Sends, and does not mind if the server has closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// A GET with the least that HTTP/1.1 wants, and its answer.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response()
    }

    /// The next final response.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        loop {
            let response = self.any_response(false);
            if response.status >= 200 || response.status == 101 {
                return response;
            }
        }
    }

    /// The next final response with a Content-Length, or why there is none.
    pub fn try_response(&mut self) -> Result<Response, String> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            self.try_receive()?;
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
        let status = status.ok_or_else(|| format!("no status line: {head:?}"))?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or_else(|| format!("no length: {head:?}"))?;
        while self.received.len() < end + length {
            self.try_receive()?;
        }
        response.body = self.received[end..end + length].to_vec();
        self.received.drain(..end + length);
        Ok(response)
    }

    fn try_receive(&mut self) -> Result<(), String> {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }

    /// The next response, interim ones included. `is_head`: it answers HEAD.
    #[track_caller]
    pub fn any_response(&mut self, is_head: bool) -> Response {
        let head = self.take_until(b"\r\n\r\n");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        assert!(status_line.starts_with("HTTP/1.1 "), "no status line: {status_line:?}");
        let status = status_line[9..12].parse().expect("a status is three digits");
        let headers: Vec<_> = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a field has a colon");
                (name.to_ascii_lowercase(), value.trim_start().to_owned())
            })
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        let has_body = status >= 200 && status != 204 && status != 304 && !is_head;
        if has_body {
            response.body = self.body(&response);
        }
        response
    }

    #[track_caller]
    fn body(&mut self, response: &Response) -> Vec<u8> {
        if let Some(length) = response.header("content-length") {
            return self.take(length.parse().expect("a length is a number"));
        }
        if response.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            loop {
                let line = self.take_until(b"\r\n");
                let length = usize::from_str_radix(&line, 16).expect("a chunk's size");
                let chunk = self.take(length + 2);
                assert!(chunk.ends_with(b"\r\n"), "a chunk ends in CR LF");
                if length == 0 {
                    return body;
                }
                body.extend_from_slice(&chunk[..length]);
            }
        }
        self.rest()
    }

    /// What comes up to `end`, without it.
    #[track_caller]
    pub fn take_until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(position) = self.received.windows(end.len()).position(|part| part == end) {
                let taken: Vec<u8> = self.received.drain(..position + end.len()).collect();
                return String::from_utf8_lossy(&taken[..position]).into_owned();
            }
            assert!(
                self.receive(),
                "the connection ended before {:?}: {:?}",
                String::from_utf8_lossy(end),
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    /// So many bytes.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.received.len() < count {
            let there = self.received.len();
            assert!(self.receive(), "the connection ended after {there} of {count} bytes");
        }
        self.received.drain(..count).collect()
    }

    /// Everything until the server closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    /// The server closes, and sends nothing before it does.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "not expected: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Nothing arrives for a while.
    #[track_caller]
    pub fn assert_silent(&mut self, time: Duration) {
        assert!(self.received.is_empty(), "something has arrived");
        self.stream.set_read_timeout(Some(time)).expect("the timeout is not zero");
        let result = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        match result {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => panic!("expected silence, got {other:?}"),
        }
    }

    /// Something has arrived; it stays where it is.
    #[track_caller]
    pub fn assert_readable(&mut self) {
        let count = self.stream.peek(&mut [0]).expect("something arrives");
        assert_eq!(count, 1, "the connection has ended");
    }

    /// `false`: the server has closed, or cut, the connection.
    #[track_caller]
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing arrives: {error}"),
        }
    }
}
