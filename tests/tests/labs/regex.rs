//! The lab of chapter 7 against the real Python.

use serde_json::Value;
use tests::labs::{lines, pass, run, serve};

/// Percent-encodes everything but letters and digits.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn check<'a>(answer: &'a Value, what: &str) -> &'a Value {
    let checks = answer["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["what"] == what);
    found.unwrap_or_else(|| panic!("no check {what:?}: {answer:#}"))
}

const SAME: &str = "the same as Python's re";

#[test]
fn every_example_of_the_chapter_is_as_in_the_lesson_and_in_python() {
    let server = serve(&["regex"], "");
    let answer = pass(&server, "regex", "chapter");
    let same = check(&answer, "examples that are the same as in Python's re");
    assert_eq!((&same["expected"], &same["found"]), (&"148".into(), &"148".into()));
    assert_eq!(answer["checks"].as_array().unwrap().len(), 22, "a check for each section");
    assert!(lines(&answer).contains(&"<re.Match object; span=(0, 11), match='<h1>标题</h1>'>"));
}

#[test]
fn generated_patterns_give_what_python_gives() {
    let server = serve(&["regex"], "");
    let answer = pass(&server, "regex", "generated");
    assert_eq!(check(&answer, "differences that are not listed")["found"], "0");
    assert_eq!(answer["values"]["cases"], "1264");
    assert_eq!(answer["values"]["differences"], "4", "a listed one that is gone is to be unlisted");
}

#[test]
fn the_workbench_gives_what_python_gives() {
    let server = serve(&["regex"], "");
    let text = "Tom: 12, 汤姆: 7;\nAnn: 30";
    for (function, pattern, replacement, more) in [
        ("match", r"(?P<name>\w+): (?P<age>\d+)", "", ""),
        ("fullmatch", r"(?s).*", "", ""),
        ("search", r"(?<=: )\d\b", "", ""),
        ("findall", r"^(\w+)|(\d+)$", "", "&m=yes"),
        ("finditer", r"\b", "", ""),
        ("findall", "t O m", "", "&i=yes&x=yes"),
        ("findall", r"\w+", "", "&a=yes"),
        ("findall", "\\\\d+", "", "&notation=string"),
        ("split", r"(\W+)", "", "&count=2"),
        ("split", "x*", "", ""),
        ("sub", r"(\w+): (\d+)", r"\2 \g<1>\n\\", ""),
        ("sub", r"(?P<n>\d)|x", r"<\g<n>>", "&count=3"),
        ("subn", r"", "-", ""),
        // What is wrong is told in Python's words.
        ("findall", "a**", "", ""),
        ("findall", "[z-a]", "", ""),
        ("findall", "(?P<1>a)", "", ""),
        ("findall", r"(?<=a+)b", "", ""),
        ("findall", "a\n(b", "", ""),
        ("sub", r"(\d)", r"\2", ""),
        ("sub", r"(\d)", r"\g<x>", ""),
        ("sub", r"(\d)", r"\q", ""),
    ] {
        let query = format!(
            "workbench?lang=en&function={function}&pattern={}&text={}&replacement={}{more}",
            encoded(pattern),
            encoded(text),
            encoded(replacement)
        );
        let answer = run(&server, "regex", &query);
        let same = check(&answer, SAME);
        assert_eq!(same["ok"], true, "{function} {pattern}: {same}");
        assert_eq!(answer["values"]["result"], same["expected"], "{answer:#}");
    }
}

#[test]
fn a_function_replaces_as_in_the_lesson() {
    let server = serve(&["regex"], "");
    let lesson = "def replace(args):  # the match\n\tr = int(args.group()) + 50\n\treturn str(r)";
    for (function, result) in
        [(lesson, "'a=150, b=50'"), ("lambda m: '<' + m.group() + '>'", "'a=<100>, b=<0>'")]
    {
        let query = format!(
            "workbench?function=sub&by=function&pattern={}&text={}&replacement={}",
            encoded(r"\d+"),
            encoded("a=100, b=0"),
            encoded(function)
        );
        let answer = pass(&server, "regex", &query);
        assert_eq!(answer["values"]["result"], result);
    }
    // A function that is none, or never ends, is told about.
    for (function, words) in [
        ("lambda m: open('/etc/passwd')", "NameError: name 'open' is not defined"),
        ("lambda m: m.__class__", "AttributeError"),
        ("lambda m: 1", "TypeError: expected str instance, int found"),
        ("def f(m): return f(m)", "NameError"),
        ("print(1)", "SyntaxError"),
    ] {
        let query = format!("workbench?function=sub&by=function&replacement={}", encoded(function));
        let answer = run(&server, "regex", &query);
        assert_eq!(answer["outcome"], "error", "{function}: {answer:#}");
        assert!(lines(&answer).iter().any(|line| line.contains(words)), "{function}: {answer:#}");
    }
}

#[test]
fn a_catastrophic_pattern_ends_with_a_limit() {
    let server = serve(&["regex"], "");
    for pattern in ["(a+)+$", "(a|a)*$", "(a|aa)+$"] {
        let query = format!("catastrophe?count=60&pattern={}", encoded(pattern));
        let answer = pass(&server, "regex", &query);
        assert_eq!(answer["values"]["outcome"], "limit", "{pattern}");
        assert!(
            lines(&answer).iter().any(|line| line.starts_with("limit: given up after 1000000"))
        );
    }
    // The same in the workbench: an error in words, and the server goes on.
    let query = format!(
        "workbench?pattern={}&text={}",
        encoded(r"(\w+\s?)*!$"),
        encoded(&"word ".repeat(20))
    );
    let answer = run(&server, "regex", &query);
    assert_eq!(answer["outcome"], "error");
    assert!(lines(&answer).iter().any(|line| line.starts_with("limit: ")), "{answer:#}");
}

#[test]
fn wrong_parameters_are_refused() {
    let server = serve(&["regex"], "");
    let long = format!("workbench?pattern={}", "a".repeat(1001));
    for (query, field) in [
        ("workbench?function=compile", "function"),
        ("workbench?count=-1", "count"),
        ("catastrophe?pattern=x", "pattern"),
        ("generated?x=1", "x"),
        (long.as_str(), "pattern"),
    ] {
        let response = server.client().get(&format!("/regex.py/run/{query}"));
        assert_eq!(response.status, 400, "{query}");
        let refusal: Value = serde_json::from_str(&response.text()).unwrap();
        assert_eq!(refusal["fields"][0]["name"], field, "{refusal}");
    }
}
