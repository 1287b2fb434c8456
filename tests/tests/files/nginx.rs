//! The same bytes to Tenon and to nginx, over the same files. Where they differ, the table says which
//! section of the RFC Tenon follows; a difference that is not in it fails the test, and so does a row
//! of it that is no difference any more.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tests::client::{Client, Response};
use tests::server::{Setup, TestServer};
use tests::wait_until;

use crate::{text, write};

/// What is sent, between the method and the end of the head; the rest is the same for all.
const REQUESTS: &[(&str, &str)] = &[
    ("GET /digits.txt", ""),
    ("HEAD /digits.txt", ""),
    ("GET /empty.txt", ""),
    ("GET /none", ""),
    ("GET /folder", ""),
    ("GET /folder?a=b", ""),
    ("GET /folder/", ""),
    ("GET /bare/", ""),
    ("GET /digits.txt/", ""),
    ("GET /%64igits.txt", ""),
    ("GET /a/../digits.txt", ""),
    ("GET /../secret", ""),
    ("GET /%2e%2e/secret", ""),
    ("GET /a%2f..%2fdigits.txt", ""),
    ("GET //digits.txt", ""),
    ("GET /./digits.txt", ""),
    ("GET /digits.txt%00", ""),
    ("GET /%5cdigits.txt", ""),
    ("POST /digits.txt", "Content-Length: 0\r\n"),
    ("DELETE /digits.txt", ""),
    ("OPTIONS /digits.txt", ""),
    ("BREW /digits.txt", ""),
    ("GET /digits.txt", "Range: bytes=2-4\r\n"),
    ("GET /digits.txt", "Range: bytes=-3\r\n"),
    ("GET /digits.txt", "Range: bytes=8-\r\n"),
    ("GET /digits.txt", "Range: bytes=8-99999999999999999999\r\n"),
    ("GET /digits.txt", "Range: bytes=10-\r\n"),
    ("GET /digits.txt", "Range: bytes=-0\r\n"),
    ("GET /digits.txt", "Range: bytes=5-4\r\n"),
    ("GET /digits.txt", "Range: bytes=a-b\r\n"),
    ("GET /digits.txt", "Range: lines=1-2\r\n"),
    ("GET /digits.txt", "Range: bytes=0-1,1-3\r\n"),
    ("GET /digits.txt", "Range: bytes=0-,0-,0-\r\n"),
    ("GET /digits.txt", "Range: bytes=1-2,20-\r\n"),
    ("GET /empty.txt", "Range: bytes=0-\r\n"),
    ("HEAD /digits.txt", "Range: bytes=2-4\r\n"),
    ("GET /digits.txt", "If-None-Match: *\r\n"),
    ("GET /digits.txt", "If-None-Match: \"x\"\r\n"),
    ("GET /digits.txt", "If-Match: *\r\n"),
    ("GET /digits.txt", "If-Match: \"x\"\r\n"),
    ("GET /none", "If-Match: \"x\"\r\n"),
    ("GET /digits.txt", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    ("GET /digits.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ("GET /digits.txt", "If-Modified-Since: nonsense\r\n"),
    ("GET /digits.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
    ("GET /digits.txt", "If-Unmodified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    ("GET /digits.txt", "Range: bytes=2-4\r\nIf-Range: \"x\"\r\n"),
    ("GET /coded.html", "Accept-Encoding: gzip\r\n"),
    ("GET /coded.html", "Accept-Encoding: gzip;q=0\r\n"),
    ("GET /coded.html", "Accept-Encoding: identity, gzip;q=0.5\r\n"),
    ("GET /coded.html", "Accept-Encoding: *\r\n"),
    ("GET /coded.html", "Accept-Encoding: identity;q=0\r\n"),
    ("GET /coded.html", ""),
];

struct Difference {
    line: &'static str,
    fields: &'static str,
    tenon: &'static str,
    nginx: &'static str,
    /// Sections of RFC 9110, but for those of RFC 3986.
    why: &'static str,
}

#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    Difference {
        line: "GET /bare/", fields: "",
        tenon: r#"404"#, nginx: r#"403"#,
        why: "15.5.5: whether there is a folder without an index is nobody's business",
    },
    Difference {
        line: "GET /a/../digits.txt", fields: "",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §5.2.4: dot segments are removed by who resolves a reference; a path that two programs may read in two ways names nothing",
    },
    Difference {
        line: "GET /./digits.txt", fields: "",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §5.2.4: the same",
    },
    Difference {
        line: "GET /../secret", fields: "",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §3.3: the path is well-formed; there is only nothing it names (15.5.5)",
    },
    Difference {
        line: "GET /%2e%2e/secret", fields: "",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §6.2.2.2: the same, written otherwise",
    },
    Difference {
        line: "GET /a%2f..%2fdigits.txt", fields: "",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §2.2: an encoded slash is data, and no file has one in its name",
    },
    Difference {
        line: "GET //digits.txt", fields: "",
        tenon: r#"404"#, nginx: r#"200 "0123456789""#,
        why: "RFC 3986 §3.3: an empty segment is a segment; taken for none it makes redirects to other hosts",
    },
    Difference {
        line: "GET /digits.txt%00", fields: "",
        tenon: r#"404"#, nginx: r#"400"#,
        why: "RFC 3986 §7.3: decoded it can name no file; the request is well-formed",
    },
    Difference {
        line: "OPTIONS /digits.txt", fields: "",
        tenon: r#"204"#, nginx: r#"405"#,
        why: "9.3.7: what may be done with a file can be asked",
    },
    Difference {
        line: "BREW /digits.txt", fields: "",
        tenon: r#"501"#, nginx: r#"405"#,
        why: "9.1: a method that is not recognised is 501; 405 is for one that is (15.5.6)",
    },
    Difference {
        line: "GET /digits.txt", fields: "Range: bytes=8-99999999999999999999\r\n",
        tenon: r#"206 content-range: bytes 8-9/10 "89""#, nginx: r#"416 content-range: bytes */10"#,
        why: "14.1.2: a last position beyond the end is the end, however large",
    },
    Difference {
        line: "GET /digits.txt", fields: "Range: bytes=5-4\r\n",
        tenon: r#"200 "0123456789""#, nginx: r#"416 content-range: bytes */10"#,
        why: "14.1.1: the range is invalid, and an invalid Range field is ignored (14.2)",
    },
    Difference {
        line: "GET /digits.txt", fields: "Range: bytes=a-b\r\n",
        tenon: r#"200 "0123456789""#, nginx: r#"416 content-range: bytes */10"#,
        why: "14.2: the same; 416 is for valid ranges that select nothing (15.5.17)",
    },
    Difference {
        line: "GET /digits.txt", fields: "Range: bytes=0-1,1-3\r\n",
        tenon: r#"206 content-range: bytes 0-3/10 "0123""#, nginx: r#"206 "\r\n--00000000""#,
        why: "15.3.7.2: ranges that overlap may be sent as one, and no byte twice",
    },
    Difference {
        line: "GET /empty.txt", fields: "Range: bytes=0-\r\n",
        tenon: r#"416 content-range: bytes */0"#, nginx: r#"200 """#,
        why: "14.1.2: a first position at the end is not satisfiable (15.5.17)",
    },
    Difference {
        line: "HEAD /digits.txt", fields: "Range: bytes=2-4\r\n",
        tenon: r#"200 """#, nginx: r#"206 content-range: bytes 2-4/10 """#,
        why: "14.2: Range is defined for GET alone and ignored with other methods",
    },
    Difference {
        line: "GET /digits.txt", fields: "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n",
        tenon: r#"304"#, nginx: r#"200 "0123456789""#,
        why: "13.1.3: false if the date of modification is earlier or equal, not only if it is the same",
    },
    Difference {
        line: "GET /coded.html", fields: "Accept-Encoding: identity, gzip;q=0.5\r\n",
        tenon: r#"200 "<p>paragraph""#, nginx: r#"200 content-encoding: gzip "coded in gzi""#,
        why: "12.5.3: weights order what the client prefers",
    },
    Difference {
        line: "GET /coded.html", fields: "Accept-Encoding: *\r\n",
        tenon: r#"200 content-encoding: gzip "coded in gzi""#, nginx: r#"200 "<p>paragraph""#,
        why: "12.5.3: * is any coding that is not named",
    },
    Difference {
        line: "GET /coded.html", fields: "Accept-Encoding: identity;q=0\r\n",
        tenon: r#"406"#, nginx: r#"200 "<p>paragraph""#,
        why: "12.5.3: the plain form is not sent to a client that says it is not acceptable (15.5.7)",
    },
];

/// What counts of an answer.
fn outcome(response: &Response) -> String {
    let mut outcome = response.status.to_string();
    for name in ["content-range", "content-encoding", "location"] {
        if let Some(value) = response.header(name) {
            // nginx gives the whole address.
            let value = value.strip_prefix("http://t").unwrap_or(value);
            outcome.push_str(&format!(" {name}: {value}"));
        }
    }
    if response.status == 206 || response.status == 200 {
        let start: String = response.text().chars().take(12).collect();
        outcome.push_str(&format!(" {start:?}"));
    }
    outcome
}

struct Nginx {
    process: Child,
    socket: std::path::PathBuf,
}

impl Nginx {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("nginx.sock");
        let shown = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {shown}/{name};\n"))
            .collect();
        let config = format!(
            "daemon off; master_process off; pid {shown}/nginx.pid; error_log stderr crit;\n\
             events {{}}\nhttp {{ access_log off; {temporary}\n\
             types {{ text/html html; text/plain txt; }}\n\
             server {{ listen unix:{}; root {shown}/html; gzip_static on; }} }}\n",
            socket.display()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let process = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(folder)
            .arg("-c")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        let nginx = Self { process, socket };
        wait_until("nginx listens", || UnixStream::connect(&nginx.socket).is_ok());
        nginx
    }

    fn client(&self) -> Client {
        Client::over(UnixStream::connect(&self.socket).unwrap())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn setup() -> Setup {
    let setup = Setup::new();
    write(&setup, "digits.txt", "0123456789");
    write(&setup, "empty.txt", "");
    write(&setup, "folder/index.html", "index of folder");
    write(&setup, "a/file.txt", "");
    write(&setup, "coded.html", text(500));
    write(&setup, "coded.html.gz", "coded in gzip");
    std::fs::create_dir(setup.folder().join("html/bare")).unwrap();
    std::fs::write(setup.folder().join("secret"), "secret").unwrap();
    setup
}

#[test]
fn every_difference_from_nginx_has_its_reason() {
    // Found again in the folder of the server: both serve the very same files.
    let server: TestServer = setup().start();
    let nginx = Nginx::start(server.folder());
    let mut failures = Vec::new();
    for (line, fields) in REQUESTS {
        let request = format!("{line} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{fields}\r\n");
        let is_head = line.starts_with("HEAD ");
        let ask = |mut client: Client| {
            client.send(&request);
            outcome(&client.any_response(is_head))
        };
        let (ours, theirs) = (ask(server.client()), ask(nginx.client()));
        let known = DIFFERENCES.iter().find(|known| (&known.line, &known.fields) == (line, fields));
        let expected = known.map_or((&*ours, &*ours), |known| (known.tenon, known.nginx));
        let is_row = known.is_none_or(|known| known.tenon != known.nginx && !known.why.is_empty());
        if (&*ours, &*theirs) != expected || !is_row {
            failures.push(format!("{line} {fields:?}\n  tenon {ours}\n  nginx {theirs}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        DIFFERENCES.iter().all(|known| REQUESTS.contains(&(known.line, known.fields))),
        "a row is about a request that is not made"
    );
}
