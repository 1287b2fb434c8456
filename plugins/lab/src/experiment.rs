//! What a lab says about itself and its experiments.

use std::time::Duration;

use crate::parameter::Parameter;
use crate::run::Run;
use crate::text::Text;

/// How an experiment ends: an error is said on the page, in its words.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// One chapter of the course.
#[derive(Debug)]
pub struct Lab {
    /// The plugin's name: `process`.
    pub name: &'static str,
    pub title: Text,
    /// A few sentences of HTML at the top of the page.
    pub introduction: Text,
    pub experiments: &'static [Experiment],
}

impl Lab {
    pub fn experiment(&self, name: &str) -> Option<&'static Experiment> {
        self.experiments.iter().find(|experiment| experiment.name == name)
    }
}

/// One row of a lab.
#[derive(Debug)]
pub struct Experiment {
    /// In the address: `/process.py/run/NAME`.
    pub name: &'static str,
    pub title: Text,
    /// The lesson, as HTML.
    pub lesson: Text,
    pub parameters: &'static [Parameter],
    /// The native code that runs, by `include_str!`.
    pub source: &'static str,
    /// What the lesson has in Python, as the lesson has it; empty for none.
    pub python: &'static str,
    pub limits: Limits,
    /// Runs in a process of its own, with one thread.
    pub run: fn(&mut Run) -> Outcome,
}

/// What one run of an experiment may use; whatever exceeds it is ended.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub time: Duration,
    /// Processes and threads at once, all together.
    pub tasks: usize,
    /// Address space of each process.
    pub memory: u64,
    /// Size of each file.
    pub file: u64,
    /// Open descriptors of each process.
    pub descriptors: u64,
}

impl Limits {
    pub const DEFAULT: Self = Self {
        time: Duration::from_secs(30),
        tasks: 64,
        memory: 1 << 30,
        file: 64 << 20,
        descriptors: 256,
    };
}
