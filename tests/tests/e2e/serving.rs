//! What a visitor sees: plugins, files, routes.

use std::collections::BTreeSet;
use std::time::Duration;

use tests::client::Client;
use tests::server::Setup;
use tests::wait_until;

#[test]
fn the_plugins_of_the_course_answer() {
    let server = Setup::new().plugin("a").plugin("b").start();
    let mut client = server.client();
    for name in ["a", "b"] {
        let response = client.get(&format!("/{name}.py"));
        assert_eq!(response.status, 200);
        assert_eq!(response.text(), format!("<h1>hello {name}.py</h1>"));
        assert_eq!(response.header("bdpagetype"), Some("1"));
        assert_eq!(response.header("bduserid"), Some("0"));
        assert!(response.header("date").is_some());
    }
    let url = format!("a: http://{}/a.py\n", server.address());
    assert!(server.output().contains(&url), "{}", server.output());
}

#[test]
fn files_and_unknown_names() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    let index = client.get("/");
    assert_eq!((index.status, index.text().as_str()), (200, "<h1>index</h1>"));
    assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
    for path in ["/none.html", "/none.py", "/a.pyx", "/../Cargo.toml"] {
        let response = client.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("404 Not Found"), "a small page: {}", response.text());
    }
}

#[test]
fn a_path_is_mount_and_rest() {
    let server = Setup::new().plugin("features").start();
    let text = server.client().get("/features.py/env?y=1&z=%20").text();
    for line in [
        "SCRIPT_NAME=/features.py\n",
        "PATH_INFO=/env\n",
        "QUERY_STRING=y=1&z=%20\n",
        "REQUEST_URI=/features.py/env?y=1&z=%20\n",
        "v:plugin=features\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn route_rules_decide_in_order() {
    let server = Setup::new()
        .plugin("features")
        .plugin("a")
        .config(
            r#"
            [[routes]]
            regex = "/u/(?<user>[a-z]+)(?<path>/env)"
            plugin = "features"
            [[routes]]
            prefix = "/u"
            plugin = "a"
            [[routes]]
            prefix = "/only/files"
            files = true
            [[routes]]
            regex = "(?<mount>/only/(?<plugin>[a-z]+))(?<path>/.*)?"
            "#,
        )
        .start();
    let mut client = server.client();
    let text = client.get("/u/anna/env").text();
    assert!(text.contains("v:user=anna\n") && text.contains("SCRIPT_NAME=\n"), "{text}");
    assert!(text.contains("PATH_INFO=/env\n"), "{text}");
    assert_eq!(client.get("/u/anna").text(), "<h1>hello a.py</h1>");
    assert_eq!(client.get("/only/files/x").status, 404);
    let text = client.get("/only/features/env").text();
    assert!(text.contains("SCRIPT_NAME=/only/features\n"), "{text}");
    assert_eq!(client.get("/a.py").status, 404, "the default rule is not in this list");
}

#[test]
fn a_plugin_can_be_mounted() {
    let server = Setup::new()
        .plugin("features")
        .config("[plugin.features]\nmount = \"/shop\"\nconfig = { colour = \"red\" }")
        .start();
    let mut client = server.client();
    let text = client.get("/shop/env").text();
    assert!(text.contains("SCRIPT_NAME=/shop\n") && text.contains("PATH_INFO=/env\n"), "{text}");
    assert!(text.contains("config={\"colour\":\"red\"}\n"), "{text}");
    assert_eq!(client.get("/shopping").status, 404);
    assert_eq!(client.get("/features.py/id").status, 200, "its own name stays");
    assert!(server.output().contains("/shop\n"), "{}", server.output());
}

#[test]
fn a_name_with_lib_is_the_plugin_without_it() {
    let setup = Setup::new();
    std::fs::copy(tests::plugins::library("a"), setup.plugins().join("libhello.so")).unwrap();
    let server = setup.start();
    assert_eq!(server.client().get("/hello.py").text(), "<h1>hello a.py</h1>");
}

#[test]
fn the_access_log_has_a_line_for_each_answer() {
    let server = Setup::new().plugin("a").config("access_log = \"access\"").start();
    let mut client = server.client();
    client.get("/a.py?x=1");
    client.get("/none");
    let file = server.folder().join("access");
    wait_until("both lines are written", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 2)
    });
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"GET /a.py?x=1 HTTP/1.1\" 200 19 \"-\" \"-\"\n"), "{text}");
    assert!(text.contains("\"GET /none HTTP/1.1\" 404 "), "{text}");
    assert!(text.starts_with("127.0.0.1 - - ["), "{text}");
}

