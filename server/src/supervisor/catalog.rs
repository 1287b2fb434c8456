//! The catalog: which plugins there are and which file of each is served.
//!
//! First the libraries, then the applications that language plugins among them run. Every library is
//! examined, copied under the name of its content, and tried in a process of its own. What fails a step
//! is refused, and what was served under that name before stays. Workers only ever see the copies, which
//! nobody writes to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::absent::{self, Absent};
use super::applications;
use super::history::{Good, History};
use crate::build;
use crate::check;
use crate::config::{Config, Isolation, is_plugin_name};
use crate::control::{Application, Language, Library, Passed, PluginSpec, Refusal};
use crate::own_folder::own_folder;
use crate::sandbox::{self, identity::Identity};
use crate::trial;

/// How long loading and `csgi_init` may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// What is known from earlier scans.
pub struct Catalog {
    /// What was served last, by name.
    good: BTreeMap<String, Good>,
    history: History,
    /// Copies that passed their trial, and under which circumstances: configuration, and for an
    /// application its content and its language plugin.
    tried: HashMap<(PathBuf, String), Passed>,
    /// What the kernel cannot do for isolated plugins has been said.
    has_asked_kernel: bool,
}

/// What a scan found.
pub struct Scan {
    /// By name, in order.
    pub plugins: Vec<PluginSpec>,
    /// What is not served, or not in its newest form.
    pub refusals: Vec<Refusal>,
    /// A folder whose content is refused now is served as it was before. There is no copy of that,
    /// so no new worker could serve it.
    pub is_held: bool,
}

impl Catalog {
    /// With what an earlier run has left.
    pub fn open(config: &Config) -> Self {
        let history = History::open(&config.plugins);
        let good = history.last_good();
        Self { good, history, tried: HashMap::new(), has_asked_kernel: false }
    }

    /// Makes the version before the present one that which the next scan finds.
    ///
    /// # Errors
    /// In plain words: there is none.
    pub fn roll_back(&mut self, plugin: &str) -> Result<(), String> {
        let before = self.history.roll_back(plugin)?;
        self.good.insert(plugin.to_owned(), before);
        Ok(())
    }

    /// Looks through the plugins folder. `failures` are sources that did not compile; they stand for
    /// their plugins.
    pub fn scan(&mut self, config: &Config, failures: &[build::Failure]) -> Scan {
        let mut scan = Scan { plugins: Vec::new(), refusals: Vec::new(), is_held: false };
        let mut sources = find(&config.plugins);
        for failure in failures {
            sources.entry(failure.plugin.clone()).or_insert_with(|| failure.source.clone());
        }
        self.good.retain(|name, good| good.application.is_some() || sources.contains_key(name));
        let names: HashSet<String> = sources.keys().cloned().collect();
        self.scan_libraries(config, failures, sources, &mut scan);
        self.scan_applications(config, &names, &mut scan);
        absent::leave_out(config, &self.absent(failures), &names, &mut scan);
        self.history.note(&self.good);
        scan.plugins.sort_by(|first, second| first.name.cmp(&second.name));
        if scan.plugins.iter().any(|plugin| plugin.isolation.is_some()) && !self.has_asked_kernel {
            self.has_asked_kernel = true;
            for missing in sandbox::missing() {
                tracing::warn!("isolated plugins: this kernel lacks {missing}");
            }
        }
        scan
    }

    fn scan_libraries(
        &mut self,
        config: &Config,
        failures: &[build::Failure],
        sources: BTreeMap<String, PathBuf>,
        scan: &mut Scan,
    ) {
        let mut go_plugin: Option<String> = None;
        for (name, source) in sources {
            let unknown = Refusal { plugin: name.clone(), reason: String::new() };
            let mut spec = specify(config, name.clone(), source.clone(), Err(unknown));
            if let Some(failure) = failures.iter().find(|failure| failure.plugin == name) {
                let refusal = Refusal { plugin: name.clone(), reason: failure.to_string() };
                if !matches!(failure.reason, build::Reason::PutOff) {
                    scan.refusals.push(refusal.clone());
                }
                spec.library = Err(refusal);
                scan.plugins.push(spec);
                continue;
            }
            let accepted = self.accept(&mut spec, &config.plugins, go_plugin.as_deref());
            if let Err(refusal) = accepted {
                spec.library = match self.good.get(&name) {
                    Some(good) => Ok(good.library.clone()),
                    None => Err(refusal.clone()),
                };
                scan.refusals.push(refusal);
            }
            if self.good.get(&name).is_some_and(|good| good.go) {
                go_plugin = Some(name);
            }
            scan.plugins.push(spec);
        }
    }

