//! The configuration of an application, `[plugin.NAME] config = { … }`, and which Python
//! environment it asks for.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The Python that this plugin is built for.
pub const VERSION: &str = env!("TENON_PYTHON_VERSION");

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The virtual environment; relative to the folder of the plugins.
    pub venv: Option<PathBuf>,
    /// `app`, `package.app`, or a factory: `make_app()`.
    pub callable: Option<String>,
    /// What to import, if it is not the file or the folder itself: `mysite.wsgi`.
    pub module: Option<String>,
    /// More folders to import from; relative to the application's folder.
    pub path: Vec<PathBuf>,
}

impl Settings {
    /// # Errors
    /// What is wrong with the configuration.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(json).map_err(|error| format!("its configuration: {error}"))
    }

    /// The environment, checked. `plugins` is the folder of the plugins.
    ///
    /// # Errors
    /// It is no environment, or one of another Python.
    pub fn environment(&self, plugins: &Path) -> Result<Option<PathBuf>, String> {
        let Some(venv) = &self.venv else { return Ok(None) };
        let venv = plugins.join(venv);
        let file = venv.join("pyvenv.cfg");
        let shown = venv.display();
        let text = std::fs::read_to_string(&file).map_err(|error| {
            format!("{shown} is no virtual environment: cannot read its pyvenv.cfg: {error}")
        })?;
        let version = version_in(&text).ok_or_else(|| {
            format!("{} names no version of Python; make the environment anew", file.display())
        })?;
        if version != VERSION {
            return Err(format!(
                "the environment {shown} is one of Python {version}, and this plugin is built for \
                 {VERSION}; make it with python{VERSION} -m venv, or build the plugin with \
                 PYO3_PYTHON=python{version}"
            ));
        }
        venv.canonicalize().map(Some).map_err(|error| format!("{shown}: {error}"))
    }
}

/// `version = 3.11.7`, and `version_info = 3.11.7.final.0` as the package virtualenv writes it.
fn version_in(text: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    let (_, value) = pairs.find(|(key, _)| matches!(key.trim(), "version" | "version_info"))?;
    let numbers: Vec<_> = value.trim().splitn(3, '.').take(2).collect();
    Some(numbers.join("."))
}
