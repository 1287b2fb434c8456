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
