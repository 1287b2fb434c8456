//! What is answered with the files of a small folder.

use std::path::Path;

use rustix::fs::{FileType, Mode};

use super::*;
use crate::config::{self, CacheRule};
use crate::http::head;
use crate::http::response::AnswerBody;

fn ask(files: &StaticFiles, line: &str, fields: &str) -> Answer {
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes();
    let mut head = Head::default();
    head::parse(&mut bytes, &config::Limits::default(), &mut head).unwrap();
    files.serve(&head, &bytes, &|| ())
}

fn status(files: &StaticFiles, path: &str) -> u16 {
    ask(files, &format!("GET {path}"), "").head.status()
}

fn encode(answer: &Answer) -> String {
    let mut out = Vec::new();
    answer.head.encode_interim_into(&mut out);
    String::from_utf8(out).unwrap()
}

fn text(answer: &Answer) -> &str {
    match &answer.body {
        AnswerBody::Bytes(bytes) => str::from_utf8(bytes).unwrap(),
        other => panic!("not in memory: {other:?}"),
    }
}

fn folder() -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let html = folder.path().join("html");
    std::fs::create_dir_all(html.join("sub")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(html.join(name), text).unwrap();
    write("index.html", "index");
    write("sub/a b.js", "1");
    write(".hidden", "secret");
    write("../outside", "secret");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, html.join(name));
    link("../outside", "leak").unwrap();
    link("index.html", "link").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, html.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    (folder, Config { html, ..Config::default() })
}

/// Sets a file's time so far back that it counts as settled.
fn age(file: &Path) {
    let time = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(time).unwrap();
}

#[test]
fn files_and_folders() {
    let (_folder, config) = folder();
    let files = StaticFiles::open(&config, false).unwrap();
    let index = ask(&files, "GET /?x", "");
    assert_eq!(text(&index), "index");
    assert!(encode(&index).contains("Content-Type: text/html; charset=utf-8\r\n"));
    let script = encode(&ask(&files, "GET /sub/a%20b.js", ""));
    assert!(script.contains("javascript; charset=utf-8\r\n"), "{script}");
    assert_eq!(status(&files, "/link"), 200);
    let redirect = ask(&files, "GET /sub?q=1", "");
    assert_eq!(redirect.head.status(), 301);
    assert!(encode(&redirect).contains("Location: /sub/?q=1\r\n"));
}

#[test]
fn nothing_else_is_served() {
    let (_folder, config) = folder();
    let files = StaticFiles::open(&config, false).unwrap();
    for path in [
        "/none",
        "/.hidden",
        "/sub/",
        "/leak",
        "/fifo",
        "/../outside",
        "/sub/../../outside",
        "/%2e%2e/outside",
        "/sub%2f..%2f..%2foutside",
        "/index.html/",
        "//index.html",
        "/index.html%00",
        "/sub%5ca",
        "/./index.html",
    ] {
        assert_eq!(status(&files, path), 404, "{path}");
    }
    let post = ask(&files, "POST /", "");
    assert_eq!(post.head.status(), 405);
    assert!(encode(&post).contains("Allow: GET, HEAD, OPTIONS\r\n"));
    assert_eq!(ask(&files, "BREW /", "").head.status(), 501);
}

#[test]
fn a_change_is_seen_at_once_in_dev_and_the_old_is_kept_in_between() {
    let (_folder, config) = folder();
    let page = config.html.join("index.html");
    for is_dev in [true, false] {
        std::fs::write(&page, "one").unwrap();
        age(&page);
        let files = StaticFiles::open(&config, is_dev).unwrap();
        let get = || text(&ask(&files, "GET /", "")).to_owned();
        assert_eq!(get(), "one");
        let new = config.html.join("new");
        std::fs::write(&new, "two").unwrap();
        std::fs::rename(&new, &page).unwrap();
        match is_dev {
            true => assert_eq!(get(), "two"),
            // Within a second, which a busy machine may let pass before the line below.
            false => {
                let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
                while get() != "two" {
                    assert!(std::time::Instant::now() < deadline, "the change is never seen");
                    std::thread::yield_now();
                }
            }
        }
        std::fs::remove_file(&page).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while status(&files, "/") != 404 {
            assert!(!is_dev && std::time::Instant::now() < deadline, "the file stays");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_file_that_is_written_in_its_place_never_has_its_old_tag() {
    let (_folder, config) = folder();
    let large = config.html.join("large.bin");
    std::fs::write(&large, "x".repeat(100_000)).unwrap();
    age(&large);
    let files = StaticFiles::open(&config, false).unwrap();
    let etag = |answer: &Answer| answer.head.values("etag").next().unwrap().to_vec();
    let before = etag(&ask(&files, "GET /large.bin", ""));
    assert_eq!(before, etag(&ask(&files, "GET /large.bin", "")));
    std::fs::write(&large, "y".repeat(100_000)).unwrap();
    assert_ne!(before, etag(&ask(&files, "GET /large.bin", "")), "at once");
}

#[test]
fn what_is_kept_stays_within_its_limits() {
    let (_folder, mut config) = folder();
    config.files.open = 8;
    config.files.memory = 4096;
    for number in 0..64 {
        std::fs::write(config.html.join(format!("{number}.txt")), "x".repeat(100)).unwrap();
    }
    std::fs::write(config.html.join("large.txt"), "x".repeat(8192)).unwrap();
    let files = StaticFiles::open(&config, false).unwrap();
    for round in 0..3 {
        for number in 0..64 {
            assert_eq!(status(&files, &format!("/{number}.txt")), 200, "{round}");
            assert!(files.cache.has_room(), "more is kept than may be");
        }
        assert_eq!(text(&ask(&files, "GET /large.txt", "")).len(), 8192);
        assert!(files.cache.has_room(), "more is kept than may be");
    }
}

#[test]
fn rules_say_what_caches_may_do() {
    let (_folder, mut config) = folder();
    let rule = |extension: &str, value: &str| CacheRule {
        prefix: None,
        extensions: vec![extension.to_owned()],
        value: value.to_owned(),
    };
    config.files.cache_control = vec![rule("js", "public, max-age=60"), rule("js", "no-store")];
    let files = StaticFiles::open(&config, false).unwrap();
    let script = encode(&ask(&files, "GET /sub/a%20b.js", ""));
    assert!(script.contains("Cache-Control: public, max-age=60\r\n"), "{script}");
    assert!(!encode(&ask(&files, "GET /", "")).contains("Cache-Control"));
    let files = StaticFiles::open(&config, true).unwrap();
    assert!(encode(&ask(&files, "GET /", "")).contains("Cache-Control: no-cache\r\n"));
}
