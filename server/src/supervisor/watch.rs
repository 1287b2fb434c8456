//! Watches the plugins folder, and says so when it has changed and then been quiet for a moment.

use std::path::{Component, Path};
use std::sync::mpsc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// A copy that is still being written goes on making events; this long without one is an end.
const QUIET: Duration = Duration::from_millis(150);

/// Watches until it is dropped.
pub struct Watch {
    _watcher: RecommendedWatcher,
}

/// What counts as a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Libraries in the folder itself.
    Libraries,
    /// Sources in it and below it too.
    Sources,
}

impl Watch {
    /// Calls `changed` on a thread of its own after each change.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub fn start(
        folder: &Path,
        scope: Scope,
        changed: impl Fn() + Send + 'static,
    ) -> notify::Result<Self> {
        let root = std::path::absolute(folder)?;
        let (sender, events) = mpsc::channel();
        let filter = root.clone();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let matters = match event {
                    Ok(event) => {
                        !matches!(event.kind, EventKind::Access(kind) if !is_end_of_writing(kind))
                            && (event.need_rescan()
                                || event.paths.iter().any(|path| matters(&filter, path, scope)))
                    }
                    // Events were lost: look.
                    Err(_) => true,
                };
                if matters {
                    // The receiver lives as long as the process.
                    let _ = sender.send(());
                }
            })?;
        let mode = match scope {
            Scope::Libraries => RecursiveMode::NonRecursive,
            Scope::Sources => RecursiveMode::Recursive,
        };
        watcher.watch(&root, mode)?;
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            while events.recv().is_ok() {
                while events.recv_timeout(QUIET).is_ok() {}
                changed();
            }
        })?;
        Ok(Self { _watcher: watcher })
    }
}

fn is_end_of_writing(kind: notify::event::AccessKind) -> bool {
    kind == notify::event::AccessKind::Close(notify::event::AccessMode::Write)
}

/// Is this a path whose change can matter? Files of the server's own and of compilers are not.
fn matters(root: &Path, path: &Path, scope: Scope) -> bool {
    let Ok(relative) = path.strip_prefix(root) else { return false };
    let is_ours = |component: Component<'_>| {
        let name = component.as_os_str().to_string_lossy();
        name.starts_with('.') || name == "target"
    };
    if relative.components().any(is_ours) {
        return false;
    }
    scope == Scope::Sources || path.extension().is_some_and(|extension| extension == "so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters() {
        let root = Path::new("/p");
        let matters = |path: &str, scope| matters(root, Path::new(path), scope);
        assert!(matters("/p/a.so", Scope::Libraries));
        assert!(!matters("/p/a.c", Scope::Libraries));
        assert!(matters("/p/b/src/lib.rs", Scope::Sources));
        for ours in ["/p/.tenon/a.so", "/p/.a.1.so", "/p/b/target/x.so", "/q/a.so"] {
            assert!(!matters(ours, Scope::Sources), "{ours}");
        }
    }
}
