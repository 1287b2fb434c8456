//! `tenon dev`: edit a source, look at the page.

use tests::plugins::root;
use tests::server::Setup;
use tests::wait_until;

#[test]
fn a_source_is_compiled_served_and_followed() {
    let setup = Setup::new().command("dev");
    let source = setup.plugins().join("hello.c");
    let code = std::fs::read_to_string(root().join("plugins/a.c")).unwrap();
    std::fs::write(&source, &code).unwrap();
    let server = setup.start();
    let text = || server.client().get("/hello.py").text();
    assert_eq!(text(), "<h1>hello a.py</h1>");

    std::fs::write(&source, code.replace("hello a.py", "hello again")).unwrap();
    wait_until("the new page is served", || text() == "<h1>hello again</h1>");

    std::fs::write(&source, code.replace("csgi_body *application", "csgi_body application("))
        .unwrap();
    wait_until("the compiler's error is in the browser", || {
        let response = server.client().get("/hello.py");
        response.status == 503 && response.text().contains("hello.c:")
    });
    assert!(text().contains("error:"), "{}", text());

    std::fs::write(&source, &code).unwrap();
    wait_until("the page is back", || text() == "<h1>hello a.py</h1>");

    std::fs::write(server.plugins().join("second.c"), &code).unwrap();
    wait_until("a new source is served", || server.client().get("/second.py").status == 200);
    std::fs::remove_file(&source).unwrap();
    wait_until("a removed one is not", || server.client().get("/hello.py").status == 404);
    assert!(server.output().contains("\"GET /hello.py HTTP/1.1\""), "dev prints its requests");
}

#[test]
fn what_takes_long_to_build_keeps_nothing_else_waiting() {
    let setup = Setup::new().command("dev");
    std::fs::copy(root().join("plugins/a.c"), setup.plugins().join("a.c")).unwrap();
    let folder = setup.plugins().join("slow");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    let manifest = "[package]\nname = \"slow\"\n[lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // Its compiler is kept waiting until this test lets it go on, to the mistake behind.
    let wait = "fn main() { for _ in 0..600 { if std::path::Path::new(\"go\").exists() { break; }\n\
        std::thread::sleep(std::time::Duration::from_millis(100)); } }";
    std::fs::write(folder.join("build.rs"), wait).unwrap();
    std::fs::write(folder.join("src/lib.rs"), "a mistake").unwrap();
    let server = setup.start();
    assert_eq!(server.client().get("/a.py").text(), "<h1>hello a.py</h1>");
    let page = server.client().get("/slow.py");
    assert_eq!(page.status, 503);
    assert!(page.text().contains("it is being built"), "{}", page.text());
    std::fs::write(folder.join("go"), "").unwrap();
    wait_until("it has been tried", || {
        server.client().get("/slow.py").text().contains("it does not compile")
    });
    assert_eq!(server.client().get("/a.py").status, 200);
}
