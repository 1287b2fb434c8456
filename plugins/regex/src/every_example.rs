//! Every example of the chapter, run here and by Python.
//!
//! The file `chapter.json` of a run has an object for each example, in the order of the chapter:
//! `{"here": "…", "python": "…" or null, "same": true}`; `same`: as in the lesson and in Python.

use std::time::Duration;

use lab::{Experiment, Lang, Limits, Outcome, Run, Text, lang, say, text};
use serde_json::json;

use crate::chapter::{Example, SECTIONS, TEXT};
use crate::python3::{Answer, ask};

/// Python's prompt, entry by entry.
const PROGRAM: &str = r#"
import contextlib, io, json, re, sys, traceback
scope, shown = {}, []
for source in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(source + "\n", "<prompt>", "single"), scope)
        except BaseException as error:
            print(traceback.format_exception_only(error)[-1], end="")
    shown.append(out.getvalue())
json.dump(shown, sys.stdout)
"#;

pub const EXPERIMENT: Experiment = Experiment {
    name: "chapter",
    title: text("本章的每一个例子", "Every example of the chapter"),
    lesson: text(
        "<p>课程第 7 章（以及第 8 章里用到正则表达式的地方）的每一行都按课程的原样输入，\
         由原生代码执行，逐条与课程印出的结果和本机 Python 的结果对照。\
         Python 3.6 里的 <code>_sre.SRE_Match object</code> 现在叫 <code>re.Match object</code>。</p>",
        "<p>Each line of chapter 7, and those of chapter 8 that use regular expressions, is typed as the \
         lesson has it, run natively, and compared with what the lesson prints and with what this \
         machine's Python prints. What Python 3.6 called <code>_sre.SRE_Match object</code> is a \
         <code>re.Match object</code> now.</p>",
    ),
    parameters: &[],
    source: concat!(include_str!("emit.rs"), "\n", include_str!("re.rs")),
    python: TEXT,
    limits: Limits { time: Duration::from_secs(120), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let shown = crate::chapter::run();
    let total: usize = shown.iter().map(Vec::len).sum();
    let mut done = 0;
    for (section, results) in SECTIONS.iter().zip(&shown) {
        say!("");
        say!("== {}", if lang() == Lang::Zh { section.zh } else { section.en });
        let mut right = 0;
        for (example, found) in section.examples.iter().zip(results) {
            show(example, found);
            right += usize::from(example.right() == found);
            if example.right() != found {
                say!("不同于课程：{:?}" | "the lesson has something else: {:?}", example.right());
            }
            done += 1;
        }
        lab::progress(done, total as u64);
        let what = Text { zh: section.zh, en: section.en };
        let count = section.examples.len();
        run.check(what, format!("{count} / {count}"), format!("{right} / {count}"));
    }
    compare(run, &shown)
}

/// As at a prompt.
fn show(example: &Example, found: &str) {
    let mut prompt = ">>> ";
    for line in example.code.lines() {
        say!("{prompt}{line}");
        prompt = "... ";
    }
    if !found.is_empty() {
        say!("{}", found.strip_suffix('\n').unwrap_or(found));
    }
    if let Some((zh, en)) = example.remark {
        say!("# {}", if lang() == Lang::Zh { zh } else { en });
    }
}

fn compare(run: &mut Run, shown: &[Vec<String>]) -> Outcome {
    let codes: Vec<_> =
        SECTIONS.iter().flat_map(|section| &section.examples).map(|e| e.code.as_str()).collect();
    let answer = ask(run.folder(), PROGRAM, &json!(codes), Duration::from_secs(60))?;
    let said: Option<Vec<String>> = match answer {
        Answer::Said(said) => Some(serde_json::from_value(said)?),
        _ => None,
    };
    offer(run, shown, said.as_deref())?;
    let Some(said) = said else {
        say!("没有可以对照的 python3" | "there is no python3 to compare with");
        return Ok(());
    };
    let mut same = 0;
    for ((code, ours), theirs) in codes.iter().zip(shown.iter().flatten()).zip(&said) {
        if comparable(ours) == comparable(theirs) {
            same += 1;
        } else {
            say!(
                "不同：{code}\n  这里 {ours:?}\n  Python {theirs:?}"
                    | "different: {code}\n  here {ours:?}\n  Python {theirs:?}"
            );
        }
    }
    run.check(
        text("与 Python 的 re 相同的例子", "examples that are the same as in Python's re"),
        codes.len(),
        same,
    );
    Ok(())
}

/// The rows of the table, for its script.
fn offer(run: &Run, shown: &[Vec<String>], said: Option<&[String]>) -> Outcome {
    let examples = SECTIONS.iter().flat_map(|section| &section.examples);
    let rows: Vec<_> = examples
        .zip(shown.iter().flatten())
        .enumerate()
        .map(|(index, (example, here))| {
            let python = said.and_then(|said| said.get(index));
            let agrees = python.is_none_or(|python| comparable(python) == comparable(here));
            json!({"here": here, "python": python, "same": agrees && example.right() == here})
        })
        .collect();
    run.file("chapter.json", "application/json", &serde_json::to_vec(&rows)?);
    Ok(())
}

/// Versions of Python word their syntax errors differently.
fn comparable(shown: &str) -> &str {
    if shown.starts_with("SyntaxError:") { "SyntaxError" } else { shown }
}
