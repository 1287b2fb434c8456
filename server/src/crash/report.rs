//! A crash as people read it, and as it is kept: JSON, to which keys are only ever added.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::control::PluginSpec;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Names the record: time, process, thread's place.
    pub id: String,
    /// RFC 3339, UTC.
    pub time: String,
    /// What happened, in one word: a signal's name, `exit` or `hang`.
    pub event: String,
    /// More of it: the signal's code, the status of an exit.
    pub detail: Option<String>,
    /// The address that could not be used.
    pub address: Option<String>,
    /// None: the thread was in no plugin.
    pub plugin: Option<PluginSpec>,
    pub generation: u64,
    pub process: u64,
    pub thread: u64,
    pub request: Option<RequestReport>,
    /// Innermost first.
    pub frames: Vec<Frame>,
    pub registers: Vec<(String, String)>,
    /// The last lines of log of the request, with their level.
    pub lines: Vec<(String, String)>,
    /// What could not be found out.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestReport {
    /// As in the log.
    pub id: String,
    /// Method, target and version.
    pub line: String,
    /// Values are replaced by as many asterisks, but for those that say where the message ends.
    pub headers: Vec<(String, String)>,
    pub is_redacted: bool,
    /// Bytes of the body that were in memory.
    pub body_length: u64,
    /// The body in hexadecimal, if it is kept.
    pub body: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// In the process.
    pub address: String,
    /// The file that the code is from, and where in it (its own addresses).
    pub module: Option<String>,
    pub offset: Option<String>,
    pub build_id: Option<String>,
    pub function: Option<String>,
    /// `FILE:LINE`
    pub location: Option<String>,
    /// The compiler has put this function into the one that comes next.
    pub is_inlined: bool,
}

/// What a list shows of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub id: String,
    pub time: String,
    pub plugin: Option<String>,
    pub event: String,
    pub request: Option<String>,
    /// The innermost function with a name.
    pub place: Option<String>,
}

impl Report {
    pub fn summary(&self) -> Summary {
        Summary {
            id: self.id.clone(),
            time: self.time.clone(),
            plugin: self.plugin.as_ref().map(|plugin| plugin.name.clone()),
            event: self.event.clone(),
            request: self.request.as_ref().map(|request| request.line.clone()),
            place: self.place(),
        }
    }

    /// Where it happened: the innermost frame of the plugin's own, else the innermost with a name.
    fn place(&self) -> Option<String> {
        let library = self.plugin.as_ref().and_then(|plugin| plugin.library.as_ref().ok());
        let copy = library.map(|library| library.copy.display().to_string());
        let own = self.frames.iter().find(|frame| copy.is_some() && frame.module == copy);
        let frame = own.or_else(|| self.frames.iter().find(|frame| frame.function.is_some()))?;
        let function = frame.function.as_deref().unwrap_or("?");
        Some(match &frame.location {
            Some(location) => format!("{function} ({})", short(location)),
            None => function.to_owned(),
        })
    }

    /// One line for the log.
    pub fn headline(&self) -> String {
        let who = match &self.plugin {
            Some(plugin) => format!("plugin {}", plugin.name),
            None => "a worker".to_owned(),
        };
        let what = match self.event.as_str() {
            "exit" => "ended the process".to_owned(),
            "hang" => "did not come back".to_owned(),
            signal => format!("crashed with {signal}"),
        };
        let detail = self.detail.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
        let address = self.address.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
        let place = self.place().map(|place| format!(" in {place}")).unwrap_or_default();
        let request = self.request.as_ref();
        let request = request.map(|one| format!(", request {}: {}", one.id, one.line));
        let request = request.unwrap_or_default();
        format!("{who} {what}{detail}{address}{place}{request}; tenon ctl crash {}", self.id)
    }
}

/// Text of others for a terminal or a line of log: what controls those is shown, not sent.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push('\n'),
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// The last two parts of a path.
fn short(location: &str) -> &str {
    let mut slashes = location.rmatch_indices('/').skip(1);
    slashes.next().map_or(location, |(position, _)| &location[position + 1..])
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "{}: {}", self.time, self.headline())?;
        if let Some(plugin) = &self.plugin {
            write!(to, "plugin {}", plugin.name)?;
            if let Ok(library) = &plugin.library {
                write!(to, " {}, SHA-256 {}", library.version, library.hash)?;
            }
            writeln!(to, ", from {}", plugin.source.display())?;
        }
        let Self { generation, process, thread, .. } = self;
        writeln!(to, "generation {generation}, process {process}, thread {thread}")?;
        if let Some(request) = &self.request {
            writeln!(to, "\nrequest {}:\n  {}", request.id, request.line)?;
            for (name, value) in &request.headers {
                writeln!(to, "  {name}: {value}")?;
            }
            if request.body_length > 0 {
                writeln!(to, "  and {} bytes of body", request.body_length)?;
            }
        }
        if !self.lines.is_empty() {
            writeln!(to, "\nits last lines of log:")?;
        }
        for (level, text) in &self.lines {
            writeln!(to, "  {level}: {text}")?;
        }
        writeln!(to, "\nstack:")?;
        for (number, frame) in self.frames.iter().enumerate() {
            writeln!(to, "{number:>3}  {frame}")?;
        }
        for note in &self.notes {
            writeln!(to, "note: {note}")?;
        }
        for row in self.registers.chunks(4) {
            let row: Vec<_> =
                row.iter().map(|(name, value)| format!("{name:>3} {value:>18}")).collect();
            writeln!(to, "  {}", row.join("  "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let function = self.function.as_deref().unwrap_or("?");
        write!(to, "{function}")?;
        if let Some(location) = &self.location {
            write!(to, " at {location}")?;
        }
        if self.is_inlined {
            return write!(to, " (inlined)");
        }
        match (&self.module, &self.offset) {
            (Some(module), Some(offset)) => write!(to, "\n     {module} + {offset}")?,
            _ => write!(to, "\n     {}", self.address)?,
        }
        match &self.build_id {
            Some(id) => write!(to, ", build id {id}"),
            None => Ok(()),
        }
    }
}
