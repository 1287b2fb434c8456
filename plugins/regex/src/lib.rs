//! Chapter 7 of the course: regular expressions as Python has them, run natively, at /regex.py.
//!
//! A pattern is read (`syntax/`), written for the engine so that it means there what it means in
//! Python (`emit.rs`), and searched for (`engine.rs`, `re.rs`).
#![forbid(unsafe_code)]

mod catastrophe;
mod chapter;
mod emit;
mod engine;
mod every_example;
mod generated;
mod highlight;
mod python;
mod python3;
mod re;
mod repr;
mod syntax;
mod table;
mod template;
mod workbench;

use csgi::{Env, Response};
use lab::{Lab, text};

static LAB: Lab = Lab {
    name: "regex",
    title: text("正则表达式", "Regular expressions"),
    introduction: text(
        "<p>正则表达式描述一种规则。这里的语法和结果与 Python 的 <code>re</code> 完全相同，\
         但匹配由原生代码完成：先把 Python 的写法读成一棵树，再交给 Rust 的引擎。\
         每次运行都与本机的 <code>python3</code> 对照（如果已安装）。\
         <a href=\"/regex.py/chapter\">本章所有例子的对照表</a></p>",
        "<p>A regular expression describes a rule. Syntax and results here are those of Python's \
         <code>re</code>, but the matching is native: Python's notation is read into a tree, and a Rust \
         engine searches. Every run is compared with this machine's <code>python3</code>, if there is \
         one. <a href=\"/regex.py/chapter\">A table of all examples of the chapter</a></p>",
    ),
    experiments: &[
        workbench::EXPERIMENT,
        every_example::EXPERIMENT,
        catastrophe::EXPERIMENT,
        generated::EXPERIMENT,
    ],
};
lab::program!(LAB);

// No call waits: experiments are other processes.
#[csgi::application(threadsafe, nonblocking)]
fn application(env: &Env) -> Response {
    if env.path() == b"/chapter" && matches!(env.method(), b"GET" | b"HEAD") {
        return table::page(env);
    }
    lab::serve(&LAB, env)
}
