//! The plugins that are installed, at /installed.py: a page for people, JSON for the welcome page.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::Path;

use csgi::{Env, Response};
use lab::{Lang, escape, text};
use serde_json::json;

// It reads one folder, which takes microseconds and may in principle wait for a disk.
#[csgi::application(threadsafe)]
fn application(env: &Env) -> Response {
    let names = match lab::library().and_then(|library| installed_beside(&library)) {
        Ok(names) => names,
        Err(error) => {
            let text = format!("cannot list the plugins: {error}\n");
            return Response::text(text).status(500);
        }
    };
    let response = match env.header("accept") {
        Some(b"application/json") => {
            let plugins: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            Response::json(json!({"plugins": plugins}).to_string())
        }
        _ => Response::html(page(&names, lab::asked_lang(env))),
    };
    response.header("vary", "accept, accept-language").header("cache-control", "no-store")
}

/// The names of the libraries in the plugins folder, in order. A host may load a copy from a folder
/// of its own in there.
fn installed_beside(library: &Path) -> std::io::Result<Vec<String>> {
    let folder = library.parent().unwrap_or(Path::new("/"));
    let is_own = folder.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let folder = if is_own { folder.parent().unwrap_or(folder) } else { folder };
    let mut names: Vec<_> =
        std::fs::read_dir(folder)?.filter_map(|entry| plugin_name(&entry.ok()?.path())).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// `NAME.so` and `libNAME.so` are plugin NAME.
fn plugin_name(path: &Path) -> Option<String> {
    let is_library = path.extension().is_some_and(|end| end == "so");
    let name = path.file_stem()?.to_str()?;
    let name = name.strip_prefix("lib").unwrap_or(name);
    (is_library && !name.starts_with('.') && !name.is_empty()).then(|| name.to_owned())
}

fn page(names: &[String], lang: Lang) -> String {
    let mut list = String::from("<ul class=\"cards\">");
    for name in names {
        let name = escape(name);
        let _ = write!(
            list,
            "<li><a href=\"/{name}.py\"><strong>{name}</strong><code>/{name}.py</code></a>"
        );
    }
    list.push_str("</ul>\n");
    let title = text("已安装的插件", "Installed plugins");
    lab::frame("installed", title, lang, "/installed.py", &list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_named_as_the_server_names_them() {
        let name = |path: &str| plugin_name(Path::new(path));
        assert_eq!(name("/p/a.so").as_deref(), Some("a"));
        assert_eq!(name("/p/libhello.so").as_deref(), Some("hello"));
        assert_eq!(name("/p/a.c"), None);
        assert_eq!(name("/p/.build-x.so"), None);
    }
}
