//! A manager: a process that owns a queue and serves it over a socket, to any process that knows the
//! address.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use lab::multiprocessing::{Process, Target};

/// The server process; it ends with the experiment.
pub struct Manager {
    process: Process<Server>,
    address: PathBuf,
}

impl Manager {
    pub fn start(folder: &Path) -> std::io::Result<Self> {
        let address = folder.join("manager");
        let listener = UnixListener::bind(&address)?;
        let mut process = Process::new(Server { listener });
        process.start()?;
        Ok(Self { process, address })
    }

    pub fn address(&self) -> &Path {
        &self.address
    }

    pub fn shutdown(&mut self) -> std::io::Result<()> {
        self.process.terminate()?;
        self.process.join(None).map(drop)
    }
}

/// `Manager().Queue()` without a limit.
#[derive(Default)]
struct Shared {
    entries: Mutex<VecDeque<String>>,
    has_more: Condvar,
}

struct Server {
    listener: UnixListener,
}

impl Target for Server {
    /// A thread for each client, as Python's manager has.
    fn run(&mut self) -> i32 {
        let shared = Arc::<Shared>::default();
        for client in self.listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || serve(&client, &shared));
        }
        0
    }
}

/// One line a command, one line the answer.
fn serve(client: &UnixStream, shared: &Shared) -> Option<()> {
    let mut output = client;
    for line in BufReader::new(client).lines() {
        let line = line.ok()?;
        let mut entries = shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match line.split_once(' ') {
            Some(("put", entry)) => {
                entries.push_back(entry.to_owned());
                shared.has_more.notify_one();
                String::new()
            }
            _ if line == "get" => loop {
                if let Some(entry) = entries.pop_front() {
                    break entry;
                }
                entries = shared.has_more.wait(entries).unwrap_or_else(PoisonError::into_inner);
            },
            _ => entries.len().to_string(),
        };
        drop(entries);
        writeln!(output, "{answer}").ok()?;
    }
    Some(())
}

/// The queue, from the side of a process that uses it.
pub struct Proxy {
    input: BufReader<UnixStream>,
    output: UnixStream,
}

impl Proxy {
    pub fn connect(address: &Path) -> std::io::Result<Self> {
        let output = UnixStream::connect(address)?;
        Ok(Self { input: BufReader::new(output.try_clone()?), output })
    }

    fn ask(&mut self, command: &str) -> std::io::Result<String> {
        writeln!(self.output, "{command}")?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }

    pub fn put(&mut self, entry: &str) -> std::io::Result<()> {
        self.ask(&format!("put {entry}")).map(drop)
    }

    /// Waits for an entry.
    pub fn get(&mut self) -> std::io::Result<String> {
        self.ask("get")
    }

    pub fn qsize(&mut self) -> std::io::Result<usize> {
        self.ask("qsize")?.parse().map_err(std::io::Error::other)
    }
}
