//! Programs of others as clients.

use std::process::Command;

use tests::server::{Setup, TestServer};

fn curl(server: &TestServer, arguments: &[&str], target: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(arguments)
        .arg(format!("http://{}{target}", server.address()))
        .output()
        .expect("curl is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn curl_is_served() {
    let server = Setup::new().plugin("a").plugin("features").plugin("streams").start();
    assert_eq!(curl(&server, &[], "/a.py"), "<h1>hello a.py</h1>");
    assert_eq!(curl(&server, &["--http1.0"], "/a.py"), "<h1>hello a.py</h1>");
    let head = curl(&server, &["--head"], "/a.py");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Bdpagetype: 1\r\n"),
        "{head}"
    );
    // Larger than a megabyte: curl waits for 100 Continue.
    let file = server.folder().join("upload");
    std::fs::write(&file, "0123456789".repeat(200_000)).unwrap();
    let upload = format!("@{}", file.display());
    let echoed = curl(&server, &["--data-binary", &upload], "/features.py/echo");
    assert_eq!(echoed.len(), 2_000_000);
    let chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", &upload];
    assert_eq!(curl(&server, &chunked, "/streams.py/echo").len(), 2_000_000);
    // A second request goes over the same connection.
    let first = format!("http://{}/a.py", server.address());
    let both = curl(&server, &["--write-out", " %{num_connects} ", &first], "/a.py");
    assert_eq!(both, "<h1>hello a.py</h1> 1 <h1>hello a.py</h1> 0 ");
}
