//! What the tests of the network labs need: free ports, programs that end, event streams.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::server::TestServer;
use crate::wait_until;

/// A UDP port that nobody has at the moment.
pub fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("there are free ports");
    socket.local_addr().expect("it is bound").port()
}

/// A TCP port that nobody has at the moment.
pub fn free_tcp_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    listener.local_addr().expect("it is bound").port()
}

/// Collects what comes, in a thread that ends with the stream.
fn gather(mut stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let gathered = Arc::new(Mutex::new(Vec::new()));
    let all = gathered.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            all.lock().expect("nobody panics with it").extend(&buffer[..length]);
        }
    });
    gathered
}

/// A program of somebody else's, ended by its process when this is dropped.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    #[track_caller]
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(name)
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; ./test installs it"));
        let output = gather(child.stdout.take().expect("it is piped"));
        let input = child.stdin.take();
        Self { child, input, output }
    }

    /// What a person would type.
    #[track_caller]
    pub fn type_in(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the program reads");
    }

    /// Waits until it has printed these bytes.
    #[track_caller]
    pub fn wait_for(&self, bytes: &[u8]) {
        let has = || {
            let output = self.output.lock().expect("nobody panics with it");
            output.windows(bytes.len()).any(|part| part == bytes)
        };
        wait_until(&format!("the program prints {:?}", String::from_utf8_lossy(bytes)), has);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of events that is read while the test goes on; dropping it closes the connection.
pub struct Events {
    stream: TcpStream,
    /// Everything that has come, the head too.
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Events {
    /// Opens `target`, which answers with server-sent events.
    #[track_caller]
    pub fn open(server: &TestServer, target: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the server takes what is sent");
        let seen = gather(stream.try_clone().expect("a socket can be cloned"));
        let events = Self { stream, seen };
        wait_until("the answer begins", || events.text().contains("\r\n\r\n"));
        let text = events.text();
        assert!(text.starts_with("HTTP/1.1 200"), "{target}: {text}");
        events
    }

    /// The server has closed the connection.
    pub fn has_ended(&self) -> bool {
        // The thread that gathers holds the other one.
        Arc::strong_count(&self.seen) == 1
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("nobody panics with it")).into_owned()
    }

    /// The data of the events of one kind so far.
    pub fn of_kind(&self, kind: &str) -> Vec<Value> {
        let mark = format!("event: {kind}\ndata: ");
        // Lines of chunk sizes stand between events, never inside one.
        self.text()
            .split(&mark)
            .skip(1)
            .filter_map(|rest| serde_json::from_str(rest.split("\n\n").next()?).ok())
            .collect()
    }

    /// Waits for an event whose text has these words; gives it.
    #[track_caller]
    pub fn wait_for(&self, kind: &str, words: &str) -> Value {
        let mut found = None;
        wait_until(&format!("an event {kind} with {words:?}"), || {
            let events = self.of_kind(kind);
            found = events.into_iter().find(|event| event.to_string().contains(words));
            found.is_some()
        });
        found.expect("it has been waited for")
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // The server may have closed it already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
