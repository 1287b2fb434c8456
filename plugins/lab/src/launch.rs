//! Starts the keeper of an experiment: this very library, run as a program.
//!
//! A plugin cannot know what its host's executable is, nor whether a helper was installed beside
//! it. What it does have is its own library, mapped into the process, and the dynamic linker that
//! mapped it; `ld.so NAME.so` runs a library that has start code (see `program.rs`). Starting it is
//! one posix_spawn: no code of ours runs between fork and exec of the host's many threads.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};

use crate::event;

/// Entry of the auxiliary vector: where the dynamic linker is mapped (getauxval(3)).
const AT_BASE: usize = 7;
/// What an experiment inherits of the server's environment.
const VARIABLES: [&str; 5] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];

/// Starts the keeper and gives it its request; the socket is where the messages come from. To
/// close it ends the experiment.
pub(crate) fn launch(request: &[u8]) -> io::Result<(Child, OwnedFd)> {
    let library = library()?;
    let (ours, theirs) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&theirs, 2 * event::LONGEST)?;
    rustix::net::send(&ours, request, SendFlags::NOSIGNAL)?;
    let mut command = Command::new(linker()?);
    command.arg("--argv0").arg("lab-keeper").arg(&library).env_clear().env("LC_ALL", "C.UTF-8");
    for name in VARIABLES {
        std::env::var_os(name).map(|value| command.env(name, value));
    }
    // The keeper's own words go to the server's log.
    command.stdin(theirs).stdout(Stdio::null());
    let child = command.spawn().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot run {}: {error}", library.display()))
    })?;
    Ok((child, ours))
}

/// The file that this code, a lab's library, was loaded from.
///
/// # Errors
/// It was removed meanwhile.
pub fn library() -> io::Result<PathBuf> {
    let path = mapped_at(library as *const () as usize)?;
    if !path.exists() {
        let text = format!("{} was removed while it is in use", path.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    Ok(path)
}

/// The dynamic linker that loaded it.
fn linker() -> io::Result<PathBuf> {
    let vector = std::fs::read("/proc/self/auxv")?;
    let (words, _) = vector.as_chunks::<{ size_of::<usize>() }>();
    let words: Vec<_> = words.iter().map(|word| usize::from_ne_bytes(*word)).collect();
    let base = words.chunks_exact(2).find(|pair| pair[0] == AT_BASE).map_or(0, |pair| pair[1]);
    match base {
        // The host itself was started as `ld.so HOST`.
        0 => std::fs::read_link("/proc/self/exe"),
        base => mapped_at(base),
    }
}

/// The file mapped at an address (proc_pid_maps(5)).
fn mapped_at(address: usize) -> io::Result<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let path = maps.lines().find_map(|line| path_if_at(line, address));
    path.map(Path::to_owned).ok_or_else(|| io::Error::other("no file is mapped at this code"))
}

/// The path of one line of the map, if its range has the address.
fn path_if_at(line: &str, address: usize) -> Option<&Path> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    // Permissions, offset, device and inode come before it; it may have spaces itself.
    let path = rest.find('/').map(|position| Path::new(&rest[position..]))?;
    (start..end).contains(&address).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_code_and_linker_are_found() {
        assert_eq!(library().unwrap(), std::env::current_exe().unwrap());
        let linker = linker().unwrap();
        let name = linker.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("ld"), "{name}");
    }

    #[test]
    fn a_line_of_the_map_is_read() {
        let line = "7f00-7fff r-xp 00000000 fe:00 123    /a folder/b.so";
        assert_eq!(path_if_at(line, 0x7f10), Some(Path::new("/a folder/b.so")));
        assert_eq!(path_if_at(line, 0x7fff), None);
        assert_eq!(path_if_at("7f00-7fff rw-p 00000000 00:00 0 [heap]", 0x7f10), None);
    }
}
