//! The build script of every lab: makes the plugin's library a program too.
//!
//! An experiment runs in a fresh process, and the host's executable is not ours to run. So the
//! library gets the C start code that every program has, and `ld.so NAME.so` runs its `lab_main`.

pub fn main() {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut words = compiler.split_whitespace();
    let output = std::process::Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .arg("-print-file-name=Scrt1.o")
        .output()
        .unwrap_or_else(|error| panic!("cannot run the C compiler {compiler}: {error}"));
    let start_code = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_found = std::path::Path::new(&start_code).is_absolute();
    assert!(is_found, "{compiler} has no Scrt1.o; install the package libc6-dev");
    println!("cargo:rustc-cdylib-link-arg={start_code}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-e,_start");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--defsym=main=lab_main");
    // Nothing in the lab's folder changes it.
    println!("cargo:rerun-if-changed=../lab/program.rs");
    println!("cargo:rerun-if-env-changed=CC");
}
