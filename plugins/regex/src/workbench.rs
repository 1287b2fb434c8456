//! The workbench: one call of `re`, its result as Python shows it, and where the matches are.

use std::rc::Rc;
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Parameter, Run, same, say, text};
use serde_json::json;

use crate::engine::Reach;
use crate::python::{self, Exception, Session, Value};
use crate::python3::{Answer, ask};
use crate::re::{Match, Pattern};
use crate::syntax::Flags;
use crate::{highlight, repr};

/// How long Python may try.
const PYTHON: Duration = Duration::from_secs(20);
/// One call of `re` with data from outside.
const PROGRAM: &str = r#"
import json, re, sys
call = json.load(sys.stdin)
try:
    pattern = re.compile(call["pattern"], call["flags"])
    function = getattr(pattern, call["function"])
    if call["function"] in ("sub", "subn"):
        result = function(call["replacement"], call["text"], count=call["count"])
    elif call["function"] == "split":
        result = function(call["text"], maxsplit=call["count"])
    else:
        result = function(call["text"])
    shown = repr(list(result) if call["function"] == "finditer" else result)
except re.error as error:
    shown = "re.error: " + str(error)
except (IndexError, OverflowError, ValueError) as error:
    shown = type(error).__name__ + ": " + str(error)
json.dump(shown, sys.stdout)
"#;

pub const EXPERIMENT: Experiment = Experiment {
    name: "workbench",
    title: text("工作台", "Workbench"),
    lesson: text(
        "<p>选一个函数，写模式和文字。<code>.</code> <code>\\d</code> <code>\\w</code> <code>[a-z]</code> \
         <code>* + ? {m,n}</code> <code>^ $ \\b \\B</code> <code>|</code> <code>( )</code>；\
         反向引用 <code>\\1</code>、<code>(?P&lt;名字&gt;…)</code> 和 <code>(?P=名字)</code>；\
         <code>.+</code> 贪婪，<code>.+?</code> 非贪婪；还有 <code>(?=…)</code> <code>(?&lt;!…)</code> 等。</p>\
         <p>“r\"…\"”：模式原样使用；“\"…\"”：先按普通字符串处理转义，<code>\\b</code> 就成了退格符。\
         用函数替换时写 Python 的 <code>lambda</code> 或 <code>def</code>，例如 \
         <code>lambda m: str(int(m.group()) + 50)</code>；它由原生代码解释，只有这一章需要的那些功能。</p>",
        "<p>Choose a function, write a pattern and a text. <code>.</code> <code>\\d</code> <code>\\w</code> \
         <code>[a-z]</code> <code>* + ? {m,n}</code> <code>^ $ \\b \\B</code> <code>|</code> \
         <code>( )</code>; back-references <code>\\1</code>, <code>(?P&lt;name&gt;…)</code> and \
         <code>(?P=name)</code>; <code>.+</code> is greedy, <code>.+?</code> lazy; <code>(?=…)</code> \
         <code>(?&lt;!…)</code> and more.</p>\
         <p>r\"…\" takes the pattern as it is; \"…\" reads it as a plain string first, and <code>\\b</code> \
         becomes a backspace. To replace with a function write a <code>lambda</code> or a <code>def</code>, \
         such as <code>lambda m: str(int(m.group()) + 50)</code>; it is run natively and has what this \
         chapter needs, no more.</p>",
    ),
    parameters: &[
        Parameter::choice(
            "function",
            text("函数", "function"),
            &[
                ("findall", same("findall")),
                ("match", same("match")),
                ("fullmatch", same("fullmatch")),
                ("search", same("search")),
                ("finditer", same("finditer")),
                ("split", same("split")),
                ("sub", same("sub")),
                ("subn", same("subn")),
            ],
        ),
        Parameter::choice(
            "notation",
            text("写法", "notation"),
            &[("raw", same("r\"…\"")), ("string", same("\"…\""))],
        ),
        Parameter::lines("pattern", text("模式", "pattern"), 1000, r"(\w+)=(\d+)"),
        Parameter::lines("text", text("文字", "text"), 5000, "a=100, b=0\n标题=42"),
        Parameter::choice(
            "by",
            text("替换为（sub、subn）", "replace by (sub, subn)"),
            &[("text", text("文字", "a text")), ("function", text("函数", "a function"))],
        ),
        Parameter::lines("replacement", text("替换", "replacement"), 1000, r"\2=\1"),
        Parameter::integer(
            "count",
            text("次数（sub、split，0 表示不限）", "count (sub, split; 0: all)"),
            0,
            10000,
            0,
        ),
        Parameter::flag("i", text("re.I 不分大小写", "re.I ignore case"), false),
        Parameter::flag("m", text("re.M 多行", "re.M multi-line"), false),
        Parameter::flag("s", text("re.S 点匹配换行", "re.S dot matches \\n"), false),
        Parameter::flag("x", text("re.X 可写注释", "re.X verbose"), false),
        Parameter::flag("a", text("re.A 只看 ASCII", "re.A ASCII only"), false),
    ],
    source: concat!(include_str!("re.rs"), "\n", include_str!("emit.rs")),
    python: "",
    // On a busy machine Python alone takes seconds to start.
    limits: Limits { time: Duration::from_secs(90), ..Limits::DEFAULT },
    run,
};

