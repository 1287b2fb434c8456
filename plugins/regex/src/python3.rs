//! The real Python, to compare with: a fixed program of ours that gets its data as JSON. Nothing that
//! a visitor writes is run as code.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What came of it.
pub enum Answer {
    Said(Value),
    /// It has no answer in time.
    Late,
    /// There is no python3, or it has failed.
    None,
}

/// Runs a program of ours with `input` on its standard input, for at most so long.
///
/// # Errors
/// The folder cannot be written.
pub fn ask(folder: &Path, program: &str, input: &Value, longest: Duration) -> io::Result<Answer> {
    let (question, answer) = (folder.join("question.json"), folder.join("answer.json"));
    std::fs::write(&question, serde_json::to_vec(input)?)?;
    let child = Command::new("python3")
        .args(["-I", "-W", "ignore", "-c", program])
        .stdin(File::open(&question)?)
        .stdout(File::create(&answer)?)
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return Ok(Answer::None) };
    let deadline = Instant::now() + longest;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(Answer::Late);
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let said = serde_json::from_slice(&std::fs::read(&answer)?);
    Ok(said.ok().filter(|_| status.success()).map_or(Answer::None, Answer::Said))
}
