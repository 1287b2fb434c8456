//! The labs, found in the tree, and asked as scripts and browsers ask them.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::browser::Browser;
use crate::plugins::root;
use crate::server::{Setup, TestServer};

/// No experiment takes longer, even where it waits for a place on a busy machine.
pub const LAB_PATIENCE: Duration = Duration::from_secs(240);

/// The plugins that are labs: crates that use the shared one.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("plugins")).expect("there are plugins");
    let mut names: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let source = std::fs::read_to_string(path.join("src/lib.rs")).ok()?;
            let name = path.file_name()?.to_str()?.to_owned();
            source.contains("\nlab::program!(").then_some(name)
        })
        .collect();
    names.sort();
    names
}

/// A server with plugins and the project's own html/.
#[track_caller]
pub fn serve(plugins: &[&str], config: &str) -> TestServer {
    let html = root().join("html").canonicalize().expect("the folder is there");
    let html = html.to_str().expect("a path is text").to_owned();
    let mut setup = Setup::new().arguments(&["--html", &html]).config(config);
    for name in plugins {
        setup = setup.plugin(name);
    }
    setup.start()
}

/// Runs an experiment as curl does: `run(&server, "process", "fork?lang=zh")`.
#[track_caller]
pub fn run(server: &TestServer, lab: &str, experiment: &str) -> Value {
    let mut client = server.client();
    client.stream().set_read_timeout(Some(LAB_PATIENCE)).expect("the timeout is not zero");
    let response = client.get(&format!("/{lab}.py/run/{experiment}"));
    assert_eq!(response.status, 200, "{experiment}: {}", response.text());
    serde_json::from_slice(&response.body).expect("the answer is JSON")
}

/// As [`run`], and everything that the experiment checks must be as the lesson says.
#[track_caller]
pub fn pass(server: &TestServer, lab: &str, experiment: &str) -> Value {
    let answer = run(server, lab, experiment);
    assert_eq!(answer["outcome"], "passed", "{experiment}: {answer:#}");
    answer
}

/// The texts of an answer's output.
pub fn lines(answer: &Value) -> Vec<&str> {
    let lines = answer["output"].as_array().expect("there is output");
    lines.iter().filter_map(|line| line["text"].as_str()).collect()
}

/// Opens a lab in the browser, presses every *Run*, and waits until all have passed.
#[track_caller]
pub fn press_every_button(browser: &Browser, server: &TestServer, lab: &str, lang: &str) {
    browser.open(&format!("http://{}/{lab}.py?lang={lang}", server.address()));
    let count = browser.run(
        "const buttons = document.querySelectorAll('button.run'); \
         buttons.forEach(button => button.click()); return buttons.length;",
    );
    assert!(count.as_u64().is_some_and(|count| count > 0), "{lab} has no experiments");
    wait_for_every_experiment(browser, lab, lang);
    let errors = browser.console_errors();
    assert!(errors.is_empty(), "{lab}, {lang}: {errors:#?}");
}

#[track_caller]
fn wait_for_every_experiment(browser: &Browser, lab: &str, lang: &str) {
    // What is on the page is only asked for where it is told: laying it out takes time.
    let not = |states: &str| {
        browser.run(&format!(
            "return [...document.querySelectorAll('.experiment')]\
             .filter(section => ![{states}].includes(section.dataset.state))\
             .map(section => [section.id, section.dataset.state, \
             section.querySelector('.results').innerText, section.querySelector('.error').textContent]);"
        ))
    };
    let is_none = |sections: &Value| sections.as_array().is_some_and(Vec::is_empty);
    let deadline = Instant::now() + LAB_PATIENCE;
    loop {
        let wrong = not("'passed', 'running'");
        assert!(is_none(&wrong), "{lab}, {lang}: {wrong:#}");
        let count = browser
            .run("return document.querySelectorAll('.experiment[data-state=running]').length");
        if count == 0 {
            // One may have gone wrong since it was looked for.
            let wrong = not("'passed'");
            assert!(is_none(&wrong), "{lab}, {lang}: {wrong:#}");
            return;
        }
        if Instant::now() >= deadline {
            panic!("{lab}, {lang}, still running: {:#}", not("'passed'"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
