//! `tenon check` with libraries that misbehave while they are loaded: each is named as what it is,
//! in bounded time, and nothing of it stays behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helper functions too")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const START: &str = "#include <csgi.h>\n#include <stdio.h>\n\
    #include <stdlib.h>\n#include <unistd.h>\n\
    CSGI_PLUGIN(\"p\", \"1\", CSGI_THREADSAFE);\n\
    csgi_body *application(const csgi_env *e, csgi_start_response s)\
    { (void)e; (void)s; return 0; }\n";

fn compile(folder: &Path, rest: &str) -> PathBuf {
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin-api/include");
    let (code, library) = (folder.join("p.c"), folder.join("p.so"));
    std::fs::write(&code, format!("{START}{rest}\n")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-I", include, "-o"]).args([&library, &code]);
    assert!(cc.status().unwrap().success());
    library
}

fn check(library: &Path) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tenon")).arg("check").arg(library).output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

/// Compiles and checks; what is said of it.
fn verdict(rest: &str) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    check(&compile(folder.path(), rest))
}

#[test]
fn a_good_plugin_passes() {
    let (output, text) = verdict("int32_t csgi_init(const csgi_host *h) { (void)h; return 1; }");
    assert!(output.status.success(), "{text}");
}

#[test]
fn a_crash_is_named_with_its_phase() {
    let (output, text) =
        verdict("__attribute__((constructor)) static void c(void) { *(volatile int *)8 = 1; }");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("SIGSEGV") && text.contains("constructor"), "{text}");
    let (_, text) = verdict("int32_t csgi_init(const csgi_host *h) { (void)h; abort(); }");
    assert!(text.contains("SIGABRT") && text.contains("csgi_init"), "{text}");
    let (_, text) = verdict("__attribute__((constructor)) static void c(void) { _exit(0); }");
    assert!(text.contains("ended the process with status 0"), "{text}");
}

#[test]
fn what_a_plugin_prints_does_not_hide_the_outcome() {
    let (output, text) = verdict("void csgi_exit(void) { printf(\"x\"); fflush(stdout); }");
    assert!(output.status.success(), "{text}");
}

#[test]
fn a_process_that_a_plugin_started_neither_delays_nor_outlives_the_trial() {
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("pid");
    let library = compile(
        folder.path(),
        &format!(
            "__attribute__((constructor)) static void c(void) {{\
               pid_t pid = fork();\
               if (pid == 0) {{ sleep(60); _exit(0); }}\
               FILE *f = fopen(\"{}\", \"w\"); fprintf(f, \"%d\", (int)pid); fclose(f);\
               *(volatile int *)8 = 1; }}",
            pid_file.display()
        ),
    );
    let start = Instant::now();
    let (_, text) = check(&library);
    assert!(text.contains("SIGSEGV"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let pid: u32 = std::fs::read_to_string(pid_file).unwrap().parse().unwrap();
    let gone = || {
        // Until somebody collects it, it is there as a zombie.
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.is_empty() || status.contains("State:\tZ")
    };
    while !gone() {
        assert!(start.elapsed() < Duration::from_secs(10), "process {pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Takes as long as `tenon check` waits.
#[test]
fn a_plugin_that_hangs_with_its_output_closed_is_given_up() {
    let start = Instant::now();
    let (output, text) =
        verdict("int32_t csgi_init(const csgi_host *h) { (void)h; close(1); for (;;) pause(); }");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("csgi_init has not returned"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
}
