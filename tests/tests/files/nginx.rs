//! The same bytes to Tenon and to nginx, over the same files. Where they differ, a table
//! (`nginx/files.md`, `nginx/requests.md`) says which section of the RFC Tenon follows; a difference that is not in it fails the test, and so does a row
//! of it that is no difference any more.

mod files;
mod requests;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::client::Client;
use tests::server::Setup;
use tests::wait_until;

use crate::{text, write};

/// What Tenon and nginx made of one request.
struct Outcome {
    request: String,
    tenon: String,
    nginx: String,
}

/// A row of a table.
struct Difference<'t> {
    /// As in `Outcome`, and so are the next two.
    request: &'t str,
    tenon: &'t str,
    nginx: &'t str,
    /// The section that Tenon follows, and what it says.
    why: &'t str,
}

impl<'t> Difference<'t> {
    /// Of a line of Markdown; `None`: it is none of the table's rows.
    fn read(line: &'t str) -> Option<Self> {
        let (request, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
        let (tenon, rest) = rest.split_once("` | `")?;
        let (nginx, why) = rest.strip_suffix(" |")?.split_once("` | ")?;
        Some(Self { request, tenon, nginx, why })
    }
}

/// The outcomes that differ are those of the table, and no others.
#[track_caller]
fn assert_explained(outcomes: &[Outcome], table: &str) {
    let table: Vec<_> = table.lines().filter_map(Difference::read).collect();
    assert!(table.len() > 10, "the table has been found");
    let mut failures = Vec::new();
    for Outcome { request, tenon, nginx } in outcomes {
        let row = table.iter().find(|row| row.request == request);
        let expected = row.map_or((&**tenon, &**tenon), |row| (row.tenon, row.nginx));
        if (&**tenon, &**nginx) != expected {
            failures.push(format!("{request}\n  tenon {tenon}\n  nginx {nginx}"));
        }
    }
    for row in &table {
        let count = outcomes.iter().filter(|outcome| outcome.request == row.request).count();
        if count != 1 || row.tenon == row.nginx || !row.why.starts_with("RFC ") {
            failures.push(format!("{}: the row says nothing", row.request));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The Debian package as it comes: what is not said below has its default. What is for a plugin it
/// passes to a second server, once it has read the body to its end.
struct Nginx {
    process: Child,
    socket: PathBuf,
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
             server {{ listen unix:{}; root {shown}/html; gzip_static on;\n\
             location /features.py/ {{ proxy_pass http://unix:{shown}/behind.sock; }} }}\n\
             server {{ listen unix:{shown}/behind.sock; return 200; }} }}\n",
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

/// A server whose files nginx serves too.
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
