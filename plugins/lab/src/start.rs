//! The first process of an experiment: limits, then the experiment's own code.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit};

use crate::event::{Line, Request};
use crate::experiment::{Experiment, Limits};
use crate::fork::{Fork, fork};
use crate::keeper::die_with_keeper;
use crate::output::Output;
use crate::parameter::Values;
use crate::run::{Run, emit, now_ms};

/// The statuses that the process ends with.
pub(crate) const PASSED: i32 = 0;
pub(crate) const FAILED: i32 = 70;
pub(crate) const ERROR: i32 = 71;

/// Starts it below the keeper.
pub(crate) fn start(
    experiment: &'static Experiment,
    request: &Request,
    folder: &Path,
    output: &mut Output,
) -> io::Result<Pid> {
    let keeper = rustix::process::getpid();
    match fork()? {
        Fork::Parent(pid) => {
            output.close_writers();
            Ok(pid)
        }
        Fork::Child => {
            let prepared = die_with_keeper(Some(keeper))
                .and_then(|()| output.become_standard())
                .and_then(|()| limit(&experiment.limits, folder));
            let status = match prepared {
                Ok(()) => run(experiment, request, folder),
                Err(error) => fail(&format!("cannot prepare the experiment: {error}")),
            };
            std::process::exit(status)
        }
    }
}

fn run(experiment: &'static Experiment, request: &Request, folder: &Path) -> i32 {
    // For ps and top; the kernel cuts it at 15 bytes.
    if let Ok(name) = std::ffi::CString::new(experiment.name) {
        let _ = rustix::thread::set_name(&name);
    }
    let first = std::process::id();
    let values = match Values::check(experiment.parameters, &request.values, request.lang) {
        Ok(values) => values,
        Err(errors) => return fail(&format!("{errors:?}")),
    };
    let config = serde_json::from_str(&request.config).unwrap_or_default();
    let mut run = Run { values, config, folder: folder.to_owned(), checks: 0, failures: 0 };
    let result = catch_unwind(AssertUnwindSafe(|| (experiment.run)(&mut run)));
    if std::process::id() != first {
        // A process that the experiment forked, and that came out at the end of its code.
        return match result {
            Ok(Ok(())) => PASSED,
            Ok(Err(error)) => fail(&error.to_string()),
            Err(panic) => fail(&panic_text(&*panic)),
        };
    }
    match result {
        Ok(Ok(())) if run.checks == 0 => fail("the experiment has checked nothing"),
        Ok(Ok(())) if run.failures == 0 => PASSED,
        Ok(Ok(())) => FAILED,
        Ok(Err(error)) => fail(&error.to_string()),
        Err(panic) => fail(&panic_text(&*panic)),
    }
}

fn fail(text: &str) -> i32 {
    emit("line", &Line { ms: now_ms(), pid: std::process::id(), text });
    ERROR
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("without a message"))
}

/// The kernel's limits for this process and all that come from it.
fn limit(limits: &Limits, folder: &Path) -> io::Result<()> {
    std::env::set_current_dir(folder)?;
    // The keeper measures the time that passes; this is for what outlives it.
    let seconds = limits.time.as_secs() + 1;
    for (resource, most) in [
        (Resource::Cpu, seconds),
        (Resource::As, limits.memory),
        (Resource::Fsize, limits.file),
        (Resource::Nofile, limits.descriptors),
    ] {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    confine(folder).map_err(io::Error::other)
}

/// Reads what the server's user may read, writes only below its own folder and to what belongs to no
/// disk. A kernel without Landlock (before 5.13) does not confine it.
fn confine(folder: &Path) -> Result<(), landlock::RulesetError> {
    let abi = ABI::V3;
    let all = AccessFs::from_all(abi);
    let read = AccessFs::from_read(abi);
    let mut ruleset = Ruleset::default().handle_access(all)?.create()?;
    let places: [(&Path, BitFlags<AccessFs>); 4] = [
        (Path::new("/"), read),
        (folder, all),
        (Path::new("/dev"), read | AccessFs::WriteFile),
        // POSIX shared memory and semaphores live there.
        (Path::new("/dev/shm"), all),
    ];
    for (path, access) in places {
        if let Ok(path) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, access))?;
        }
    }
    ruleset.restrict_self().map(drop)
}
