//! The client's side of the control socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::place;
use super::protocol::{Answer, Command, LONGEST_LINE, Reply, Request, VERSION};
use crate::config::{Config, ControlSocket};

/// The server answers from its loop, which never waits; but the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Client {
    reader: BufReader<UnixStream>,
}

/// Connects to the server that a configuration is of.
///
/// # Errors
/// In plain words: there is none, there are several, or it is somebody else's.
pub fn find(config: &Config) -> Result<Client, String> {
    let plugins = config.plugins.display();
    match &config.control {
        ControlSocket::Off => Err("the configuration says that there is no control socket \
             (control = \"\"); remove that key, or name the socket with --control"
            .to_owned()),
        ControlSocket::At(path) => {
            connect(path).map_err(|error| format!("cannot reach {}: {error}", path.display()))
        }
        ControlSocket::Automatic => {
            let folders = place::folders(&config.plugins);
            let present = folders.iter().flat_map(|folder| place::present(folder, &config.plugins));
            let mut living: Vec<(PathBuf, Client)> = present
                .filter_map(|path| connect(&path).ok().map(|client| (path, client)))
                .collect();
            if living.len() > 1 {
                let list: Vec<_> =
                    living.iter().map(|(path, _)| path.display().to_string()).collect();
                return Err(format!(
                    "several servers serve {plugins}: choose one with --control PATH: {}",
                    list.join(", ")
                ));
            }
            let found = living.pop().map(|(_, client)| client);
            found.ok_or_else(|| {
                format!(
                    "no server of yours serves {plugins}; say which with --plugins DIR, \
                     --config FILE or --control PATH"
                )
            })
        }
    }
}

/// # Errors
/// Nobody listens there, or we may not speak to it.
pub fn connect(path: &Path) -> std::io::Result<Client> {
    let address = place::address(path)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &address.address)?;
    let stream = UnixStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Client { reader: BufReader::new(stream) })
}

impl Client {
    /// Waits so long for what comes next: the server answers when it is over.
    ///
    /// # Errors
    /// In plain words: the socket does not take it.
    pub fn be_patient(&mut self, patience: Duration) -> Result<(), String> {
        let result = self.reader.get_ref().set_read_timeout(Some(patience));
        result.map_err(|error| format!("cannot wait for the server: {error}"))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The server says no, or nothing.
    pub fn ask(&mut self, command: Command) -> Answer {
        let reply = self.exchange(command);
        reply.map_err(|error| format!("the server does not answer: {error}"))?.into_answer()
    }

    fn exchange(&mut self, command: Command) -> std::io::Result<Reply> {
        let mut line = serde_json::to_vec(&Request { version: VERSION, command })?;
        line.push(b'\n');
        // A server that speaks to others only says so, and closes, perhaps before it is asked.
        let sent = self.reader.get_mut().write_all(&line);
        let mut answer = Vec::new();
        self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut answer)?;
        if answer.is_empty() {
            sent?;
            return Err(std::io::Error::other("it has closed the connection"));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}