    /// What the language plugins run, but for `taken` names.
    fn scan_applications(&mut self, config: &Config, taken: &HashSet<String>, scan: &mut Scan) {
        let languages: Vec<_> = self.languages().collect();
        let mut found = BTreeMap::new();
        for (language, facts, library) in languages {
            for (name, source) in applications::find(&config.plugins, &facts, taken) {
                found.entry(name).or_insert((
                    source,
                    language.clone(),
                    facts.clone(),
                    library.clone(),
                ));
            }
        }
        self.good.retain(|name, good| good.application.is_none() || found.contains_key(name));
        for (name, (source, language, facts, library)) in found {
            let mut spec = specify(config, name.clone(), source, Ok(library));
            let language_config = settings(config, &language);
            let result = self.accept_application(
                &mut spec,
                &config.plugins,
                (&language, language_config, &facts),
            );
            if let Err(refusal) = result {
                match self.good.get(&name) {
                    // By the language plugin of now: a process has no two versions of one.
                    Some(good) => {
                        scan.is_held |= spec.source.is_dir();
                        spec.application.clone_from(&good.application);
                    }
                    None => spec.library = Err(refusal.clone()),
                }
                scan.refusals.push(refusal);
            }
            scan.plugins.push(spec);
        }
    }

    /// The language plugins that are served.
    fn languages(&self) -> impl Iterator<Item = (String, Language, Library)> {
        let libraries = self.good.iter().filter(|(_, good)| good.application.is_none());
        libraries.filter_map(|(name, good)| {
            let language = good.passed.language.clone()?;
            Some((name.clone(), language, good.library.clone()))
        })
    }

    /// The language plugins whose files are here, or may be, and which are not served.
    fn absent(&self, failures: &[build::Failure]) -> Vec<Absent> {
        let mut absent: Vec<_> = failures.iter().filter_map(Absent::of).collect();
        let python = Absent::python();
        let is_known = absent.iter().any(|absent| absent.suffix == python.suffix)
            || self.languages().any(|(_, language, _)| language.suffix == python.suffix);
        if !is_known {
            absent.push(python);
        }
        absent
    }

    /// Takes an application through its trial.
    fn accept_application(
        &mut self,
        spec: &mut PluginSpec,
        folder: &Path,
        (language, language_config, facts): (&str, String, &Language),
    ) -> Result<(), Refusal> {
        let (name, source) = (spec.name.clone(), spec.source.display().to_string());
        let refuse = |reason: String| Refusal {
            plugin: name.clone(),
            reason: format!("{source}: {reason}"),
        };
        let snapshot = applications::snapshot(&spec.source, facts)
            .map_err(|error| refuse(format!("it cannot be read: {error}")))?;
        let (hash, copy) = match snapshot {
            applications::Snapshot::File(bytes) => {
                let file = format!("{}{}", spec.name, facts.suffix);
                let kept = keep(&bytes, folder, &file).and_then(|(hash, copy)| {
                    let_read(&copy, spec)?;
                    Ok((hash, copy))
                });
                let (hash, copy) =
                    kept.map_err(|error| refuse(format!("cannot make a private copy: {error}")))?;
                (hash, copy)
            }
            applications::Snapshot::Folder(hash) => (
                hash,
                std::path::absolute(&spec.source).map_err(|error| refuse(error.to_string()))?,
            ),
        };
        self.refuse_if_held(spec, &hash)?;
        let library = spec.library.clone()?;
        let_read(&library.copy, spec).map_err(|error| refuse(error.to_string()))?;
        let language = language.to_owned();
        let circumstances = format!(
            "{} {hash} {language_config} {} {:?} {:?}",
            library.hash, spec.config, spec.isolation, spec.self_test
        );
        let group = String::new();
        let copied = copy.clone();
        let application = Application { language, language_config, copy: copied, hash, group };
        spec.application = Some(application.clone());
        let key = (copy, circumstances);
        let passed = match self.tried.get(&key) {
            Some(passed) => passed.clone(),
            None => trial::run(spec, TRIAL_TIMEOUT)?,
        };
        self.tried.insert(key, passed.clone());
        let application = Application { group: passed.group.clone(), ..application };
        spec.application = Some(application.clone());
        let good = Good { library, application: Some(application), go: false, passed };
        self.good.insert(spec.name.clone(), good);
        Ok(())
    }