/// What is asked for.
struct Call {
    function: String,
    pattern: String,
    text: Rc<str>,
    replacement: Value,
    count: usize,
    flags: i128,
}

impl Call {
    fn new(run: &Run) -> Result<Self, Exception> {
        let values = &run.values;
        // A browser sends the lines of a field with CR LF.
        let get = |name: &str| values.get(name).replace("\r\n", "\n");
        let is_raw = values.get("notation") == "raw";
        let replacement = match (values.get("function"), values.get("by")) {
            ("sub" | "subn", "function") => {
                Value::Function(Rc::new(python::function(&get("replacement"))?))
            }
            _ => Value::str(python::unquote(&get("replacement"), is_raw)?),
        };
        let flags = [("i", 2), ("m", 8), ("s", 16), ("x", 64), ("a", 256)];
        let flags = flags.iter().filter(|(name, _)| values.flag(name));
        Ok(Self {
            function: get("function"),
            pattern: python::unquote(&get("pattern"), is_raw)?,
            text: get("text").into(),
            replacement,
            count: values.count("count"),
            flags: flags.map(|(_, bit)| bit).sum(),
        })
    }

    /// As one writes it in Python.
    fn shown(&self) -> String {
        let (pattern, text) = (repr::text(&self.pattern), repr::text(&self.text));
        let count = if self.count > 0 { format!(", {}", self.count) } else { String::new() };
        let mut arguments = match self.function.as_str() {
            "sub" | "subn" => format!("{pattern}, {}, {text}{count}", self.replacement.repr()),
            "split" => format!("{pattern}, {text}{count}"),
            _ => format!("{pattern}, {text}"),
        };
        if self.flags != 0 {
            arguments += &format!(", flags={}", self.flags);
        }
        format!("re.{}({arguments})", self.function)
    }

    fn is_replacing(&self) -> bool {
        matches!(self.function.as_str(), "sub" | "subn")
    }

