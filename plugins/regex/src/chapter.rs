//! Every example of the chapter: what the lesson types, what it gets, and what it gets here.

use std::sync::LazyLock;

use crate::python::Session;

/// The lesson's own lines, section by section.
pub const TEXT: &str = include_str!("chapter.txt");

/// Examples of one kind.
pub struct Section {
    pub zh: &'static str,
    pub en: &'static str,
    pub examples: Vec<Example>,
}

/// One entry at the prompt.
#[derive(Default)]
pub struct Example {
    /// As it is typed, without `>>> ` and `... `.
    pub code: String,
    /// As the lesson prints it, for today's Python.
    pub expected: String,
    /// Where the lesson errs: what Python prints, and a remark in Chinese and in English.
    pub correction: Option<String>,
    pub remark: Option<(&'static str, &'static str)>,
}

impl Example {
    /// What must come out.
    pub fn right(&self) -> &str {
        self.correction.as_ref().unwrap_or(&self.expected)
    }
}

pub static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| read(TEXT));

fn read(text: &'static str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("== ") {
            let (zh, en) = both(title);
            sections.push(Section { zh, en, examples: Vec::new() });
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(code) = line.strip_prefix(">>> ") {
            section.examples.push(Example { code: code.to_owned(), ..Example::default() });
            continue;
        }
        let Some(example) = section.examples.last_mut() else { continue };
        if let Some(code) = line.strip_prefix("... ") {
            example.code += &format!("\n{code}");
        } else if let Some(right) = line.strip_prefix("? ") {
            example.correction.get_or_insert_default().extend([right, "\n"]);
        } else if let Some(remark) = line.strip_prefix("! ") {
            example.remark = Some(both(remark));
        } else {
            example.expected += &(today(line) + "\n");
        }
    }
    sections
}

/// Chinese and English, on one line. A bar of their own is not between spaces and a letter of both
/// kinds, so the last one that is divides them.
fn both(line: &'static str) -> (&'static str, &'static str) {
    let middle = line.match_indices(" | ").map(|(position, _)| position);
    let is_divider = |position: &usize| !line[position + 3..].contains(|c: char| c > '\u{2e7f}');
    let position = middle.into_iter().find(is_divider).unwrap_or(line.len());
    (&line[..position], line[position..].trim_start_matches(" | "))
}

/// The lesson's Python 3.6 names two things otherwise.
fn today(line: &str) -> String {
    line.replace("_sre.SRE_Match object", "re.Match object").replace(
        "EOL while scanning string literal",
        "unterminated string literal (detected at line 1)",
    )
}

/// Runs all examples, in one session, and gives what each shows.
pub fn run() -> Vec<Vec<String>> {
    let mut session = Session::default();
    let sections = SECTIONS.iter();
    sections
        .map(|section| section.examples.iter().map(|example| session.run(&example.code)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_gives_what_the_lesson_says() {
        let shown = run();
        assert_eq!(shown.iter().map(Vec::len).sum::<usize>(), 148, "all of them have been read");
        for (section, results) in SECTIONS.iter().zip(&shown) {
            assert!(!section.zh.is_empty() && section.en.is_ascii(), "{}", section.en);
            for (example, found) in section.examples.iter().zip(results) {
                assert_eq!(found, example.right(), "{}", example.code);
            }
        }
    }
}
