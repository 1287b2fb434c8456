//! Generated patterns on many texts, run here and by Python.

use std::rc::Rc;
use std::time::Duration;

use lab::{Experiment, Lang, Limits, Outcome, Run, lang, say, text};
use serde_json::{Value, json};

use crate::python3::{Answer, ask};
use crate::re::{Error, Pattern};
use crate::syntax::Flags;

/// One pattern a line, as JSON.
const PATTERNS: &str = include_str!("generated/patterns.jsonl");
/// One text a line, as JSON.
const TEXTS: &str = include_str!("generated/texts.jsonl");
/// Where something else comes out here: pattern, text, and why, in Chinese and in English, as JSON.
const DIFFERENCES: &str = include_str!("generated/differences.jsonl");
/// Texts for each pattern.
const EACH: usize = 3;

/// The spans of all groups of all matches, or the error.
const PROGRAM: &str = r#"
import json, re, sys
def spans(pattern, text):
    try:
        groups = range(re.compile(pattern).groups + 1)
        return [[list(found.span(group)) for group in groups] for found in re.finditer(pattern, text)]
    except (re.error, OverflowError) as error:
        return str(error)
json.dump([spans(pattern, text) for pattern, text in json.load(sys.stdin)], sys.stdout)
"#;

pub const EXPERIMENT: Experiment = Experiment {
    name: "generated",
    title: text("几百个随机生成的模式", "A few hundred generated patterns"),
    lesson: text(
        "<p>几百个随机生成的模式（分组、反向引用、前后查找、非贪婪、占有、条件、错误的写法……），\
         每个用几段文字，与本机 Python 的 <code>re</code> 逐一比较：每个匹配、每个分组的位置，以及错误的字句。\
         已知的不同之处列在表里，并说明原因；不在表里的不同就是错误。</p>",
        "<p>A few hundred generated patterns (groups, back-references, look-around, lazy, possessive, \
         conditions, mistakes …) on several texts each, compared with this machine's Python: where each \
         match and each group is, and the words of each error. Known differences are listed and \
         explained; one that is not listed is a failure.</p>",
    ),
    parameters: &[],
    source: include_str!("emit.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(240), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let (cases, known) = (cases()?, read(DIFFERENCES)?);
    run.value("cases", text("模式 × 文字", "patterns × texts"), cases.len());
    let answer = ask(run.folder(), PROGRAM, &json!(cases), Duration::from_secs(100))?;
    let theirs = match answer {
        Answer::Said(Value::Array(said)) => Some(said),
        _ => {
            say!("没有可以对照的 python3" | "there is no python3 to compare with");
            None
        }
    };
    let (mut finished, mut found, mut unlisted) = (0, 0, 0);
    for (index, (pattern, text)) in cases.iter().enumerate() {
        let ours = spans(pattern, text);
        finished += usize::from(ours.is_ok());
        let Some(theirs) = theirs.as_ref().and_then(|theirs| theirs.get(index)) else { continue };
        let ours = ours.unwrap_or_else(|limit| json!(limit));
        if ours != *theirs {
            let reason =
                known.iter().find(|line| line[0] == json!(pattern) && line[1] == json!(text));
            found += 1;
            unlisted += usize::from(reason.is_none());
            let place = if lang() == Lang::Zh { 2 } else { 3 };
            let reason = reason.map_or("?", |line| line[place].as_str().unwrap_or_default());
            say!(
                "不同：{pattern:?} {text:?}\n  这里 {ours}\n  Python {theirs}\n  {reason}"
                    | "different: {pattern:?} {text:?}\n  here {ours}\n  Python {theirs}\n  {reason}"
            );
        }
        if index % 100 == 0 {
            lab::progress(index as u64, cases.len() as u64);
        }
    }
    run.check(text("没有超过限制的", "cases that end within the limits"), cases.len(), finished);
    if theirs.is_some() {
        run.value("differences", text("不同之处", "differences"), found);
        run.check(text("没有列出的不同", "differences that are not listed"), 0, unlisted);
    }
    Ok(())
}

fn read(lines: &str) -> Result<Vec<Value>, serde_json::Error> {
    lines.lines().map(serde_json::from_str).collect()
}

/// Every pattern with some of the texts, in turn, and what is listed as different.
fn cases() -> Result<Vec<(String, String)>, serde_json::Error> {
    let texts: Vec<String> = TEXTS.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut turn = texts.iter().cycle();
    let mut cases = Vec::new();
    for line in PATTERNS.lines() {
        let pattern: String = serde_json::from_str(line)?;
        cases.extend(turn.by_ref().take(EACH).map(|text| (pattern.clone(), text.clone())));
    }
    for line in DIFFERENCES.lines() {
        let (pattern, text, _, _): (String, String, String, String) = serde_json::from_str(line)?;
        cases.push((pattern, text));
    }
    Ok(cases)
}

/// As Python's program gives them; an error is a limit of ours.
fn spans(pattern: &str, text: &str) -> Result<Value, String> {
    let text: Rc<str> = text.into();
    let all = match Pattern::new(pattern, Flags::default()) {
        Err(Error::Syntax(error)) => return Ok(json!(error.to_string())),
        Err(Error::Limit(limit)) => return Err(limit),
        Ok(pattern) => pattern.all(&text, None),
    };
    let all = all.map_err(|error| format!("{error:?}"))?;
    let span = |span: Option<(usize, usize)>| match span {
        Some((start, end)) => json!([start, end]),
        None => json!([-1, -1]),
    };
    let groups = all.iter().map(|found| (0..=found.count()).map(|group| span(found.span(group))));
    Ok(groups.map(|groups| groups.collect::<Value>()).collect())
}
