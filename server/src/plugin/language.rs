//! Language plugins (`csgi.language/1`): what they run, and letting them load and end an application.

use std::path::Path;

use csgi::raw;

use super::host::{Face, text};
use super::unwind::{Thrown, guard};
use crate::control::Language;

/// Folder files that a plugin may name.
const FOLDER_FILES: usize = 16;

/// A plugin's table, checked.
#[derive(Clone)]
pub struct Runner {
    load: unsafe extern "C-unwind" fn(*const raw::Host, raw::Str, raw::Str, *mut raw::Str) -> i32,
    unload: unsafe extern "C-unwind" fn(*const raw::Host),
    pub language: Language,
}

impl Runner {
    /// The language that a library runs. After `csgi_init`.
    ///
    /// # Errors
    /// Its table is not as csgi.h says.
    pub fn of(extension: Option<raw::Extension>) -> Result<Option<Self>, String> {
        let Some(extension) = extension else { return Ok(None) };
        let table = guard(|| {
            // SAFETY: `load` found this symbol in the plugin; the id is NUL-terminated.
            unsafe { extension(c"csgi.language/1".as_ptr()) }
        });
        let table = table.map_err(|Thrown(what)| format!("csgi_extension: {what}"))?;
        if table.is_null() {
            return Ok(None);
        }
        // SAFETY: csgi.h says that this id stands for such a table, which lives until csgi_exit.
        let table = unsafe { *table.cast::<raw::Language1>() };
        let wrong = |what: &str| format!("its table csgi.language/1 is wrong: {what}");
        let (Some(load), Some(unload)) = (table.load, table.unload) else {
            return Err(wrong("load or unload is NULL"));
        };
        let suffix = string(&table.suffix).ok_or_else(|| wrong("suffix is no text"))?;
        let is_fit = |name: &str| !name.is_empty() && !name.contains('/');
        if !suffix.starts_with('.') || suffix.len() < 2 || !is_fit(&suffix) || suffix == ".so" {
            return Err(wrong("suffix must be a point and letters, and not .so"));
        }
        if table.folder_file_count > FOLDER_FILES
            || (table.folder_files.is_null() && table.folder_file_count > 0)
        {
            return Err(wrong("folder_files points nowhere, or there are more than 16"));
        }
        let files = match table.folder_file_count {
            0 => &[][..],
            // SAFETY: not null, and csgi.h says that there are so many.
            count => unsafe { std::slice::from_raw_parts(table.folder_files, count) },
        };
        let folder_files: Option<Vec<_>> =
            files.iter().map(|file| string(file).filter(|name| is_fit(name))).collect();
        let folder_files =
            folder_files.ok_or_else(|| wrong("folder_files are not all names of files"))?;
        Ok(Some(Self { load, unload, language: Language { suffix, folder_files } }))
    }

    /// Lets the plugin load an application; gives its group. On the loader thread.
    ///
    /// # Errors
    /// What the plugin logged last.
    pub fn load(&self, face: &'static Face, file: &str, copy: &Path) -> Result<String, String> {
        let copy = copy.as_os_str().as_encoded_bytes();
        let mut group = raw::Str { ptr: std::ptr::null(), len: 0 };
        let result = guard(|| {
            // SAFETY: `of` took the function from the plugin's table; the texts live during the
            // call, the face as long as the process.
            unsafe { (self.load)(face.table(), text(file), text(copy), &raw mut group) }
        });
        match result {
            Ok(raw::OK) => string(&group).ok_or_else(|| "its group is no text".to_owned()),
            Ok(_) => Err(face.take_last_line().unwrap_or_else(|| {
                "it cannot be loaded, and its language plugin did not log why".to_owned()
            })),
            Err(Thrown(what)) => Err(format!("its language plugin: {what}")),
        }
    }

    /// Ends an application. On the loader thread.
    pub fn unload(&self, face: &'static Face) {
        let _ = guard(|| {
            // SAFETY: as in `load`, with the host of an application that was loaded.
            unsafe { (self.unload)(face.table()) }
        });
    }
}

/// A text of the plugin's, if it is UTF-8.
fn string(text: &raw::Str) -> Option<String> {
    if text.len == 0 {
        return Some(String::new());
    }
    if text.ptr.is_null() {
        return None;
    }
    // SAFETY: not null; csgi.h says that these strings are constant and so long.
    let bytes = unsafe { std::slice::from_raw_parts(text.ptr.cast::<u8>(), text.len) };
    String::from_utf8(bytes.to_vec()).ok()
}