    fn refuse_if_held(&self, spec: &PluginSpec, hash: &str) -> Result<(), Refusal> {
        if !self.history.is_held(&spec.name, hash) {
            return Ok(());
        }
        Err(Refusal {
            plugin: spec.name.clone(),
            reason: format!(
                "{}: this version was rolled back from; replace the file, or roll back once more",
                spec.source.display()
            ),
        })
    }

    /// Takes a library through every step up to its trial.
    fn accept(
        &mut self,
        spec: &mut PluginSpec,
        folder: &Path,
        go_plugin: Option<&str>,
    ) -> Result<(), Refusal> {
        let refuse = |reason: String| Refusal { plugin: spec.name.clone(), reason };
        let (report, bytes) = check::examine(&spec.source);
        if let Some(reason) = report.refusal() {
            return Err(refuse(reason));
        }
        if let (true, Some(other)) = (report.go, go_plugin) {
            return Err(refuse(format!(
                "{}: it brings a Go runtime, and so does plugin {other}; a process can hold one \
                 only: put them on servers of their own",
                spec.source.display()
            )));
        }
        let mut library = copy(spec, folder, &bytes, report.uses_origin).map_err(|error| {
            refuse(format!("{}: cannot make a private copy of it: {error}", spec.source.display()))
        })?;
        self.refuse_if_held(spec, &library.hash)?;
        library.version =
            report.manifest.as_ref().map(|manifest| manifest.version.clone()).unwrap_or_default();
        let tried = (
            library.copy.clone(),
            format!("{} {:?} {:?}", spec.config, spec.isolation, spec.self_test),
        );
        spec.library = Ok(library.clone());
        let passed = match self.tried.get(&tried) {
            Some(passed) => passed.clone(),
            None => {
                let passed = trial::run(spec, TRIAL_TIMEOUT)?;
                for finding in report.warnings() {
                    tracing::warn!("{}: {finding}", spec.source.display());
                }
                self.tried.insert(tried, passed.clone());
                passed
            }
        };
        let good = Good { library, application: None, go: report.go, passed };
        self.good.insert(spec.name.clone(), good);
        Ok(())
    }

    /// Removes the copies that this catalog made and nobody uses any more.
    pub fn remove_unused(&mut self, in_use: &HashSet<PathBuf>) {
        let good: HashSet<_> = self.history.copies().cloned().collect();
        self.tried.retain(|(copy, _), _| {
            let is_used = in_use.contains(copy) || good.contains(copy);
            // The folder of an application is its author's.
            if !is_used
                && copy.is_file()
                && let Err(error) = std::fs::remove_file(copy)
            {
                tracing::debug!("cannot remove {}: {error}", copy.display());
            }
            is_used
        });
    }
}

/// A plugin, with what the configuration says of it.
pub(super) fn specify(
    config: &Config,
    name: String,
    source: PathBuf,
    library: Result<Library, Refusal>,
) -> PluginSpec {
    PluginSpec {
        config: settings(config, &name),
        isolation: isolation(config, &name),
        self_test: self_test(config, &name),
        application: None,
        library,
        name,
        source,
    }
}

/// What a plugin may do, if it is isolated.
fn isolation(config: &Config, plugin: &str) -> Option<Isolation> {
    config.plugin.get(plugin)?.isolate.clone()
}

/// What a plugin is asked in its trial.
fn self_test(config: &Config, plugin: &str) -> Option<String> {
    config.plugin.get(plugin)?.self_test.clone()
}

