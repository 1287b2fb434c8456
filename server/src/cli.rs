//! The command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, AccessLog, Config, ConfigError, ControlSocket, LogFormat};
use crate::crash::autopsy;
use crate::ctl::command::Action;
use crate::ctl::protocol;
use crate::ctl::replay::Under;
use crate::supervisor::Options;
use crate::{build, check, crash, ctl, logging, supervisor, trial, worker};

/// The configuration that is used when it is there and none is named.
const CONFIG_FILE: &str = "tenon.toml";

const ABOUT: &str = "Tenon serves native plugins over HTTP: a library dropped into plugins/ answers \
at /NAME.py.";

const LESSON: &str = r#"The first plugin, plugins/hello.c:

  #include <csgi.h>
  CSGI_PLUGIN("hello", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

  csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
      csgi_header type = { CSGI_S("content-type"), CSGI_S("text/plain") };
      start_response(env, "200 OK", &type, 1);
      return env->host->bytes(env, "Hello, world\n", 13, NULL, NULL);
  }

Then:

  tenon dev                    compiles what is in plugins/, serves it at
                               http://127.0.0.1:8000/hello.py, and does so again
                               whenever a source changes
  tenon build                  compiles only
  tenon serve                  serves the libraries in plugins/ and the files in html/
  tenon check plugins/*.so     says whether a library can be served, and why not
  tenon ctl status             says what the running server serves; tenon ctl --help
                               names all that it can be asked

Signals: SIGTERM and SIGINT finish what runs and stop; SIGHUP reads the configuration
and the plugins anew; SIGUSR1 opens the access log's file anew, after it was moved away;
SIGUSR2 starts the server's program anew from its file, without losing a request.

The configuration is ./tenon.toml, or the file named with --config; every key is optional.
The log goes to standard error; TENON_LOG=debug makes it longer.

Exit status: 0 success; 100 a mistake that will repeat, such as a wrong configuration;
111 a failure that may pass, such as a port that is in use."#;

#[derive(Parser)]
#[command(name = "tenon", version, about = ABOUT, after_long_help = LESSON, after_help = "See --help for a first plugin.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(args_override_self = true)]
    /// Serve the libraries in the plugins folder and the files in the html folder
    Serve(Serving),
    #[command(args_override_self = true)]
    /// The same, and compile the sources in the plugins folder whenever they change
    Dev(Serving),
    /// Compile the sources in the plugins folder to libraries
    Build {
        /// Where the sources are
        #[arg(long, value_name = "DIR", default_value = "plugins")]
        plugins: PathBuf,
        /// Where the libraries go [default: the folder of the sources]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Say whether libraries can be served, and why not
    Check {
        #[arg(required = true, value_name = "FILE.so")]
        files: Vec<PathBuf>,
        /// Print the reports as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask a running server, or tell it something
    Ctl(Ctl),
    #[command(hide = true)]
    Worker,
    #[command(hide = true)]
    Trial,
    #[command(hide = true)]
    Autopsy,
    #[command(hide = true)]
    Replay { file: PathBuf },
}

/// What `serve` and `dev` take; each wins over the configuration file.
#[derive(Args)]
struct Serving {
    /// The configuration file [default: tenon.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An address to listen on, may be given several times; port 0 lets the system choose
    /// [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// The folder of the plugins [default: plugins]
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// The folder of the static files [default: html]
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
    /// Worker processes [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Threads of each worker; one is always kept out of plugins that may block [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1024))]
    threads: Option<u16>,
    /// How long one call into a plugin may take; its client gets 504 then [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = config::parse_time)]
    request_timeout: Option<Duration>,
    /// Do not look for changed plugins; SIGHUP does so once
    #[arg(long)]
    no_watch: bool,
    /// One line per request: off, stdout, syslog or a file [default: off; with dev: stdout]
    #[arg(long, value_name = "WHERE")]
    access_log: Option<String>,
    /// What a line says: common, combined, json, or a text with $names [default: combined]
    #[arg(long, value_name = "FORMAT")]
    access_log_format: Option<LogFormat>,
}

impl Serving {
    fn config(&self, dev: bool) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        if dev {
            config.access_log = AccessLog::Stdout;
        }
        config = file_config(self.config.as_deref(), config)?;
        if !self.listen.is_empty() {
            config.listen.clone_from(&self.listen);
        }
        let Self { plugins, html, .. } = self;
        plugins.iter().for_each(|path| config.plugins.clone_from(path));
        html.iter().for_each(|path| config.html.clone_from(path));
        config.workers = self.workers.map_or(config.workers, usize::from);
        config.threads = self.threads.map_or(config.threads, usize::from);
        config.timeouts.request = self.request_timeout.unwrap_or(config.timeouts.request);
        config.watch &= !self.no_watch;
        self.access_log_format
            .iter()
            .for_each(|format| config.access_log_format.clone_from(format));
        match self.access_log.as_deref() {
            None => {}
            Some(text) => config.access_log = AccessLog::named(text, Path::new("")),
        }
        config.check_folders()?;
        Ok(config)
    }
}

/// Which server, and what.
#[derive(Args)]
struct Ctl {
    /// The configuration file of the server [default: tenon.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// The server's folder of plugins [default: plugins]
    #[arg(long, value_name = "DIR", global = true)]
    plugins: Option<PathBuf>,
    /// The server's control socket, where the configuration does not tell
    #[arg(long, value_name = "PATH", global = true)]
    control: Option<PathBuf>,
    #[command(subcommand)]
    action: CtlAction,
}

#[derive(Subcommand)]
enum CtlAction {
    /// Generations, workers, and every plugin with its version or why it is not served
    Status {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Every request that a thread is inside a plugin for, with its age
    Top {
        /// Print it once instead of refreshing it
        #[arg(long)]
        once: bool,
        /// Print it once, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read the configuration and the plugins anew, and wait until they serve
    Reload,
    /// The crashes that are on record, newest first
    Crashes {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// One crash: what happened, in which request, and where; or its request once more
    Crash(CrashArguments),
    /// Serve the version of a plugin that was served before this one
    Rollback {
        #[arg(value_name = "NAME")]
        plugin: String,
    },
    /// Start the server's own program anew from its file, without losing a request, and wait until it
    /// serves
    Upgrade,
    /// Replace all workers by new ones, without losing a request
    Recycle,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CrashArguments {
    #[arg(value_name = "ID", required = true)]
    id: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    replay: Option<CrashAction>,
}

#[derive(Subcommand)]
enum CrashAction {
    /// Run its request again, against the library that crashed, in a process of its own; exit status
    /// 2 if that one ends or hangs too
    Replay {
        #[arg(value_name = "ID")]
        id: String,
        /// Under gdb
        #[arg(long, conflicts_with = "valgrind")]
        gdb: bool,
        /// Under valgrind
        #[arg(long)]
        valgrind: bool,
    },
}

impl CrashArguments {
    fn action(self) -> Action {
        match self.replay {
            Some(CrashAction::Replay { id, gdb, valgrind }) => {
                let under = match (gdb, valgrind) {
                    (true, _) => Under::Gdb,
                    (_, true) => Under::Valgrind,
                    _ => Under::Nothing,
                };
                Action::Replay { id, under }
            }
            None => Action::Crash { id: self.id.unwrap_or_default(), json: self.json },
        }
    }
}

impl Ctl {
    fn run(self) -> ExitCode {
        let action = match self.action {
            CtlAction::Status { json } => Action::Status { json },
            CtlAction::Top { once, json } => Action::Top { once, json },
            CtlAction::Reload => Action::Reload,
            CtlAction::Crashes { json } => Action::Crashes { json },
            CtlAction::Crash(arguments) => arguments.action(),
            CtlAction::Rollback { plugin } => Action::Say(protocol::Command::Rollback { plugin }),
            CtlAction::Upgrade => Action::Upgrade,
            CtlAction::Recycle => Action::Say(protocol::Command::Recycle),
        };
        let config = match file_config(self.config.as_deref(), Config::default()) {
            Ok(config) => config,
            Err(error) => {
                eprintln!("tenon ctl: {error}");
                return ExitCode::from(100);
            }
        };
        let control = self.control.map_or(config.control, ControlSocket::At);
        let plugins = self.plugins.unwrap_or(config.plugins);
        ctl::command::run(&Config { control, plugins, ..config }, action)
    }
}

/// The configuration of a file, or of the one that is used when it is there and none is named.
fn file_config(named: Option<&Path>, defaults: Config) -> Result<Config, ConfigError> {
    let usual = Path::new(CONFIG_FILE);
    match named.or_else(|| usual.exists().then_some(usual)) {
        Some(file) => config::load(file, defaults),
        None => Ok(defaults),
    }
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing better can be done if even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(100) } else { ExitCode::SUCCESS };
        }
    };
    logging::start();
    match cli.command {
        Command::Serve(serving) => serve(serving, false),
        Command::Dev(serving) => serve(serving, true),
        Command::Build { plugins, out } => {
            build::command(&plugins, out.as_deref().unwrap_or(&plugins))
        }
        Command::Check { files, json } => check::command(&files, json),
        Command::Ctl(arguments) => arguments.run(),
        Command::Worker => worker::run(),
        Command::Trial => trial::command(),
        Command::Autopsy => autopsy::command(),
        Command::Replay { file } => crash::replay::command(&file),
    }
}

fn serve(serving: Serving, dev: bool) -> ExitCode {
    match serving.config(dev) {
        Ok(config) => {
            let reread = Box::new(move || serving.config(dev).map_err(|error| error.to_string()));
            supervisor::run(Options { config, dev, reread })
        }
        Err(error) => {
            eprintln!("tenon: {error}");
            ExitCode::from(100)
        }
    }
}
