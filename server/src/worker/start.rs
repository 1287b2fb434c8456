//! Brings a worker up: takes what the supervisor sends, loads the plugins, starts the threads, and
//! ends in order.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};

use crossbeam::deque;
use crossbeam::queue::{ArrayQueue, SegQueue};
use nix::sys::signal::{SigSet, Signal};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::clients::Clients;
use super::event_loop::Thread;
use super::lead::Lead;
use super::listener::Listener;
use super::monitor::{Clock, Monitor};
use super::outbox::Outbox;
use super::{CONTROL, GIVEN_BACK, OPERATORS, STAYING, WAKE, Worker};
use crate::access_log::{self, AccessLog};
use crate::connection::table::Table;
use crate::control::{Refusal, ToSupervisor, ToWorker, WorkerSpec};
use crate::crash::capture::Recorder;
use crate::crash::{handler, lines};
use crate::handoff::adopt;
use crate::plugin::gate::Gate;
use crate::plugin::host;
use crate::plugin::load::end_process;
use crate::respond::Site;
use crate::scoreboard::Scoreboard;

/// Descriptors that one message can carry, by the kernel's limit (unix(7), SCM_MAX_FD).
const DESCRIPTORS: usize = 253;

/// Plugins are promised at least 1 MiB of stack; regular expressions and interpreters want more.
const STACK: usize = 8 * 1024 * 1024;

type Batch = deque::Worker<(u64, u32)>;

/// The hidden command `tenon worker`.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => end_process(0),
        Err(error) => {
            tracing::error!("a worker could not start: {error}");
            ExitCode::from(111)
        }
    }
}

fn serve() -> std::io::Result<()> {
    block_signals()?;
    let control = std::io::stdin().as_fd().try_clone_to_owned()?;
    let Given { spec, scoreboard, crashes, receiver, listeners, senders } = receive(&control)?;
    let channel = adopt::Ends::new(receiver, senders);
    lines::prepare(spec.config.threads);
    handler::watch_exit()?;
    let records =
        Records { recorder: Recorder::open(crashes)?, access_log: AccessLog::open(&spec.config)? };
    confine(&spec)?;
    let (site, refusals) = on_loader_thread(|| Site::load(&spec))??;
    let (worker, batches) = build(spec, site, scoreboard, records, channel, listeners, control)?;
    worker.scoreboard.row(worker.spec.slot).set_epoch(worker.clock.epoch());
    // Lives as long as the process: plugins and threads refer to it until the very end.
    let worker: &'static Worker = Box::leak(Box::new(worker));
    host::set_alarm(worker);
    handler::install(worker)?;
    drain_on_signals(worker)?;
    let threads = spawn(worker, batches)?;
    for listener in &worker.listeners {
        listener.resume(worker);
    }
    worker.channel.resume(worker);
    report(worker, refusals)?;
    for thread in threads {
        // A thread that panicked has said so; the others end in order all the same.
        let _ = thread.join();
    }
    on_loader_thread(|| worker.site.exit())?;
    worker.access_log.finish();
    Ok(())
}

/// What the worker writes; opened before it gives up the right to open it.
struct Records {
    recorder: Recorder,
    access_log: access_log::Opened,
}

/// The worker of an isolated plugin gives up all that the plugin may not do; before there is a second
/// thread, and before anything of the plugin runs.
fn confine(spec: &WorkerSpec) -> std::io::Result<()> {
    let Some(profile) = &spec.sandbox else { return Ok(()) };
    let in_force = profile.apply().map_err(std::io::Error::other)?;
    tracing::info!("worker {} is isolated; {in_force}", std::process::id());
    Ok(())
}

/// What comes with `ToWorker::Start`.
struct Given {
    spec: WorkerSpec,
    scoreboard: Scoreboard,
    crashes: OwnedFd,
    receiver: OwnedFd,
    listeners: Vec<OwnedFd>,
    senders: Vec<OwnedFd>,
}

fn receive(control: &OwnedFd) -> std::io::Result<Given> {
    let mut bytes = [0; 256];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        control,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let message: ToWorker = serde_json::from_slice(&bytes[..received.bytes])?;
    let ToWorker::Start = message else {
        return Err(std::io::Error::other(format!("expected Start, got {message:?}")));
    };
    let mut descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten();
    let missing = || std::io::Error::other("the supervisor sent too few descriptors");
    let mut specification = std::fs::File::from(descriptors.next().ok_or_else(missing)?);
    let scoreboard = Scoreboard::open(descriptors.next().ok_or_else(missing)?)?;
    let crashes = descriptors.next().ok_or_else(missing)?;
    let receiver = descriptors.next().ok_or_else(missing)?;
    let mut rest: Vec<_> = descriptors.collect();
    let mut json = Vec::new();
    std::io::Seek::rewind(&mut specification)?;
    specification.read_to_end(&mut json)?;
    let spec: WorkerSpec = serde_json::from_slice(&json)?;
    if rest.len() < spec.listen.len() {
        return Err(missing());
    }
    let senders = rest.split_off(spec.listen.len());
    Ok(Given { spec, scoreboard, crashes, receiver, listeners: rest, senders })
}

