//! Frameworks from PyPI, unmodified, in a virtual environment that the configuration names.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::PATIENCE;
use tests::plugins::root;
use tests::python::{environment, run};
use tests::server::Setup;

const PACKAGES: &[&str] = &[
    "flask>=3.0,<4",
    "django>=4.2,<6",
    "bottle>=0.13,<0.14",
    "falcon>=4.0,<5",
    "starlette>=0.40,<2",
    "a2wsgi>=1.10,<2",
    "requests>=2.32,<3",
];

#[test]
fn flask_django_bottle_falcon_and_starlette_run_unmodified() {
    let venv = environment("frameworks", PACKAGES);
    let setup = Setup::new()
        .plugin("python")
        .config(&format!(
            "[plugin.python]\nconfig = {{ venv = {:?} }}\n[plugin.flaskshop]\nconfig = {{ callable \
             = \"make_app()\" }}\n[limits]\nbody = \"128MiB\"",
            venv.display().to_string()
        ))
        .arguments(&["--workers", "2"]);
    let applications = root().join("tests/python/frameworks");
    run(Command::new("cp").arg("-r").arg(applications.join(".")).arg(setup.plugins()));
    let django = |arguments: &[&str]| {
        let mut command = Command::new(venv.join("bin/python"));
        command.args(["-m", "django"]).args(arguments).current_dir(setup.plugins());
        command.env("PYTHONPATH", setup.plugins());
        command.env("DJANGO_SETTINGS_MODULE", "djangosite.settings");
        run(command.env("DJANGO_SUPERUSER_PASSWORD", "secret"));
    };
    django(&["migrate", "-v", "0"]);
    django(&["createsuperuser", "--noinput", "--username", "admin", "--email", "a@example.org"]);

    let server = setup.spawn();
    // Importing Django takes a second on an idle machine, and each application is tried first.
    let deadline = Instant::now() + 6 * PATIENCE;
    while !server.output().contains("listening on") && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = run(Command::new(venv.join("bin/python"))
        .arg(root().join("tests/python/drive_frameworks.py"))
        .arg(format!("http://{}", server.address()))
        .arg(server.folder()));
    assert_eq!(text.matches("passed").count(), 5, "{text}");
    server.wait_for_log("RuntimeError: on purpose");
}

/// The version of a package in an environment, as the application sees it.
const TELL: &str = "import bottle, os, sys\ndef application(environ, start_response):\n    \
                    start_response('200 OK', [])\n    \
                    return [f'{bottle.__version__} {sys.prefix} {os.getpid()}'.encode()]\n";

#[test]
fn applications_in_two_environments_run_side_by_side() {
    let first = environment("first", &["bottle==0.13.2"]);
    let second = environment("second", &["bottle==0.13.4"]);
    let setup = Setup::new().plugin("python");
    for name in ["a", "b", "c", "d"] {
        std::fs::write(setup.plugins().join(format!("{name}.py")), TELL).unwrap();
    }
    let server = setup
        .config(&format!(
            "[plugin.python]\nconfig = {{ venv = {first:?} }}\n[plugin.b]\nconfig = {{ venv = {second:?} \
             }}\n[plugin.c]\nconfig = {{ venv = \"/nowhere\" }}\n[plugin.d]\nconfig = {{ venv = \
             {second:?} }}"
        ))
        .start();
    let mut client = server.client();
    let mut tell = |name: &str| client.get(&format!("/{name}.py")).text();
    // One connection goes to and fro, also after a reload, and after one that refuses an application.
    for generation in 1..=3 {
        if generation == 3 {
            let broken = "import there_is_no_such_module";
            std::fs::write(server.plugins().join("a.py"), broken).unwrap();
        }
        if generation > 1 {
            server.signal(Signal::HUP);
            server.wait_for_log(&format!("generation {generation} serves now"));
        }
        for (name, version, venv) in [("a", "0.13.2", &first), ("b", "0.13.4", &second)].repeat(2) {
            let venv = venv.canonicalize().unwrap();
            let text = tell(name);
            let expected = format!("{version} {} ", venv.display());
            assert!(text.starts_with(&expected), "generation {generation}, {name}: {text}");
        }
    }
    assert_eq!(tell("b"), tell("d"), "one process for one environment");
    assert_eq!(server.client().get("/c.py").status, 503);
    let log = server.log();
    assert!(log.contains("plugins/c.py: /nowhere is no virtual environment"), "{log}");
}
