//! Patterns that try too many ways: they end with a limit, not with a hang.

use std::rc::Rc;
use std::time::{Duration, Instant};

use lab::{Experiment, Limits, Outcome, Parameter, Run, same, say, text as words};
use serde_json::json;

use crate::engine::{Reach, STEPS};
use crate::python3::{Answer, ask};
use crate::re::{Error, Pattern};
use crate::syntax::Flags;

/// `re.search`, and nothing but whether it found something.
const PROGRAM: &str = r#"
import json, re, sys
pattern, text = json.load(sys.stdin)
json.dump(re.search(pattern, text) is not None, sys.stdout)
"#;
/// How long Python may try.
const PYTHON: Duration = Duration::from_secs(2);

pub const EXPERIMENT: Experiment = Experiment {
    name: "catastrophe",
    title: words("灾难性的模式", "Catastrophic patterns"),
    lesson: words(
        "<p><code>(a+)+$</code> 看起来无害。但对 <code>aaaa…a!</code>，每个 a 都可以属于这一组或下一组：\
         n 个 a 有 2<sup>n-1</sup> 种分法，引擎要全部试完才能说“不匹配”。Python 会一直算下去；\
         这里的引擎数着自己的步数，超过限制就报告清楚的错误。</p>",
        "<p><code>(a+)+$</code> looks harmless. But in <code>aaaa…a!</code> each a may belong to this group or \
         to the next: n of them can be divided in 2<sup>n-1</sup> ways, and all have to be tried before \
         the answer is “no match”. Python goes on and on; the engine here counts its steps and says \
         clearly when there are too many.</p>",
    ),
    parameters: &[
        Parameter::choice(
            "pattern",
            words("模式", "pattern"),
            &[
                ("(a+)+$", same("(a+)+$")),
                ("(a|a)*$", same("(a|a)*$")),
                ("(a|aa)+$", same("(a|aa)+$")),
                ("(a*)*\\b$", same("(a*)*\\b$")),
                ("(.*a){20}$", same("(.*a){20}$")),
            ],
        ),
        Parameter::integer("count", words("a 的个数", "number of a"), 1, 1000, 40),
    ],
    source: include_str!("engine.rs"),
    python: "",
    limits: Limits { time: Duration::from_secs(120), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let pattern = run.values.get("pattern").to_owned();
    let text: Rc<str> = ("a".repeat(run.values.count("count")) + "!").into();
    let start = Instant::now();
    let found = Pattern::new(&pattern, Flags::default())
        .and_then(|pattern| pattern.find(&text, Reach::Search));
    let seconds = start.elapsed().as_secs_f64();
    let outcome = match &found {
        Ok(Some(found)) => {
            say!("{}", found.repr());
            "match"
        }
        Ok(None) => {
            say!("None");
            "no match"
        }
        Err(Error::Limit(message)) => {
            say!("{message}");
            "limit"
        }
        Err(Error::Syntax(error)) => return Err(error.to_string().into()),
    };
    run.value("outcome", words("这里", "here"), outcome);
    run.value("seconds", words("用时（秒）", "time (s)"), format!("{seconds:.3}"));
    // A search that ends by itself must say what Python says; one that does not must say so.
    let expected = match ask(run.folder(), PROGRAM, &json!([pattern, text.as_ref()]), PYTHON)? {
        Answer::Said(found) => {
            let answer = if found == json!(true) { "match" } else { "no match" };
            run.value("python", words("Python", "Python"), answer);
            // Python may still manage what is too much for so many steps.
            if outcome == "limit" { "limit" } else { answer }
        }
        Answer::Late => {
            let seconds = PYTHON.as_secs();
            say!(
                "Python 在 {seconds} 秒内没有结果，已被终止"
                    | "Python has no answer after {seconds} s; it was ended"
            );
            run.value("python", words("Python", "Python"), "no answer");
            outcome
        }
        Answer::None => {
            say!("没有可以对照的 python3" | "there is no python3 to compare with");
            outcome
        }
    };
    say!("限制：每次搜索 {STEPS} 步" | "the limit: {STEPS} steps of one search");
    run.check(words("有结果，或有清楚的限制", "an answer, or a clear limit"), expected, outcome);
    Ok(())
}