fn build(
    spec: WorkerSpec,
    site: Site,
    scoreboard: Scoreboard,
    records: Records,
    channel: adopt::Ends,
    listeners: Vec<OwnedFd>,
    control: OwnedFd,
) -> std::io::Result<(Worker, Vec<Batch>)> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let event_fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    rustix::io::ioctl_fionbio(&control, true)?;
    let add = |fd: &OwnedFd, data| {
        epoll::add(&epoll, fd, epoll::EventData::new_u64(data), epoll::EventFlags::IN)
    };
    add(&event_fd, WAKE)?;
    add(&control, CONTROL)?;
    let batches: Vec<Batch> = (0..spec.config.threads).map(|_| Batch::new_fifo()).collect();
    let public = listeners.len().saturating_sub(spec.config.admin_listen.len());
    let reserve = if spec.config.admin_listen.is_empty() { 0 } else { OPERATORS };
    let listeners = listeners.into_iter().enumerate();
    let worker = Worker {
        table: Table::with_reserve(spec.config.limits.connections, reserve),
        clients: Clients::new(&spec.config),
        lead: Lead::default(),
        monitor: Monitor::new()?,
        clock: Clock::default(),
        seats: Gate::new(spec.config.threads - 1),
        batches: batches.iter().map(Batch::stealer).collect(),
        outboxes: batches.iter().map(|_| Outbox::default()).collect(),
        listeners: listeners
            .map(|(number, socket)| Listener::new(socket, number, number >= public))
            .collect(),
        access_log: AccessLog::start(records.access_log, &spec.config, spec.generation, spec.slot)?,
        server_line: match &spec.config.server_name {
            Some(name) => format!("Server: {name}\r\n").into_bytes(),
            None => Vec::new(),
        },
        ready: SegQueue::new(),
        computing: SegQueue::new(),
        held: SegQueue::new(),
        left_over: SegQueue::new(),
        epoll,
        event_fd,
        control,
        channel,
        given_back: ArrayQueue::new(GIVEN_BACK),
        motion: AtomicUsize::new(0),
        lost: AtomicUsize::new(0),
        evacuation: AtomicU8::new(STAYING),
        is_draining: AtomicBool::new(false),
        scoreboard,
        recorder: records.recorder,
        site,
        spec,
    };
    Ok((worker, batches))
}

fn spawn(
    worker: &'static Worker,
    batches: Vec<Batch>,
) -> std::io::Result<Vec<std::thread::JoinHandle<()>>> {
    let mut threads = Vec::new();
    for (number, batch) in batches.into_iter().enumerate() {
        let thread = Thread::new(worker, number, batch);
        let builder = std::thread::Builder::new().name(format!("serve-{number}"));
        threads.push(builder.stack_size(STACK).spawn(|| thread.run())?);
    }
    let builder = std::thread::Builder::new().name("monitor".to_owned());
    threads.push(builder.spawn(move || {
        handler::prepare_thread();
        worker.monitor.run(worker);
    })?);
    Ok(threads)
}

/// Plugins are loaded, and end, on a thread of their own that serves no requests: a library may
/// change the floating-point state of the thread that loads it.
fn on_loader_thread<T: Send>(f: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("loader".to_owned()).stack_size(STACK);
        builder
            .spawn_scoped(scope, f)?
            .join()
            .map_err(|_| std::io::Error::other("the loader thread panicked"))
    })
}

/// Signals are for one thread that waits for them: the threads of plugins inherit that they are
/// blocked, so a plugin is never interrupted.
fn block_signals() -> std::io::Result<()> {
    Ok(signals().thread_block()?)
}

fn signals() -> SigSet {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2].into_iter().collect()
}

/// A worker that is told to end by a signal of its own drains; the supervisor starts another.
fn drain_on_signals(worker: &'static Worker) -> std::io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            match signals().wait() {
                // Reloads and upgrades are the supervisor's to do, and it passes on the other one.
                Ok(Signal::SIGHUP | Signal::SIGUSR1 | Signal::SIGUSR2) => {}
                Ok(_) => worker.drain(true),
                Err(error) => return tracing::error!("cannot wait for signals: {error}"),
            }
        }
    })?;
    Ok(())
}

fn report(worker: &Worker, refusals: Vec<Refusal>) -> std::io::Result<()> {
    let message = serde_json::to_vec(&ToSupervisor::Ready { refusals })?;
    rustix::io::write(worker.control.as_fd(), &message)?;
    Ok(())
}
