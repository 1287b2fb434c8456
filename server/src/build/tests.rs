//! Building with the real compiler.

use std::time::SystemTime;

use super::*;

const GOOD: &str = "#include <csgi.h>\nCSGI_PLUGIN(\"p\", \"1\", 0);\n\
    csgi_body *application(const csgi_env *e, csgi_start_response s) { (void)e; (void)s; return 0; }\n";

fn build(folder: &Path) -> Outcome {
    Builder::new(folder, folder).build().unwrap()
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().unwrap().modified().unwrap()
}

#[test]
fn one_mistake_does_not_keep_the_others_from_being_built() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.c"), GOOD).unwrap();
    std::fs::write(folder.path().join("bad.c"), "int f( {").unwrap();
    std::fs::write(folder.path().join("plus.cpp"), GOOD).unwrap();
    std::fs::create_dir(folder.path().join("many")).unwrap();
    std::fs::write(folder.path().join("many/one.c"), GOOD).unwrap();
    std::fs::write(folder.path().join("many/two.c"), "int two(void) { return 2; }").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no source").unwrap();
    let outcome = build(folder.path());
    let built: Vec<_> = outcome.built.iter().map(|built| built.plugin.as_str()).collect();
    assert_eq!(built, ["good", "many", "plus"]);
    assert_eq!(outcome.failed.len(), 1);
    let words = outcome.failed[0].to_string();
    assert!(words.contains("bad.c:1"), "{words}");
    assert!(crate::check::manifest_in(&folder.path().join("good.so")).is_some());
    assert!(!folder.path().join("bad.so").exists());
}

#[test]
fn only_what_has_changed_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("a.c"), folder.path().join("a.so"));
    std::fs::write(&source, GOOD).unwrap();
    build(folder.path());
    let first = modified(&library);
    build(folder.path());
    assert_eq!(modified(&library), first, "nothing has changed");
    std::fs::write(folder.path().join("own.h"), "/* new */").unwrap();
    build(folder.path());
    assert_ne!(modified(&library), first, "a header beside it has changed");
    std::fs::remove_file(&library).unwrap();
    build(folder.path());
    assert!(library.exists(), "the library was missing");
}

#[test]
fn a_library_goes_with_its_source_unless_it_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name).with_extension("c"), GOOD).unwrap();
    }
    build(folder.path());
    std::fs::write(folder.path().join("b.so"), "by hand").unwrap();
    std::fs::remove_file(folder.path().join("a.c")).unwrap();
    std::fs::remove_file(folder.path().join("b.c")).unwrap();
    build(folder.path());
    assert!(!folder.path().join("a.so").exists());
    assert!(folder.path().join("b.so").exists());
}

#[test]
fn a_folder_without_sources_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.so"), "by hand").unwrap();
    assert!(build(folder.path()).built.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn write_crate(folder: &Path, name: &str, crate_type: &str) {
    let source = folder.join(name).join("src");
    std::fs::create_dir_all(&source).unwrap();
    std::fs::write(source.join("lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n[lib]\n{crate_type}\n[workspace]\n"
    );
    std::fs::write(folder.join(name).join("Cargo.toml"), manifest).unwrap();
}

#[test]
fn a_crate_that_plugins_share_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    write_crate(folder.path(), "plain", "crate-type = [\"cdylib\"]");
    write_crate(folder.path(), "shared", "crate-type = [\"rlib\"]");
    write_crate(folder.path(), "forgotten", "");
    let outcome = build(folder.path());
    let built: Vec<_> = outcome.built.iter().map(|built| built.plugin.as_str()).collect();
    assert_eq!(built, ["plain"]);
    // Nothing said may be a mistake, and is told.
    let failed: Vec<_> = outcome.failed.iter().map(|failure| failure.plugin.as_str()).collect();
    assert_eq!(failed, ["forgotten"]);
    let words = outcome.failed[0].to_string();
    assert!(words.contains("cdylib"), "{words}");
}

#[test]
fn a_crate_is_passed_over_where_it_cannot_be_built() {
    let folder = tempfile::tempdir().unwrap();
    write_crate(folder.path(), "needs", "crate-type = [\"cdylib\"]");
    let manifest = folder.path().join("needs/Cargo.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let command = "test -e there || { echo there is nothing; exit 3; }";
    let text = format!("{text}\n[package.metadata.tenon]\nrequires = '{command}'\n");
    std::fs::write(&manifest, text).unwrap();
    let outcome = build(folder.path());
    assert!(outcome.built.is_empty());
    let words = outcome.failed[0].to_string();
    assert!(words.ends_with("needs: it is not built: there is nothing"), "{words}");
    std::fs::write(folder.path().join("needs/there"), "").unwrap();
    assert_eq!(build(folder.path()).built.len(), 1);
    let wrong = std::fs::read_to_string(&manifest).unwrap().replace("requires", "require");
    std::fs::write(&manifest, wrong).unwrap();
    let words = build(folder.path()).failed[0].to_string();
    assert!(words.contains("require") && words.contains("expected"), "{words}");
}
