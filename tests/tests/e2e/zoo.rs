//! Plugins that do wrong, each with what must come of it.

use tests::server::Setup;

#[test]
fn what_cannot_be_loaded_is_refused_and_harms_nobody() {
    let refusals = [
        ("wrong_magic", "its manifest is not one of CSGI"),
        ("wrong_major", "it is made for CSGI 2"),
        ("need_minor", "it needs CSGI 1.9 and this is 1.0"),
        ("must_understand", "it has flags that this server does not know (0x80000000)"),
        ("no_manifest", "it has no manifest"),
        ("no_application", "it does not export application"),
        ("unresolved", "zoo_nobody_defines_this"),
        ("init_error", "csgi_init failed: no database"),
        ("init_crash", "it crashed with SIGSEGV in csgi_init"),
        ("constructor_crash", "it crashed with SIGABRT in a constructor"),
        ("constructor_exit", "it ended the process with status 0 in a constructor"),
    ];
    let mut setup = Setup::new().plugin("a");
    for (name, _) in refusals {
        setup = setup.plugin(name);
    }
    let server = setup.start();
    let output = server.output();
    for (name, reason) in refusals {
        let line = output.lines().find(|line| line.starts_with(&format!("{name}: not served: ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not refused:\n{output}"));
        assert!(line.contains(reason), "{line}");
        assert!(line.contains(&format!("{name}.so: ")), "the file is named: {line}");
        assert_eq!(server.client().get(&format!("/{name}.py")).status, 503, "{name}");
    }
    assert_eq!(server.client().get("/a.py").status, 200);
}

#[test]
fn what_breaks_the_contract_costs_its_own_request() {
    let names = [
        "returns_null",
        "split_header",
        "ignores_refusal",
        "unknown_code",
        "too_many_parts",
        "null_part",
        "no_next",
        "small_body",
    ];
    let mut setup = Setup::new().plugin("a");
    for name in names {
        setup = setup.plugin(name);
    }
    let server = setup.start();
    let mut client = server.client();
    for name in names {
        assert_eq!(client.get(&format!("/{name}.py")).status, 500, "{name}");
        server.wait_for_log(&format!("plugin {name}, request"));
        assert_eq!(client.get("/a.py").status, 200, "on the same connection after {name}");
    }
}

#[test]
fn what_is_allowed_is_served() {
    let server = Setup::new()
        .plugin("low_flag")
        .plugin("head_twice")
        .plugin("middleware")
        .plugin("stale_env")
        .start();
    let mut client = server.client();
    assert_eq!(client.get("/low_flag.py").text(), "ok");
    assert_eq!(client.get("/head_twice.py").status, 200);
    assert_eq!(client.get("/middleware.py").text(), "/edited");
    assert_eq!(client.get("/stale_env.py").text(), "first");
    assert_eq!(client.get("/stale_env.py").text(), "0 0 0", "CSGI_ERROR, and no body");
}

#[test]
fn a_body_that_fails_in_the_middle_is_cut() {
    let server = Setup::new().plugin("error_mid_body").start();
    let mut client = server.client();
    client.send("GET /error_mid_body.py HTTP/1.1\r\nHost: t\r\n\r\n");
    let text = String::from_utf8(client.rest()).unwrap();
    assert!(text.ends_with("5\r\nbegun\r\n"), "{text}");
}

#[test]
fn what_is_thrown_across_the_border_ends_one_request_and_no_process() {
    // Its log has a panic, which is what is looked for otherwise.
    let server =
        Setup::new().plugin("throws").plugin("panics").plugin("features").start().unchecked();
    let mut client = server.client();
    let pid = client.get("/features.py/pid").text();
    for _ in 0..3 {
        assert_eq!(client.get("/throws.py").status, 500);
    }
    server.wait_for_log("it threw a C++ exception across the border");
    assert_eq!(client.get("/panics.py").status, 500);
    server.wait_for_log("it panicked across the border");
    assert_eq!(client.get("/features.py/pid").text(), pid, "the same process, and connection");
}

#[test]
fn what_a_plugin_does_to_its_env_is_gone_with_the_request() {
    let server = Setup::new().plugin("scribbles").start();
    let mut client = server.client();
    for _ in 0..4 {
        assert_eq!(client.get("/scribbles.py/way?a=1&b=2").text(), "/way?a=1&b=2");
    }
}
