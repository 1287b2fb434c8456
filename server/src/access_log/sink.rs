//! Where the lines go: a file, standard output, or syslog. Only the writer's thread is here, so it may
//! wait.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::config;
use crate::http::date;

/// What a pipe takes in one piece, whoever else writes to it (pipe(7), PIPE_BUF).
const PIPE: usize = 4096;
/// `daemon` and `info`, as syslog(3) writes them.
const PRIORITY: &str = "<30>";

pub struct Sink {
    target: Target,
    /// Lines that could not be written since the last that could.
    lost: u64,
}

enum Target {
    Pipe(File),
    File { file: File, path: PathBuf },
    Syslog { socket: Option<UnixDatagram>, path: PathBuf, tag: String },
}

impl Sink {
    /// `None`: there is no access log.
    ///
    /// # Errors
    /// The file or socket cannot be opened.
    pub fn open(target: &config::AccessLog) -> std::io::Result<Option<Self>> {
        let target = match target {
            config::AccessLog::Off => return Ok(None),
            config::AccessLog::Stdout => {
                Target::Pipe(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
            }
            config::AccessLog::File(path) => {
                Target::File { file: open_file(path)?, path: path.clone() }
            }
            config::AccessLog::Syslog(path) => Target::Syslog {
                socket: Some(connect(path).map_err(|error| described(path, &error))?),
                path: path.clone(),
                tag: format!(" tenon[{}]: ", std::process::id()),
            },
        };
        Ok(Some(Self { target, lost: 0 }))
    }

    /// Writes whole lines.
    pub fn write(&mut self, lines: &[u8]) {
        let result = match &mut self.target {
            Target::Pipe(file) => pieces(lines).try_for_each(|piece| file.write_all(piece)),
            Target::File { file, .. } => file.write_all(lines),
            Target::Syslog { socket, path, tag } => send(socket, path, tag, lines),
        };
        match result {
            Ok(()) if self.lost > 0 => {
                tracing::warn!("the access log can be written again; {} lines are lost", self.lost);
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    tracing::error!("cannot write the access log: {error}; lines are lost");
                }
                self.lost += memchr::memchr_iter(b'\n', lines).count() as u64;
            }
        }
    }

    /// Opens the file anew, so that one that was moved away is left alone from here on.
    pub fn reopen(&mut self) {
        if let Target::File { file, path } = &mut self.target {
            match open_file(path) {
                Ok(opened) => *file = opened,
                Err(error) => tracing::error!("{error}: the old file stays in use"),
            }
        }
    }
}

fn open_file(path: &Path) -> std::io::Result<File> {
    let opened = File::options().append(true).create(true).open(path);
    opened.map_err(|error| described(path, &error))
}

fn described(path: &Path, error: &std::io::Error) -> std::io::Error {
    let text = format!("cannot open the access log {}: {error}", path.display());
    std::io::Error::new(error.kind(), text)
}

/// Whole lines, together no longer than a pipe takes in one piece; a longer line stays one.
fn pieces(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let window = &rest[..rest.len().min(PIPE)];
        let end = memchr::memrchr(b'\n', window).or_else(|| memchr::memchr(b'\n', rest));
        let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        rest = after;
        Some(piece)
    })
}

fn connect(path: &Path) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

/// One datagram for each line. A logger that was restarted is found again.
fn send(
    socket: &mut Option<UnixDatagram>,
    path: &Path,
    tag: &str,
    lines: &[u8],
) -> std::io::Result<()> {
    let mut datagram = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        datagram.clear();
        datagram.extend_from_slice(PRIORITY.as_bytes());
        date::with_syslog_time(|time| datagram.extend_from_slice(time));
        datagram.extend_from_slice(tag.as_bytes());
        datagram.extend_from_slice(line);
        let sent = socket.as_ref().is_some_and(|socket| socket.send(&datagram).is_ok());
        if !sent {
            let again = connect(path)?;
            again.send(&datagram)?;
            *socket = Some(again);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines() {
        let lines =
            format!("{}\n{}\n{}\nx\n", "a".repeat(3000), "b".repeat(3000), "c".repeat(9000));
        let lengths: Vec<_> = pieces(lines.as_bytes()).map(<[u8]>::len).collect();
        assert_eq!(lengths, [3001, 3001, 9001, 2]);
        assert_eq!(pieces(lines.as_bytes()).collect::<Vec<_>>().concat(), lines.as_bytes());
    }
}
