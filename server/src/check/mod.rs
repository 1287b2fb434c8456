//! The load checks: what can be said of a library before any of its code runs, and `tenon check`.

mod elf;
mod report;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use csgi::raw;

use crate::control::{Library, Passed, PluginSpec};
use crate::trial;
pub use report::Report;

/// How long `csgi_init` and constructors may take in `tenon check`.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Examines a library; gives its content too if it can be served, so that what was examined is what
/// is used.
pub fn examine(file: &Path) -> (Report, Vec<u8>) {
    let mut report = Report::new(file.to_owned());
    let bytes = match read(file, &mut report) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.refuse(format!("it cannot be read: {error}"));
            Vec::new()
        }
    };
    if report.ok {
        elf::examine(&bytes, &mut report);
    }
    (report, bytes)
}

/// Examines what a library's file holds.
pub fn examine_bytes(file: &Path, bytes: &[u8]) -> Report {
    let mut report = Report::new(file.to_owned());
    elf::examine(bytes, &mut report);
    report
}

/// What the loader asks of a library's file: its manifest, and how many bytes of it nobody writes to once
/// it is loaded.
pub fn manifest_in(file: &Path) -> Option<(raw::Manifest, usize)> {
    let bytes = std::fs::read(file).ok()?;
    // By the C library, because `rustix` looks for it in memory that valgrind does not show.
    let page_size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    let page_size = page_size.and_then(|size| u64::try_from(size).ok());
    let constants = page_size.and_then(|page_size| elf::constants_length(&bytes, page_size));
    elf::manifest(&bytes).map(|manifest| (manifest, constants.unwrap_or(0)))
}

fn read(file: &Path, report: &mut Report) -> std::io::Result<Vec<u8>> {
    // A FIFO would wait for its writer without O_NONBLOCK.
    let mut opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file)?;
    let metadata = opened.metadata()?;
    if !metadata.is_file() {
        report.refuse("it is not a regular file");
        return Ok(Vec::new());
    }
    if metadata.mode() & 0o002 != 0 {
        report.refuse("every user of this machine can write to it; run chmod o-w on it");
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    if folder.metadata()?.mode() & 0o002 != 0 {
        report.refuse("every user of this machine can write to its folder; run chmod o-w on that");
    }
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The command `tenon check FILE.so… [--json]`: examines each file and loads it in a process of its
/// own. Status 0: all can be served; 1: some cannot.
pub fn command(files: &[PathBuf], json: bool) -> ExitCode {
    let reports: Vec<_> = files.iter().map(|file| full_report(file)).collect();
    if json {
        match serde_json::to_string_pretty(&reports) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("tenon: cannot write the reports as JSON: {error}");
                return ExitCode::from(2);
            }
        }
    } else {
        reports.iter().for_each(|report| println!("{report}"));
    }
    if reports.iter().all(|report| report.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn full_report(file: &Path) -> Report {
    let (mut report, _) = examine(file);
    if !report.ok {
        return report;
    }
    // dlopen(3) looks for a name without a slash elsewhere.
    let copy = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let spec = PluginSpec {
        name,
        source: file.to_owned(),
        library: Ok(Library { copy, hash: String::new(), version: String::new() }),
        config: String::new(),
        isolation: None,
        self_test: None,
        application: None,
    };
    match trial::run(&spec, TRIAL_TIMEOUT) {
        Ok(Passed { language: Some(language), .. }) => {
            report.note(format!("it runs applications: files that end in {}", language.suffix));
        }
        Ok(_) => {}
        Err(refusal) => {
            let prefix = format!("{}: ", file.display());
            report.refuse(refusal.reason.strip_prefix(&prefix).unwrap_or(&refusal.reason));
        }
    }
    report
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn refusal(file: &Path) -> String {
        examine(file).0.refusal().unwrap_or_default()
    }

    /// A library `p.so` in that folder.
    pub fn compile(folder: &Path, source: &str, flags: &[&str]) -> PathBuf {
        let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin-api/include");
        let (code, library) = (folder.join("p.c"), folder.join("p.so"));
        std::fs::write(&code, source).unwrap();
        let status = std::process::Command::new("cc")
            .args(["-shared", "-fPIC", "-I", include, "-o"])
            .args([&library, &code])
            .args(flags)
            .status();
        assert!(status.unwrap().success());
        library
    }

    /// A plugin that answers nothing.
    pub const GOOD: &str = "#include <csgi.h>\nCSGI_PLUGIN(\"p\", \"1\", CSGI_THREADSAFE);\n\
        csgi_body *application(const csgi_env *e, csgi_start_response s)\
        { (void)e; (void)s; return 0; }\n";

    #[test]
    fn a_good_library_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), GOOD, &["-Wl,-rpath,$ORIGIN/x"]);
        let (report, bytes) = examine(&library);
        assert!(report.ok, "{report}");
        let manifest = report.manifest.unwrap();
        assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("p", "1"));
        assert!(manifest.threadsafe && !manifest.nonblocking && report.uses_origin);
        assert_eq!(manifest_in(&library).unwrap().0.magic, raw::MAGIC);
        assert_eq!(bytes, std::fs::read(&library).unwrap());
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.so");
        assert!(refusal(&file).contains("cannot be read"));
        std::fs::write(&file, "hello").unwrap();
        assert!(refusal(&file).contains("not a shared library"));
        assert!(refusal(folder.path()).contains("not a regular file"));

        let no_manifest = GOOD.replace("CSGI_PLUGIN(\"p\", \"1\", CSGI_THREADSAFE);", "");
        assert!(refusal(&compile(folder.path(), &no_manifest, &[])).contains("no manifest"));
        let no_application = GOOD.replace("application", "other");
        let library = compile(folder.path(), &no_application, &[]);
        assert!(refusal(&library).contains("does not export application"));
        let new_flag = GOOD.replace("CSGI_THREADSAFE", "1u << 20");
        assert!(refusal(&compile(folder.path(), &new_flag, &[])).contains("0x100000"));
    }

    #[test]
    fn every_beginning_of_a_library_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let whole = std::fs::read(compile(folder.path(), GOOD, &[])).unwrap();
        let file = folder.path().join("cut.so");
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&file, &whole[..length]).unwrap();
            assert!(!examine(&file).0.ok, "{length} of {} bytes", whole.len());
        }
    }

    #[test]
    fn no_damaged_byte_makes_the_checks_panic() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = std::fs::read(compile(folder.path(), GOOD, &["-s"])).unwrap();
        for position in 0..bytes.len() {
            let whole = bytes[position];
            for damaged in [0, 0xff, whole ^ 0x10] {
                bytes[position] = damaged;
                elf::examine(&bytes, &mut Report::new(PathBuf::new()));
            }
            bytes[position] = whole;
        }
    }

    #[test]
    fn an_executable_stack_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), GOOD, &["-Wl,-z,execstack"]);
        let (report, _) = examine(&library);
        assert!(report.warnings().any(|text| text.contains("executable stack")), "{report}");
    }

    #[test]
    fn a_file_that_anybody_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let library = compile(folder.path(), GOOD, &[]);
        std::fs::set_permissions(&library, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(refusal(&library).contains("chmod o-w"));
    }
}