    /// The result, and the matches it comes from.
    fn perform(&self) -> Result<(Value, Vec<Match>), Exception> {
        let flags: Flags = python::flags_of(self.flags);
        let pattern = Pattern::new(&self.pattern, flags)?;
        let most = Some(self.count).filter(|count| *count > 0);
        let reach = match self.function.as_str() {
            "match" => Some(Reach::Match),
            "fullmatch" => Some(Reach::Full),
            "search" => Some(Reach::Search),
            _ => None,
        };
        if let Some(reach) = reach {
            let found = pattern.find(&self.text, reach)?;
            let value = found.clone().map_or(Value::None, |found| Value::Match(Rc::new(found)));
            return Ok((value, found.into_iter().collect()));
        }
        let is_limited = self.is_replacing() || self.function == "split";
        let matches = pattern.all(&self.text, most.filter(|_| is_limited))?;
        let value = match self.function.as_str() {
            "split" => {
                let parts = pattern.split(&self.text, most)?;
                Value::list(parts.iter().map(|part| Value::optional(part.as_deref())))
            }
            "sub" | "subn" => {
                let mut session = Session::default();
                let mut by = python::replacement(&mut session, &pattern, &self.replacement)?;
                let (out, number) = pattern.replace(&self.text, most, &mut by)?;
                match self.function.as_str() {
                    "sub" => Value::str(out),
                    _ => Value::tuple([Value::str(out), Value::Int(number as i128)]),
                }
            }
            "finditer" => {
                Value::list(matches.iter().map(|found| Value::Match(Rc::new(found.clone()))))
            }
            _ => Value::list(matches.iter().map(python::found_text)),
        };
        Ok((value, matches))
    }
}

fn run(run: &mut Run) -> Outcome {
    let call = Call::new(run).map_err(|exception| exception.to_string())?;
    say!(">>> {}", call.shown());
    let result = call.perform();
    let shown = match &result {
        Ok((value, _)) => value.repr(),
        Err(exception) => exception.to_string(),
    };
    if let Ok((_, matches)) = &result {
        say!("{shown}");
        describe(run, &call, matches);
    }
    run.value("result", text("结果", "result"), &shown);
    let is_limit = matches!(&result, Err(exception) if exception.is_limit());
    let is_function = matches!(call.replacement, Value::Function(_));
    if !is_limit && !is_function {
        compare(run, &call, &shown)?;
    }
    result.map(drop).map_err(|exception| exception.to_string().into())
}

/// Every match with its groups, and the picture.
fn describe(run: &mut Run, call: &Call, matches: &[Match]) {
    for found in matches.iter().take(200) {
        for group in 0..=found.count() {
            let names = found.names().iter().filter(|(_, number)| *number == group);
            let name: String = names.map(|(name, _)| format!(" {name}")).collect();
            match (found.group(group), found.span(group)) {
                (Some(text), Some((start, end))) => {
                    let text = repr::text(text);
                    say!("  group {group}{name}: {text} ({start}, {end})");
                }
                _ => say!("  group {group}{name}: None"),
            }
        }
    }
    run.value("matches", text("匹配个数", "matches"), matches.len());
    run.picture(text("匹配的位置", "Where it matches"), &highlight::draw(&call.text, matches));
    // What lies between the matches, and the matches, are the text.
    let all: Vec<char> = call.text.chars().collect();
    let (mut rebuilt, mut end) = (String::new(), 0);
    for found in matches {
        let (start, stop) = found.span(0).unwrap_or_default();
        rebuilt.extend(all.get(end..start).unwrap_or_default());
        rebuilt.push_str(found.group(0).unwrap_or_default());
        end = stop;
    }
    rebuilt.extend(all.get(end..).unwrap_or_default());
    run.check_that(
        text(
            "匹配与其间的文字合起来就是原文",
            "the matches and what lies between them are the text",
        ),
        *rebuilt == *call.text,
        all.len(),
        rebuilt.chars().count(),
    );
}

fn compare(run: &mut Run, call: &Call, shown: &str) -> Outcome {
    let question = json!({
        "function": call.function,
        "pattern": call.pattern,
        "text": call.text.as_ref(),
        "replacement": call.replacement.text(),
        "count": call.count,
        "flags": i64::try_from(call.flags).unwrap_or_default(),
    });
    match ask(run.folder(), PROGRAM, &question, PYTHON)? {
        Answer::Said(said) => {
            let said = said.as_str().unwrap_or_default().to_owned();
            run.check(text("与 Python 的 re 相同", "the same as Python's re"), said, shown);
        }
        Answer::Late => {
            say!("Python 没有及时给出结果，已被终止" | "Python has no answer in time; it was ended")
        }
        Answer::None => say!("没有可以对照的 python3" | "there is no python3 to compare with"),
    }
    Ok(())
}
