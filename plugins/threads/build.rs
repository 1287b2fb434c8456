//! Links the start code as every lab does, and compiles the lesson's C library, which the plugin
//! carries along to load it at run time.

use std::path::Path;
use std::process::Command;

#[path = "../lab/program.rs"]
mod program;

fn main() {
    program::main();
    let folder = std::env::var("OUT_DIR").expect("cargo names the folder");
    let library = Path::new(&folder).join("libdealthread.so");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    // As the lesson: gcc a.c -shared -o libdealthread.so
    let status = Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .args(["-shared", "-fPIC", "dealthread.c", "-o"])
        .arg(&library)
        .status()
        .unwrap_or_else(|error| panic!("cannot run the C compiler {compiler}: {error}"));
    assert!(status.success(), "dealthread.c does not compile");
    println!("cargo:rerun-if-changed=dealthread.c");
}
