//! What other programs make of files: curl as a client.

use std::process::Command;

use tests::server::{Setup, TestServer};

use crate::{text, write};

fn curl(server: &TestServer, arguments: &[&str], target: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", "--path-as-is"])
        .args(arguments)
        .arg(format!("http://{}{target}", server.address()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "curl {arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn curl_gets_parts_and_compressed_files() {
    let setup = Setup::new().plugin("texts");
    let large = text(300_000);
    write(&setup, "large.html", &large);
    let server = setup.start();
    assert_eq!(curl(&server, &["--range", "1000-1999"], "/large.html"), large[1000..2000]);
    assert_eq!(curl(&server, &["--range", "-7"], "/large.html"), large[large.len() - 7..]);
    let parts = curl(&server, &["--range", "0-1,299998-"], "/large.html");
    assert!(parts.contains("\r\nContent-Range: bytes 299998-299999/300000\r\n\r\n"), "{parts}");
    // A download that was broken off is taken up where it ended.
    let file = server.folder().join("download");
    std::fs::write(&file, &large[..12_345]).unwrap();
    let path = file.to_str().unwrap();
    curl(&server, &["--continue-at", "-", "--output", path], "/large.html");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), large);
    // Whatever this curl can decode.
    for target in ["/large.html", "/texts.py/bytes?50000", "/texts.py/parts?50000"] {
        let plain = curl(&server, &[], target);
        let sizes = ["--compressed", "--output", path, "--write-out", "%{size_download}"];
        let sent: usize = curl(&server, &sizes, target).parse().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), plain);
        assert!(sent < plain.len() / 3, "{target}: {sent} bytes");
    }
    // And what it has is not sent again.
    let etag = server.folder().join("etag");
    let (save, compare) =
        (["--etag-save", etag.to_str().unwrap()], ["--etag-compare", etag.to_str().unwrap()]);
    curl(&server, &save, "/large.html");
    let code = ["--write-out", "%{http_code}", compare[0], compare[1]];
    assert_eq!(curl(&server, &code, "/large.html"), "304");
}
