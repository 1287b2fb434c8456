//! A lab for tests: each of its experiments does something that an experiment must not get away with.
#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread::sleep;
use std::time::Duration;

use csgi::{Env, Response};
use lab::{Experiment, Fork, Lab, Limits, Outcome, Parameter, Run, fork, same, say};
use nix::unistd::{getpid, setsid};

const LIMITS: Limits = Limits {
    time: Duration::from_secs(60),
    tasks: 12,
    memory: 256 << 20,
    file: 1 << 20,
    descriptors: 32,
};

const fn experiment(name: &'static str, run: fn(&mut Run) -> Outcome) -> Experiment {
    Experiment {
        name,
        title: same("unruly"),
        lesson: same("<p>for tests"),
        parameters: &[],
        source: "",
        python: "",
        limits: LIMITS,
        run,
    }
}

static LAB: Lab = Lab {
    name: "unruly",
    title: same("Unruly"),
    introduction: same("<p>for tests"),
    experiments: &[
        Experiment {
            limits: Limits { time: Duration::from_secs(1), ..LIMITS },
            ..experiment("endless", sleeps)
        },
        experiment("sleeps", sleeps),
        experiment("daemons", daemons),
        experiment("forks", forks),
        experiment("memory", memory),
        experiment("file", file),
        experiment("elsewhere", elsewhere),
        experiment("crash", crash),
        experiment("panic", |_| panic!("on purpose")),
        experiment("error", |_| Err("not possible".into())),
        experiment("unchecked", |_| Ok(())),
        experiment("wrong", |run| {
            run.check(same("sum"), 4, 2 + 3);
            Ok(())
        }),
        experiment("flood", flood),
        experiment("quits", |_| std::process::exit(5)),
        experiment("prints", prints),
        Experiment {
            parameters: &[Parameter::integer("n", same("n"), 1, 3, 2)],
            ..experiment("parameter", |run| {
                run.check(same("n"), 2, run.values.count("n"));
                Ok(())
            })
        },
    ],
};
lab::program!(LAB);

#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    lab::serve(&LAB, env)
}

/// Tells its process, and stays.
fn sleeps(_: &mut Run) -> Outcome {
    say!("pid {}", getpid());
    sleep(Duration::from_secs(3600));
    Ok(())
}

/// Tries to leave by every way there is: own sessions, two forks, signals ignored by sleeping.
fn daemons(run: &mut Run) -> Outcome {
    for _ in 0..3 {
        if fork()? == Fork::Child {
            setsid()?;
            if fork()? == Fork::Child {
                say!("pid {}", getpid());
                sleep(Duration::from_secs(3600));
            }
            std::process::exit(0);
        }
    }
    // All three have spoken by then, or the test waits for them in vain.
    sleep(Duration::from_millis(500));
    run.check(same("nothing"), 0, 0);
    Ok(())
}

/// Bounded, should nothing end it.
fn forks(_: &mut Run) -> Outcome {
    for _ in 0..100 {
        if fork()? == Fork::Child {
            sleep(Duration::from_secs(20));
            std::process::exit(0);
        }
        sleep(Duration::from_millis(5));
    }
    sleep(Duration::from_secs(20));
    Ok(())
}

fn memory(run: &mut Run) -> Outcome {
    let mut taken = Vec::<u8>::new();
    let is_refused = taken.try_reserve_exact(512 << 20).is_err();
    run.check(same("512 MiB are refused"), true, is_refused);
    Ok(())
}

fn file(_: &mut Run) -> Outcome {
    // The signal SIGXFSZ ends the process.
    File::create("large")?.write_all_at(b"x", 2 << 20)?;
    Ok(())
}

fn elsewhere(run: &mut Run) -> Outcome {
    let outside = run.folder().with_file_name("tenon-lab-outside");
    run.check(same("outside"), true, std::fs::write(&outside, "x").is_err());
    run.check(same("inside"), true, std::fs::write("inside", "x").is_ok());
    Ok(())
}

fn crash(_: &mut Run) -> Outcome {
    std::process::abort()
}

fn flood(_: &mut Run) -> Outcome {
    let line = "x".repeat(10_000);
    for _ in 0..2000 {
        say!("{line}");
    }
    Ok(())
}

fn prints(run: &mut Run) -> Outcome {
    println!("to standard output");
    eprintln!("to standard error");
    print!("an unfinished line");
    run.check(same("nothing"), 0, 0);
    Ok(())
}
