//! Finds the Python that this plugin is built for, and says why not if it cannot be used.
//!
//! PyO3 has found it by now: `PYO3_PYTHON`, or the `python3` of the path. The plugin is linked with
//! its shared library, and finds it again where it is now.

use std::process::exit;

fn main() {
    println!("cargo:rerun-if-env-changed=PYO3_PYTHON");
    // What kind of Python it is, for `cfg`.
    pyo3_build_config::use_pyo3_cfgs();
    let python = pyo3_build_config::get();
    let (version, name) = (python.version(), python.executable().unwrap_or("python3"));
    if !python.shared() {
        eprintln!(
            "{name} (Python {version}) has no shared library, which a server that is not Python \
             itself needs; install one (on Debian: apt-get install libpython3-dev), or build \
             Python with --enable-shared, and name it in PYO3_PYTHON"
        );
        exit(1);
    }
    if (version.major, version.minor) < (3, 9) {
        eprintln!("{name} is Python {version}; 3.9 or newer is needed: name one in PYO3_PYTHON");
        exit(1);
    }
    if let Some(folder) = python.lib_dir() {
        println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,{folder}");
    }
    println!("cargo:rustc-env=TENON_PYTHON={name}");
    println!("cargo:rustc-env=TENON_PYTHON_VERSION={}.{}", version.major, version.minor);
    let library = python.lib_name().unwrap_or("python3");
    println!("cargo:rustc-env=TENON_PYTHON_LIBRARY=lib{library}.so");
}