/// The server remembers what it made of the last head (`connection/repeated.rs`).
#[test]
fn a_request_that_comes_again_is_answered_as_if_it_were_the_first() {
    let server = Setup::new().plugin("features").start();
    let (mut one, mut other) = (server.client(), server.client());
    let get = |query: &str, field: &str| {
        format!("GET /features.py/env?{query} HTTP/1.1\r\nHost: t\r\n{field}\r\n\r\n")
    };
    let mut ids = BTreeSet::new();
    let mut expect = |client: &mut Client, query: &str, field: &str| {
        let text = client.response().text();
        let port = client.stream().local_addr().unwrap().port();
        for line in [format!("QUERY_STRING={query}"), format!("REMOTE_PORT={port}"), field.into()] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let id = text.lines().find_map(|line| line.strip_prefix("h:x-request-id=")).unwrap();
        assert!(ids.insert(id.to_owned()), "the id {id} was given twice");
    };
    for _ in 0..5 {
        for client in [&mut one, &mut other] {
            client.send(get("q=1", "X-A: 1").repeat(3));
            (0..3).for_each(|_| expect(client, "q=1", "h:x-a=1"));
            // Nearly the same is not the same.
            client.send(get("q=2", "X-A: 1") + &get("q=1", "X-A: 2") + &get("q=1", "x-a: 1"));
            expect(client, "q=2", "h:x-a=1");
            expect(client, "q=1", "h:x-a=2");
            expect(client, "q=1", "h:x-a=1");
            client.send(get("q=1", "X-A: 1").split_at(40).0);
            client.assert_silent(Duration::from_millis(1));
            client.send(get("q=1", "X-A: 1").split_at(40).1);
            expect(client, "q=1", "h:x-a=1");
            // A body is not the next request's head.
            let body = get("q=1", "X-A: 1");
            let length = format!("Content-Length: {}", body.len());
            client.send(get("q=3", &length) + &body + &body);
            expect(client, "q=3", &format!("h:content-length={}", body.len()));
            expect(client, "q=1", "h:x-a=1");
            // Under the same head comes another body, whole or in pieces.
            let head = "POST /features.py/echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n";
            for body in ["one1", "two2", "3333"] {
                client.send(head.to_owned() + body + head + &body[..2]);
                assert_eq!(client.response().text(), body);
                client.send(&body[2..]);
                assert_eq!(client.response().text(), body);
            }
        }
    }
}

/// What was sent last is sent again only where it is right (`connection/repeated.rs`).
#[test]
fn a_plugin_that_changes_its_mind_is_believed() {
    let server = Setup::new().plugin("changes").start();
    let mut client = server.client();
    for number in 0..150 {
        client.send("GET /changes.py HTTP/1.1\r\nHost: t\r\n\r\n");
        let mut response = client.any_response(false);
        let changing = ["a", "b", "c", "d"][number % 4];
        let kinds = [
            (200, "0"),
            (201, "1"),
            (200, "2"),
            (200, "3"),
            (200, "4"),
            (200, changing),
            (200, "6"),
            (200, "7"),
            (500, ""),
        ];
        let (status, kind) = kinds[number / 4 % kinds.len()];
        if kind == "6" {
            let found = (response.status, response.header("x-kind").unwrap());
            assert_eq!(found, (103, "h"));
            response = client.response();
        }
        let found = (response.status, response.header("x-kind").unwrap_or_default());
        assert_eq!(found, (status, kind), "{number}");
        let digits = if number % 4 == 3 { 8 } else { 4 };
        if status != 500 {
            assert_eq!(response.text(), format!("{number:0digits$}"));
        }
    }
}

#[test]
fn who_asks_again_and_does_not_read_gets_every_answer_later() {
    const REQUEST: &str = "GET /changes.py?large HTTP/1.1\r\nHost: t\r\n\r\n";
    let server = Setup::new().plugin("changes").start();
    let (mut lazy, mut other) = (server.client(), server.client());
    // More than the buffers of both sockets take, and each by itself: the one of the other client is
    // served after it.
    for _ in 0..1000 {
        lazy.send(REQUEST);
        other.send(REQUEST);
        assert_eq!(other.response().body.len(), 15_000);
    }
    let mut last = None;
    for _ in 0..1000 {
        let response = lazy.response();
        assert_eq!((response.status, response.body.len()), (200, 15_000));
        let number: Option<u32> = response.text().parse().ok();
        assert!(number > last, "{number:?} after {last:?}");
        last = number;
    }
}

/// Bytes that come while others wait to be answered are not forgotten, also when those end together with
/// what is answered in one go: here five of them, as their answers have 15,000 bytes.
#[test]
fn what_comes_behind_a_full_batch_is_answered() {
    const REQUEST: &str = "GET /changes.py?large HTTP/1.1\r\nHost: t\r\n\r\n";
    let server = Setup::new().plugin("changes").start();
    let (mut client, mut other) = (server.client(), server.client());
    // More than the buffers of both sockets take: the server waits for the client in the middle of it.
    client.send(REQUEST.repeat(1000));
    other.get("/changes.py");
    client.send(REQUEST.repeat(5));
    for _ in 0..1005 {
        assert_eq!(client.response().body.len(), 15_000);
    }
}

#[test]
fn the_date_of_answers_that_are_alike_goes_on() {
    let server = Setup::new().plugin("a").start();
    let mut client = server.client();
    let mut dates = BTreeSet::new();
    wait_until("the second is over", || {
        dates.insert(client.get("/a.py").header("date").unwrap().to_owned());
        dates.len() > 1
    });
}
