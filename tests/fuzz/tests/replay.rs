//! The committed inputs: seeds, and every input that ever broke something.

use std::path::Path;

use fuzz::TARGETS;

#[test]
fn nothing_that_is_committed_breaks_anything() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let folder = corpus.join(target.name);
        let mut count = 0;
        let entries = std::fs::read_dir(&folder).expect("every target has seeds");
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            let bytes = std::fs::read(&path).expect("a seed can be read");
            let tried = std::panic::catch_unwind(|| (target.run)(&bytes));
            assert!(tried.is_ok(), "{} breaks {}", path.display(), target.name);
            count += 1;
        }
        assert!(count >= 5, "{} has only {count} seeds", target.name);
    }
}
