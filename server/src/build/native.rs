//! C and C++ sources, by the system's compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    C,
    Cpp,
}

/// By the end of a file's name.
pub(super) fn language(path: &Path) -> Option<Language> {
    match path.extension()?.to_str()? {
        "c" => Some(Language::C),
        "cc" | "cpp" | "cxx" => Some(Language::Cpp),
        _ => None,
    }
}

/// A compiler and how it is called.
pub(super) struct Compiler {
    /// With arguments of its own, as make(1) takes it: `ccache gcc`.
    program: Vec<String>,
    package: &'static str,
    flags: Vec<String>,
}

impl Compiler {
    /// `$CC` or `cc`, `$CXX` or `c++`; `include` is where csgi.h is.
    pub(super) fn new(is_cpp: bool, include: &Path) -> Self {
        let (variable, default, package, language): (_, _, _, &[&str]) = if is_cpp {
            // Unique symbols would be shared with the other plugins of the process.
            ("CXX", "c++", "g++", &["-std=c++17", "-fno-gnu-unique"])
        } else {
            ("CC", "cc", "gcc", &["-std=gnu11"])
        };
        let common = ["-shared", "-fPIC", "-O2", "-g", "-Wall", "-fvisibility=hidden"];
        let mut flags: Vec<_> = common.iter().chain(language).map(ToString::to_string).collect();
        flags.push("-pthread".to_owned());
        flags.push(format!("-I{}", include.display()));
        let chosen = std::env::var(variable).unwrap_or_default();
        let mut program: Vec<_> = chosen.split_whitespace().map(str::to_owned).collect();
        if program.is_empty() {
            program.push(default.to_owned());
        }
        Self { program, package, flags }
    }

    /// Changes when the library would: sources, the headers beside them, csgi.h, compiler and flags.
    pub(super) fn fingerprint(&self, files: &[PathBuf]) -> Result<String, String> {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        self.program.iter().chain(&self.flags).for_each(|flag| add(flag.as_bytes()));
        add(super::HEADER.as_bytes());
        let headers = headers_beside(files);
        for file in files.iter().chain(&headers) {
            add(file.as_os_str().as_encoded_bytes());
            let bytes = std::fs::read(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            add(&bytes);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The library's bytes, or what the compiler says.
    pub(super) fn compile(&self, files: &[PathBuf], folder: &Path) -> Result<Vec<u8>, String> {
        let made = tempfile::Builder::new().prefix(".cc-").suffix(".so").tempfile_in(folder);
        let made =
            made.map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
        let result = Command::new(&self.program[0])
            .args(&self.program[1..])
            .args(&self.flags)
            .args(files)
            .arg("-o")
            .arg(made.path())
            .output();
        let output = result.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!(
                "the compiler {} is not installed; on Debian: apt-get install {}",
                self.program[0], self.package
            ),
            _ => format!("cannot start the compiler {}: {error}", self.program[0]),
        })?;
        let words = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(words.into_owned());
        }
        if !words.trim().is_empty() {
            tracing::warn!("{}", words.trim_end());
        }
        std::fs::read(made.path()).map_err(|error| format!("cannot read the new library: {error}"))
    }
}

fn headers_beside(files: &[PathBuf]) -> Vec<PathBuf> {
    let folder = files.first().and_then(|file| file.parent());
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut headers: Vec<_> =
        entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    headers.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("h" | "hh" | "hpp")) && path.is_file()
    });
    headers.sort();
    headers
}
