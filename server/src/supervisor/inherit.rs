//! The new program's side of an upgrade: takes over what the old one has open.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use crossbeam::channel::Sender;

use super::generation::{Channels, Listening};
use super::upgrade::{ToPredecessor, ToSuccessor, VARIABLE, VERSION, receive, send};
use super::{Event, Supervisor, answer, service_manager};
use crate::handoff::channel::Channel;
use crate::handoff::message::MAGIC;

/// What this process did not have to open.
#[derive(Default)]
pub struct Inheritance {
    pub listening: Vec<Arc<Listening>>,
    pub channels: Channels,
    /// None: nobody served before.
    pub predecessor: Option<Predecessor>,
}

/// The process that goes on serving until this one does.
pub struct Predecessor {
    socket: OwnedFd,
    adopts: bool,
}

/// Takes what the process that started this one gives, if it is a server that is being upgraded.
///
/// # Errors
/// In plain words: it gives nothing, or in a way that is not known.
pub fn take() -> Result<Inheritance, String> {
    let named: Option<i32> = std::env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok());
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if named.is_none() || named != parent {
        return Ok(Inheritance::default());
    }
    let wrong = |error| format!("cannot take over from the server that runs: {error}");
    let socket = socket_of_stdin().map_err(wrong)?;
    receive_all(socket).map_err(wrong)
}

/// Children are not to have it: the old one would wait for them.
fn socket_of_stdin() -> std::io::Result<OwnedFd> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(socket)
}

fn receive_all(socket: OwnedFd) -> std::io::Result<Inheritance> {
    let mut given = Inheritance::default();
    let (ToSuccessor::Begin { version, layout }, _) = receive(&socket)? else {
        return Err(std::io::Error::other("it does not begin with its version"));
    };
    if version != VERSION {
        return Err(std::io::Error::other(format!(
            "it hands over in version {version}, this one takes over in version {VERSION}: \
             stop it and start this one"
        )));
    }
    let adopts = layout == MAGIC;
    let missing = || std::io::Error::other("it gives too few descriptors");
    loop {
        let (message, descriptors) = receive(&socket)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(missing);
        match message {
            ToSuccessor::Listener { configured, bound } => {
                let socket = next()?;
                given.listening.push(Arc::new(Listening { configured, bound, socket }));
            }
            // In one of another layout nobody would understand the other.
            ToSuccessor::Channel { .. } if !adopts => {}
            ToSuccessor::Channel { pool } => {
                given.channels.insert(pool, Channel { sender: next()?, receiver: next()? });
            }
            ToSuccessor::End => break,
            ToSuccessor::Begin { .. } => {
                return Err(std::io::Error::other("it begins twice"));
            }
        }
    }
    given.predecessor = Some(Predecessor { socket, adopts });
    Ok(given)
}

impl Predecessor {
    /// Tells it that this process serves, and waits, on a thread of its own, until it has gone or has
    /// let go of the control socket.
    fn relieve(self, sender: Sender<Event>) {
        std::thread::spawn(move || {
            // It may have been killed meanwhile: then there is nobody to wait for.
            if send(&self.socket, &ToPredecessor::Ready { adopts: self.adopts }, &[]).is_ok() {
                while receive::<ToSuccessor>(&self.socket).is_ok() {}
            }
            // The receiver lives as long as the process.
            let _ = sender.send(Event::Relieved);
        });
    }
}

impl Supervisor {
    /// The first generation serves.
    pub(super) fn on_first_generation(&mut self) {
        service_manager::tell("READY=1");
        if let Some(predecessor) = self.predecessor.take() {
            predecessor.relieve(self.sender.clone());
        }
    }

    /// The name of the control socket is free.
    pub(super) fn on_relieved(&mut self) {
        let store = self.collector.store.clone();
        self.control = answer::open(&self.options.config, &self.sender, store)
            .inspect_err(|error| tracing::error!("{error}: tenon ctl will not reach this server"))
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn given(begin: &ToSuccessor) -> std::io::Result<Inheritance> {
        let flags = SocketFlags::CLOEXEC;
        let (old, new) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let channel = Channel::new()?;
        let ends = [channel.sender.as_fd(), channel.receiver.as_fd()];
        send(&old, begin, &[])?;
        send(&old, &ToSuccessor::Channel { pool: "shop".to_owned() }, &ends)?;
        send(&old, &ToSuccessor::End, &[])?;
        receive_all(new)
    }

    #[test]
    fn what_another_version_gives_is_refused_and_its_connections_are_not_taken() {
        let whole = given(&ToSuccessor::Begin { version: VERSION, layout: MAGIC }).unwrap();
        let names: Vec<_> = whole.channels.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["shop"]);
        assert!(whole.predecessor.is_some_and(|old| old.adopts));
        let foreign = given(&ToSuccessor::Begin { version: VERSION, layout: MAGIC + 1 }).unwrap();
        assert_eq!(foreign.channels.iter().count(), 0);
        assert!(foreign.predecessor.is_some_and(|old| !old.adopts));
        let error = given(&ToSuccessor::Begin { version: VERSION + 1, layout: MAGIC });
        assert!(error.err().unwrap().to_string().contains("stop it and start this one"));
    }
}
