//! Compiles the sources in a plugins folder to libraries: `NAME.c`, `NAME.cpp`, `NAME/*.c` and
//! `NAME/Cargo.toml` become `NAME.so`.
//!
//! Only what has changed is compiled. A library appears under its name in one step or not at all,
//! and one mistake does not keep the others from being built. Where somebody waits, what takes long
//! is put off, so that the rest can be served meanwhile.

mod manifest;
mod native;
mod record;
mod rust;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossbeam::queue::SegQueue;

use crate::config::is_plugin_name;
use record::{Entry, Record};

/// The header, carried along so that an installed server needs no source tree.
const HEADER: &str = include_str!("../../../plugin-api/include/csgi.h");
/// The folder of our own inside the output folder.
const OWN_FOLDER: &str = ".tenon";

/// What a plugin is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// C or C++ files, compiled into one library. The headers beside them count as sources.
    Native { files: Vec<PathBuf>, is_cpp: bool },
    /// A crate, by its `Cargo.toml`.
    Crate(PathBuf),
}

/// A library that is up to date now.
#[derive(Debug)]
pub struct Built {
    pub plugin: String,
    pub library: PathBuf,
}

/// A source that did not become a library.
#[derive(Clone, Debug)]
pub struct Failure {
    pub plugin: String,
    pub source: PathBuf,
    pub reason: Reason,
    /// Of the files that it would run.
    pub suffix: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Reason {
    /// The compiler's own words.
    Mistake(String),
    /// What the crate needs and this machine has not.
    Lacking(String),
    /// Nothing yet: it has never been built, and its turn is in the next round.
    PutOff,
}

impl From<String> for Reason {
    fn from(words: String) -> Self {
        Self::Mistake(words)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.source.display();
        match &self.reason {
            Reason::Mistake(words) => write!(formatter, "{source}: it does not compile:\n{words}"),
            Reason::Lacking(words) => write!(formatter, "{source}: it is not built: {words}"),
            Reason::PutOff => write!(formatter, "{source}: it is being built; look again soon"),
        }
    }
}

#[derive(Debug, Default)]
pub struct Outcome {
    pub built: Vec<Built>,
    pub failed: Vec<Failure>,
    /// Something was put off: build again.
    pub is_partial: bool,
}

/// One plugin to build.
struct Task {
    plugin: String,
    path: PathBuf,
    source: Source,
}

/// What became of a task.
struct Made {
    entry: Entry,
    /// The library is of an earlier run, and whether it is up to date was not asked.
    is_put_off: bool,
}

impl Made {
    fn now(entry: Entry) -> Self {
        Self { entry, is_put_off: false }
    }
}

/// Builds what is in a folder.
pub struct Builder {
    sources: PathBuf,
    out: PathBuf,
    effort: Effort,
}

/// How much time a compiler may take for a faster library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// What the sources ask for.
    Full,
    /// While somebody waits: crates are linked without optimising them as a whole, and after so long
    /// those that have never been built are put off; all crates, if that is no time at all.
    Quick { patience: Duration },
}

impl Builder {
    /// `sources` and `out` may be the same folder.
    pub fn new(sources: &Path, out: &Path) -> Self {
        Self { sources: sources.to_owned(), out: out.to_owned(), effort: Effort::Full }
    }

    /// For whoever waits to see something.
    pub fn quick(self, patience: Duration) -> Self {
        Self { effort: Effort::Quick { patience }, ..self }
    }

    /// Builds everything that is not up to date.
    ///
    /// # Errors
    /// A folder cannot be read or written. What does not compile is no error: it is in the outcome.
    pub fn build(&self) -> std::io::Result<Outcome> {
        let tasks = find(&self.sources)?;
        let mut record = Record::read(&self.record_path());
        self.remove_orphans(&mut record, &tasks);
        if tasks.is_empty() {
            return record.write(&self.record_path()).map(|()| Outcome::default());
        }
        let include = self.out.join(OWN_FOLDER).join("include");
        std::fs::create_dir_all(&include)?;
        replace(&include.join("csgi.h"), HEADER.as_bytes())?;
        let mut outcome = Outcome::default();
        for (task, result) in self.build_all(tasks, &record, &include) {
            match result {
                Ok(Made { entry, is_put_off }) => {
                    let library = self.library(&task.plugin);
                    record.set(&task.plugin, entry);
                    outcome.is_partial |= is_put_off;
                    outcome.built.push(Built { plugin: task.plugin, library });
                }
                Err(reason) => {
                    outcome.is_partial |= matches!(reason, Reason::PutOff);
                    let suffix = match &task.source {
                        Source::Crate(manifest) => manifest::suffix(manifest),
                        Source::Native { .. } => None,
                    };
                    let (plugin, source) = (task.plugin, task.path);
                    outcome.failed.push(Failure { plugin, source, reason, suffix });
                }
            }
        }
        outcome.built.sort_by(|first, second| first.plugin.cmp(&second.plugin));
        outcome.failed.sort_by(|first, second| first.plugin.cmp(&second.plugin));
        record.write(&self.record_path())?;
        Ok(outcome)
    }