/// A plugin's section of the configuration, as JSON.
fn settings(config: &Config, plugin: &str) -> String {
    let settings = config.plugin.get(plugin).and_then(|plugin| plugin.config.as_ref());
    settings.map(ToString::to_string).unwrap_or_default()
}

/// The libraries in a folder, by the name of their plugin.
fn find(folder: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::<String, PathBuf>::new();
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!("cannot look for plugins in {}: {error}", folder.display());
            return found;
        }
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // `liba.so` comes after `a.so` and does not take its place.
    paths.sort();
    for path in paths {
        let Some(name) = plugin_name(&path) else { continue };
        match found.get(&name) {
            Some(first) => tracing::warn!(
                "{} and {} are both plugin {name}; the first is served: remove one",
                first.display(),
                path.display()
            ),
            None => drop(found.insert(name, path)),
        }
    }
    found
}

/// `NAME.so` and `libNAME.so` are plugin NAME.
fn plugin_name(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".so")?;
    let name = stem.strip_prefix("lib").filter(|name| !name.is_empty()).unwrap_or(stem);
    is_plugin_name(name).then(|| name.to_owned())
}

/// Puts the examined bytes where nobody changes them.
fn copy(
    spec: &PluginSpec,
    folder: &Path,
    bytes: &[u8],
    uses_origin: bool,
) -> std::io::Result<Library> {
    let hash = applications::hash(bytes);
    // A library that looks for others beside itself must stay among them.
    let copy = if uses_origin {
        std::path::absolute(folder)?.join(format!(".{}.{hash}.so", spec.name))
    } else {
        own_folder(folder)?.join(format!("{}.{hash}.so", spec.name))
    };
    write_copy(&copy, bytes)?;
    let_read(&copy, spec)?;
    Ok(Library { copy, hash, version: String::new() })
}

/// Puts the content of an application's file where nobody changes it: its hash and its copy.
fn keep(bytes: &[u8], folder: &Path, file: &str) -> std::io::Result<(String, PathBuf)> {
    let hash = applications::hash(bytes);
    let copy = own_folder(folder)?.join(format!("{hash}.{file}"));
    write_copy(&copy, bytes)?;
    Ok((hash, copy))
}

/// A plugin that runs as another user must be able to read its copy.
fn let_read(copy: &Path, spec: &PluginSpec) -> std::io::Result<()> {
    let user = spec.isolation.as_ref().and_then(|isolation| isolation.user.as_deref());
    let identity = user.map(Identity::of_user).transpose().map_err(std::io::Error::other)?;
    identity.map_or(Ok(()), |identity| identity.let_read(copy))
}

fn write_copy(copy: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(copy).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let parent = copy.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".copy-").tempfile_in(parent)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(copy).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own_folder::OWN_FOLDER;

    #[test]
    fn names_of_plugins() {
        let name = |path: &str| plugin_name(Path::new(path));
        assert_eq!(name("p/a.so"), Some("a".to_owned()));
        assert_eq!(name("p/liba-b_1.so"), Some("a-b_1".to_owned()));
        assert_eq!(name("p/lib.so"), Some("lib".to_owned()));
        for other in ["p/a.c", "p/.a.so", "p/a.so.1", "p/a b.so", "p/.so"] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn a_library_is_served_from_a_copy_of_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let spec = PluginSpec {
            name: "a".to_owned(),
            source: folder.path().join("a.so"),
            library: Err(Refusal { plugin: "a".to_owned(), reason: String::new() }),
            config: String::new(),
            isolation: None,
            self_test: None,
            application: None,
        };
        let first = copy(&spec, folder.path(), b"one", false).unwrap();
        let second = copy(&spec, folder.path(), b"two", true).unwrap();
        assert_eq!(std::fs::read(&first.copy).unwrap(), b"one");
        // SHA-256 of "one", by sha256sum(1).
        assert_eq!(first.hash, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
        assert!(first.copy.starts_with(folder.path().join(OWN_FOLDER)));
        assert_eq!(second.copy.parent(), Some(folder.path()));
    }
}
