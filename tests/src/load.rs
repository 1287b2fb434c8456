//! Load: many keep-alive connections that are always busy, and what became of every request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::Client;

/// Connections of one thread of the generator.
const EACH: usize = 64;

/// What came of the load.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Requests that were answered as they had to be.
    pub right: u64,
    /// Other answers, connections that ended or were silent for too long, by what they were.
    pub wrong: BTreeMap<String, u64>,
}

/// A load that runs until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    right: Arc<AtomicU64>,
    wrong: Arc<Mutex<BTreeMap<String, u64>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    /// Opens `connections`, and asks on each, one after the other or `pipelined` at a time, for
    /// `target`, whose answer is a 200 with `body`.
    #[track_caller]
    pub fn start(
        address: SocketAddr,
        connections: usize,
        pipelined: usize,
        target: &str,
        body: &str,
    ) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            right: Arc::default(),
            wrong: Arc::default(),
            threads: Vec::new(),
        };
        let request = format!("GET {target} HTTP/1.1\r\nHost: load\r\n\r\n").repeat(pipelined);
        let mut left = connections;
        while left > 0 {
            let count = left.min(EACH);
            left -= count;
            let clients: Vec<_> = (0..count).map(|_| Client::connect(address)).collect();
            let (request, body) = (request.clone(), body.to_owned());
            let (stop, right, wrong) = (load.stop.clone(), load.right.clone(), load.wrong.clone());
            load.threads.push(std::thread::spawn(move || {
                let mut clients: Vec<_> = clients.into_iter().map(Some).collect();
                while !stop.load(Ordering::Relaxed) {
                    serve_round(&mut clients, &request, pipelined, &body, &right, &wrong);
                }
            }));
        }
        load
    }

    /// Requests answered so far.
    pub fn right(&self) -> u64 {
        self.right.load(Ordering::Relaxed)
    }

    /// Waits until so many more requests have been answered.
    #[track_caller]
    pub fn wait_for(&self, more: u64) {
        let wanted = self.right() + more;
        let deadline = Instant::now() + crate::PATIENCE;
        while self.right() < wanted {
            assert!(Instant::now() < deadline, "the server answers no more: {:?}", self.wrong());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn wrong(&self) -> BTreeMap<String, u64> {
        self.wrong.lock().expect("nobody panics with it").clone()
    }

    #[track_caller]
    pub fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("the generator does not panic");
        }
        let wrong = self.wrong.lock().expect("nobody panics with it").clone();
        Outcome { right: self.right.load(Ordering::Relaxed), wrong }
    }
}

/// One request, or one pipeline, on every connection: all are sent before the first is awaited, so
/// that all are busy at once. A connection on which something went wrong is not used again.
fn serve_round(
    clients: &mut [Option<Client>],
    request: &str,
    pipelined: usize,
    body: &str,
    right: &AtomicU64,
    wrong: &Mutex<BTreeMap<String, u64>>,
) {
    for client in clients.iter_mut().flatten() {
        client.try_send(request);
    }
    for place in clients {
        let Some(client) = place else { continue };
        for number in 0..pipelined {
            let problem = match client.try_response() {
                Ok(response) if response.status == 200 && response.text() == body => {
                    right.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Ok(response) => format!("status {}: {}", response.status, response.text()),
                Err(problem) => format!("answer {number} of {pipelined}: {problem}"),
            };
            *wrong.lock().expect("nobody panics with it").entry(problem).or_default() += 1;
            *place = None;
            break;
        }
    }
}
