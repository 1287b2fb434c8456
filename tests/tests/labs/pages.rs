//! Every lab in a real browser: both languages, every *Run*, no error on the console.
//!
//! `TENON_SCREENSHOTS=FOLDER` keeps pictures of all pages, after their runs.

use std::path::PathBuf;

use tests::browser::Browser;
use tests::labs::{names, press_every_button, serve};
use tests::server::TestServer;

/// One test for each lab, so that they run side by side.
macro_rules! labs {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { every_button_of(stringify!($name)); })*
    };
}

labs! { ipc process regex servers tcp tftp threads udp }

#[test]
fn every_lab_is_tested() {
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    assert_eq!(names(), tested);
}

/// Two browsers at once: an experiment that another visitor runs too is no other experiment.
fn every_button_of(lab: &str) {
    let server = serve(&[lab], &config_of(lab));
    std::thread::scope(|scope| {
        for (lang, tag) in [("zh", "zh-CN"), ("en", "en")] {
            let server = &server;
            scope.spawn(move || every_button_in(server, lab, lang, tag));
        }
    });
}

fn every_button_in(server: &TestServer, lab: &str, lang: &str, tag: &str) {
    let browser = Browser::start(tag);
    browser.open(&format!("http://{}/{lab}.py", server.address()));
    let found = browser.run("return document.documentElement.lang");
    assert_eq!(found, tag, "Accept-Language chooses");
    browser.set_view(1280, 900, false);
    press_every_button(&browser, server, lab, lang);
    assert_fits(&browser, lab, lang);
    keep_pictures(&browser, lab, lang);
}

/// Ports that the labs have by default may be in use on this machine.
fn config_of(lab: &str) -> String {
    match lab {
        "tftp" => "[plugin.tftp]\nconfig = { port = 0 }".to_owned(),
        "udp" => "[plugin.udp]\nconfig = { ipmsg_port = 0 }".to_owned(),
        _ => String::new(),
    }
}

/// On a phone the page itself does not scroll sideways.
fn assert_fits(browser: &Browser, page: &str, lang: &str) {
    browser.set_view(360, 740, false);
    let width = browser.run("return document.documentElement.scrollWidth");
    assert!(
        width.as_u64().is_some_and(|width| width <= 360),
        "{page}, {lang}: {width} pixels wide"
    );
}

fn keep_pictures(browser: &Browser, page: &str, lang: &str) {
    let Some(folder) = std::env::var_os("TENON_SCREENSHOTS").map(PathBuf::from) else { return };
    for (view, width) in [("wide", 1280), ("narrow", 390)] {
        for (light, is_dark) in [("light", false), ("dark", true)] {
            browser.set_view(width, 900, is_dark);
            browser.screenshot(&folder.join(format!("{page}-{lang}-{view}-{light}.png")));
        }
    }
}

#[test]
fn a_wrong_parameter_is_told_next_to_its_field() {
    let server = serve(&["process"], "");
    let browser = Browser::start("zh-CN");
    browser.open(&format!("http://{}/process.py", server.address()));
    let found = browser.run(
        "const field = document.querySelector('.field [type=number]'); field.form.noValidate = true; \
         field.value = '9999'; field.form.requestSubmit(); return field.id;",
    );
    let id = found.as_str().unwrap().to_owned();
    let error = format!(
        "const field = document.getElementById('{id}'); \
         const error = field.parentElement.querySelector('.field-error'); \
         return error.hidden ? null : error.textContent;"
    );
    tests::wait_until("the field has words", || browser.run(&error).is_string());
    let text = browser.run(&error);
    assert!(text.as_str().unwrap().contains("超出范围"), "{text}");
    let focused = browser.run("return document.activeElement.id");
    assert_eq!(focused, id.as_str());
}

#[test]
fn an_experiment_runs_and_stops_by_the_keyboard() {
    let server = serve(&["process"], "");
    let browser = Browser::start("en");
    browser.open(&format!("http://{}/process.py", server.address()));
    const TAB: &str = "\u{e004}";
    const ENTER: &str = "\u{e007}";
    let mut is_there = false;
    for _ in 0..200 {
        browser.press(&[TAB]);
        let class = browser.run("return document.activeElement.className");
        is_there = class == "run";
        if is_there {
            break;
        }
    }
    assert!(is_there, "the tabulator reaches a button");
    // Long enough to be stopped.
    browser.run(
        "for (const field of document.activeElement.form.querySelectorAll('[type=number]')) \
         field.value = field.max;",
    );
    browser.press(&[ENTER]);
    let output =
        "return document.activeElement.closest('.experiment').querySelector('.output').innerText";
    tests::wait_until("it speaks", || {
        browser.run(output).as_str().is_some_and(|text| text.contains("father"))
    });
    browser.press(&[TAB, ENTER]);
    let state = "return document.activeElement.closest('.experiment').dataset.state";
    tests::wait_until("it is stopped", || browser.run(state) == "stopped");
    let worker = server.workers()[0];
    tests::wait_until("nothing is left of it", || tests::server::children_of(worker).is_empty());
}

#[test]
fn the_welcome_page_leads_to_every_lab() {
    let labs = names();
    let server = serve(&["process", "installed", "features"], "");
    for (tag, title) in [("zh-CN", "欢迎来到华清远见"), ("en", "Welcome to Farsight")] {
        let browser = Browser::start(tag);
        browser.set_view(1280, 900, false);
        browser.open(&format!("http://{}/", server.address()));
        let heading = browser.run("return document.querySelector('h1').innerText.trim()");
        assert_eq!(heading, title);
        let links =
            browser.run("return [...document.querySelectorAll('#labs a')].map(a => a.pathname)");
        for lab in &labs {
            let path = format!("/{lab}.py");
            assert!(links.as_array().unwrap().iter().any(|link| *link == path), "{path}: {links}");
        }
        tests::wait_until("a plugin that is no lab is listed too", || {
            let others = "return [...document.querySelectorAll('#others a')].map(a => a.pathname)";
            browser.run(others) == serde_json::json!(["/features.py"])
        });
        assert_eq!(browser.console_errors(), Vec::<String>::new());
        assert_fits(&browser, "index", tag);
        keep_pictures(&browser, "index", tag);
    }
}

#[test]
fn the_table_of_the_chapter_fills_itself() {
    let server = serve(&["regex"], "");
    for (lang, tag) in [("zh", "zh-CN"), ("en", "en")] {
        let browser = Browser::start(tag);
        browser.set_view(1280, 900, false);
        browser.open(&format!("http://{}/regex.py/chapter", server.address()));
        tests::wait_until("every row has its results", || {
            browser.run("return document.querySelectorAll('tr[data-state]').length") == 148
        });
        let different =
            "return document.querySelectorAll('tr:not([data-state=same]).example').length";
        assert_eq!(browser.run(different), 0);
        let cells =
            "return [...document.querySelectorAll('tr.example')[3].cells].map(c => c.innerText)";
        let shown = "<re.Match object; span=(0, 5), match='hello'>";
        assert_eq!(
            browser.run(cells),
            serde_json::json!(["✓", "re.match(pattern, s)", shown, shown, shown])
        );
        assert_eq!(browser.console_errors(), Vec::<String>::new());
        assert_fits(&browser, "chapter", lang);
        keep_pictures(&browser, "chapter", lang);
    }
}