    /// One thread per processor takes tasks until there are none.
    fn build_all(
        &self,
        tasks: Vec<Task>,
        record: &Record,
        include: &Path,
    ) -> Vec<(Task, Result<Made, Reason>)> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len());
        let queue = SegQueue::new();
        tasks.into_iter().for_each(|task| queue.push(task));
        let done = SegQueue::new();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| {
                    while let Some(task) = queue.pop() {
                        let result = self.build_one(&task, record, include, begun);
                        done.push((task, result));
                    }
                });
            }
        });
        done.into_iter().collect()
    }

    fn build_one(
        &self,
        task: &Task,
        record: &Record,
        include: &Path,
        begun: Instant,
    ) -> Result<Made, Reason> {
        let library = self.library(&task.plugin);
        match &task.source {
            Source::Native { files, is_cpp } => {
                let compiler = native::Compiler::new(*is_cpp, include);
                let fingerprint = compiler.fingerprint(files)?;
                if let Some(entry) = record.up_to_date(&task.plugin, &fingerprint, &library) {
                    return Ok(Made::now(entry));
                }
                let bytes = compiler.compile(files, &self.out)?;
                store(&library, &bytes)?;
                Ok(Made::now(Entry::new(fingerprint, &bytes)))
            }
            Source::Crate(manifest) => {
                if let Some(words) = manifest::missing(manifest)? {
                    return Err(Reason::Lacking(words));
                }
                let known = record.up_to_date(&task.plugin, "", &library);
                if self.puts_off(begun.elapsed(), known.is_none()) {
                    let earlier = |entry| Made { entry, is_put_off: true };
                    return known.map(earlier).ok_or(Reason::PutOff);
                }
                let start = Instant::now();
                let bytes = rust::compile(manifest, self.effort)?;
                // The same bytes again are no change for whoever watches.
                if std::fs::read(&library).ok().as_deref() != Some(&bytes) {
                    store(&library, &bytes)?;
                    let seconds = start.elapsed().as_secs_f32();
                    tracing::info!("built {} in {seconds:.1} s", task.plugin);
                }
                Ok(Made::now(Entry::new(String::new(), &bytes)))
            }
        }
    }

    /// Whether a crate waits for the next round, after so much time in this one.
    fn puts_off(&self, elapsed: Duration, is_new: bool) -> bool {
        match self.effort {
            Effort::Full => false,
            Effort::Quick { patience } => elapsed >= patience && (is_new || patience.is_zero()),
        }
    }

    fn library(&self, plugin: &str) -> PathBuf {
        self.out.join(format!("{plugin}.so"))
    }

    fn record_path(&self) -> PathBuf {
        self.out.join(OWN_FOLDER).join("build.json")
    }

    /// A library whose source is gone goes too, if it is still the one that was built.
    fn remove_orphans(&self, record: &mut Record, tasks: &[Task]) {
        for (plugin, entry) in record.without(|name| tasks.iter().any(|task| task.plugin == name)) {
            let library = self.library(&plugin);
            if entry.is_of(&library) && std::fs::remove_file(&library).is_ok() {
                tracing::info!("removed {}: its source is gone", library.display());
            }
        }
    }
}

/// The plugins that can be built from a folder.
fn find(folder: &Path) -> std::io::Result<Vec<Task>> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        let text = format!("cannot look for plugins in {}: {error}", folder.display());
        std::io::Error::new(error.kind(), text)
    })?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut tasks = Vec::<Task>::new();
    for path in paths {
        let Some((plugin, source)) = source_of(&path) else { continue };
        match tasks.iter().find(|task| task.plugin == plugin) {
            Some(first) => tracing::warn!(
                "{} and {} are both plugin {plugin}; the first is built: remove one",
                first.path.display(),
                path.display()
            ),
            None => tasks.push(Task { plugin, path, source }),
        }
    }
    Ok(tasks)
}

/// What a path in the plugins folder is a source of.
fn source_of(path: &Path) -> Option<(String, Source)> {
    let name = path.file_stem()?.to_str()?;
    if path.is_dir() {
        let name = path.file_name()?.to_str().filter(|name| is_plugin_name(name))?;
        let manifest = path.join("Cargo.toml");
        if manifest.is_file() {
            if manifest::is_shared(&manifest) {
                return None;
            }
            return Some((name.to_owned(), Source::Crate(manifest)));
        }
        let mut files: Vec<_> =
            std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| native::language(file).is_some());
        files.sort();
        let is_cpp = files.iter().any(|file| native::language(file) == Some(native::Language::Cpp));
        return (!files.is_empty()).then(|| (name.to_owned(), Source::Native { files, is_cpp }));
    }
    let language = native::language(path)?;
    let is_cpp = language == native::Language::Cpp;
    is_plugin_name(name)
        .then(|| (name.to_owned(), Source::Native { files: vec![path.to_owned()], is_cpp }))
}

fn store(library: &Path, bytes: &[u8]) -> Result<(), String> {
    replace(library, bytes).map_err(|error| format!("cannot write {}: {error}", library.display()))
}

/// Writes a file in one step; its readers see the old or the new one.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".build-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Compiles a folder into itself, as far as it gets in that time. An error that is none of a source's
/// goes to the log: what lies there already can still be served.
pub fn in_place(folder: &Path, patience: Duration) -> Outcome {
    let outcome = Builder::new(folder, folder).quick(patience).build();
    outcome.unwrap_or_else(|error| {
        tracing::error!("cannot build the plugins: {error}");
        Outcome::default()
    })
}

/// The command `tenon build`. Status 0: all is built that this machine can build; 1: something does not compile; 100: a folder
/// cannot be read or written.
pub fn command(sources: &Path, out: &Path) -> ExitCode {
    // The folder of the sources is not made here: nothing would be in it.
    let outcome = find(sources)
        .and_then(|_| std::fs::create_dir_all(out))
        .and_then(|()| Builder::new(sources, out).build());
    match outcome {
        Ok(outcome) => {
            for built in &outcome.built {
                println!("{}: {}", built.plugin, built.library.display());
            }
            for failure in &outcome.failed {
                eprintln!("{failure}");
            }
            let is_mistaken =
                outcome.failed.iter().any(|one| matches!(one.reason, Reason::Mistake(_)));
            if is_mistaken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("tenon: cannot build the plugins in {}: {error}", sources.display());
            ExitCode::from(100)
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
