//! The keeper of one experiment: a fresh process with one thread that starts the experiment, watches
//! its limits, and leaves nothing of it behind.
//!
//! Everything that the experiment starts stays below the keeper: as a subreaper (prctl(2)) it becomes
//! the parent of every orphan. When the experiment is over, exceeds a limit, or the browser goes away
//! (the socket on standard input is closed, also by the death of the server), all of it is ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};

use crate::descendants;
use crate::event::{End, Ending, Request};
use crate::experiment::{Experiment, Lab};
use crate::output::Output;
use crate::run::{Context, emit, lang, now_ms, set_context};
use crate::start;
use crate::text::Lang;

/// How often the limits are looked at.
const TICK: Duration = Duration::from_millis(50);
/// Below the server: an experiment takes what processor time the server leaves.
const NICENESS: i32 = 10;

/// The `main` of a lab's library. Gives the status that the process ends with.
pub fn main(lab: &'static Lab) -> i32 {
    match begin(lab) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!(
                "lab {}: cannot run an experiment: {error}; a lab's library is run by its plugin",
                lab.name
            );
            100
        }
    }
}

fn begin(lab: &'static Lab) -> io::Result<()> {
    // Experiments, and the programs they start, must not read or inherit our socket.
    let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    let mut message = vec![0; crate::event::LONGEST];
    let (length, _) = rustix::net::recv(&socket, &mut message[..], RecvFlags::empty())?;
    let request: Request = serde_json::from_slice(&message[..length])?;
    let experiment = lab
        .experiment(&request.experiment)
        .ok_or_else(|| io::Error::other("there is no such experiment"))?;
    rustix::process::setsid()?;
    // The threads of a server block signals, and what they start inherits that.
    SigSet::all().thread_unblock()?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::setpriority_process(None, NICENESS)?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let _ = rustix::thread::set_name(c"lab-keeper");
    let lost = socket.try_clone()?;
    set_context(Context { socket, lang: request.lang, start: Instant::now() });
    // Until now the browser has been waiting for a place.
    emit("start", &serde_json::json!({}));
    let folder = tempfile::Builder::new().prefix("tenon-lab-").tempdir()?;
    let end = keep(experiment, &request, folder.path(), &lost);
    descendants::end_all();
    // Removed before the end is told: who is told finds nothing left.
    let removed = folder.close();
    emit("end", &end?);
    removed
}

/// Runs the experiment to its end, whatever that is.
fn keep(
    experiment: &'static Experiment,
    request: &Request,
    folder: &std::path::Path,
    socket: &OwnedFd,
) -> io::Result<End> {
    let mut output = Output::new()?;
    let child = start::start(experiment, request, folder, &mut output)?;
    let pid = Pid::from_raw(child.as_raw()).ok_or_else(|| io::Error::other("no child"))?;
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + experiment.limits.time;
    loop {
        wait(&[socket.as_fd(), pidfd.as_fd()], &output)?;
        output.forward();
        // Orphans that came to us are buried here, as init does.
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                break;
            }
            if status.pid() == Some(child) {
                descendants::end_all();
                output.forward();
                return Ok(ended(status));
            }
        }
        if is_closed(socket) {
            return Ok(end(Ending::Error, String::new()));
        }
        if Instant::now() >= deadline {
            return Ok(limit(time_text(experiment.limits.time)));
        }
        let tasks = descendants::tasks();
        if tasks > experiment.limits.tasks {
            return Ok(limit(tasks_text(tasks, experiment.limits.tasks)));
        }
    }
}

/// Until something happens, or a tick has passed.
fn wait(descriptors: &[std::os::fd::BorrowedFd<'_>], output: &Output) -> io::Result<()> {
    let mut polled: Vec<_> =
        descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    polled.extend(output.descriptors().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
    match rustix::event::poll(&mut polled, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Has the browser gone? Nothing is ever sent to us after the request.
fn is_closed(socket: &OwnedFd) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    !matches!(
        rustix::net::recv(socket, &mut [0_u8; 1][..], flags),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR)
    )
}

fn end(outcome: Ending, message: String) -> End {
    End { outcome, seconds: now_ms() as f64 / 1000.0, message }
}

fn limit(message: String) -> End {
    end(Ending::Limit, message)
}

fn ended(status: WaitStatus) -> End {
    let (outcome, message) = match (status, lang()) {
        (WaitStatus::Exited(_, start::PASSED), _) => (Ending::Passed, String::new()),
        (WaitStatus::Exited(_, start::FAILED), Lang::Zh) => {
            (Ending::Failed, "结果与课程所说的不一致".to_owned())
        }
        (WaitStatus::Exited(_, start::FAILED), Lang::En) => {
            (Ending::Failed, "the result is not what the lesson says".to_owned())
        }
        // Its last message said why.
        (WaitStatus::Exited(_, start::ERROR), _) => (Ending::Error, String::new()),
        (WaitStatus::Exited(_, code), Lang::Zh) => {
            (Ending::Error, format!("实验以状态 {code} 提前结束"))
        }
        (WaitStatus::Exited(_, code), Lang::En) => {
            (Ending::Error, format!("the experiment ended early with status {code}"))
        }
        (WaitStatus::Signaled(_, signal, _), Lang::Zh) => {
            (Ending::Error, format!("实验被信号 {signal} 终止"))
        }
        (WaitStatus::Signaled(_, signal, _), Lang::En) => {
            (Ending::Error, format!("the experiment was ended by {signal}"))
        }
        (status, _) => (Ending::Error, format!("{status:?}")),
    };
    end(outcome, message)
}

fn time_text(limit: Duration) -> String {
    let seconds = limit.as_secs();
    match lang() {
        Lang::Zh => format!("超过时间限制（{seconds} 秒），实验的所有进程已被终止"),
        Lang::En => format!("it took longer than {seconds} s; all its processes were ended"),
    }
}

fn tasks_text(tasks: usize, limit: usize) -> String {
    match lang() {
        Lang::Zh => format!("进程和线程共 {tasks} 个，超过限制 {limit}，已全部终止"),
        Lang::En => {
            format!("it had {tasks} processes and threads, {limit} are allowed; all were ended")
        }
    }
}

/// Told to a process in the experiment: it goes when the keeper does.
pub(crate) fn die_with_keeper(keeper: Option<Pid>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The keeper may have gone before that.
    match rustix::process::getppid() == keeper {
        true => Ok(()),
        false => Err(io::Error::other("the keeper is gone")),
    }
}
