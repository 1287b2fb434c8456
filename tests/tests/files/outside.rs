//! Nothing outside the root, and nothing but files, is ever served.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::client::Client;
use tests::plugins::{library, root, target};
use tests::server::{Setup, TestServer};

use crate::{ask, ask_on, text, write};

const SECRET: &str = "what nobody may see";

/// A root with every way out of it.
fn setup() -> Setup {
    let setup = Setup::new();
    let html = setup.folder().join("html");
    std::fs::write(setup.folder().join("secret"), SECRET).unwrap();
    std::fs::create_dir_all(html.join("a/b")).unwrap();
    write(&setup, "a/b/file.txt", "file");
    write(&setup, ".hidden", SECRET);
    write(&setup, ".git/config", SECRET);
    write(&setup, "a/.htpasswd", SECRET);
    write(&setup, ".well-known/security.txt", "contact");
    symlink("../secret", html.join("link")).unwrap();
    symlink("..", html.join("up")).unwrap();
    symlink(setup.folder().join("secret"), html.join("absolute")).unwrap();
    symlink("/proc/self/environ", html.join("proc")).unwrap();
    symlink("/proc/self/root", html.join("magic")).unwrap();
    symlink("loop", html.join("loop")).unwrap();
    symlink("a/b", html.join("inside")).unwrap();
    mknodat(CWD, html.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    std::os::unix::net::UnixListener::bind(html.join("socket")).unwrap();
    // The null device; only root may make one.
    let _ = mknodat(CWD, html.join("null"), FileType::CharacterDevice, Mode::RWXU, 0x103);
    // Coded forms lie beside a file under the same rules.
    write(&setup, "page.html", text(3000));
    symlink("../secret", html.join("page.html.br")).unwrap();
    symlink("/dev/zero", html.join("page.html.zst")).unwrap();
    mknodat(CWD, html.join("page.html.gz"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    setup
}

/// All spellings of a path that leads out of the root.
fn ways_out() -> Vec<String> {
    let ups = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "..%00",
        "..%2f",
        "%2e%2e%2f",
        "..%5c",
        "%252e%252e",
        "...",
        "..;",
        "..%c0%af",
        "%c0%ae%c0%ae",
    ];
    let mut paths: Vec<String> = ups
        .iter()
        .flat_map(|up| {
            ["", "/a", "/a/b", "/none"].map(|start| {
                let climb = format!("/{up}").repeat(start.matches('/').count() + 1);
                format!("{start}{climb}/secret")
            })
        })
        .collect();
    for path in [
        "/link",
        "/up/secret",
        "/up/html/a/b/file.txt",
        "/absolute",
        "/proc",
        "/magic/etc/passwd",
        "/loop",
        "/fifo",
        "/socket",
        "/null",
        "/.hidden",
        "/.git/config",
        "/%2egit/config",
        "/a/.htpasswd",
        "/inside/../../.hidden",
        "//etc/passwd",
        "/a//b/file.txt",
        "/a/b/file.txt/",
        "/a/b/file.txt/..",
        "/a%2fb/file.txt",
        "/a%5Cb",
        "/a/b/file.txt%00",
        "/a/b/file.txt%00.html",
        "/%00",
        "/a/./b/file.txt",
        "/.",
        "/..",
        "/a/b/",
        "/.well-known/../.hidden",
    ] {
        paths.push(path.to_owned());
    }
    paths
}

#[track_caller]
fn check_all(server: &TestServer) {
    let mut client = server.client();
    for path in ways_out() {
        let response = ask_on(&mut client, &format!("GET {path}"), "");
        assert_eq!(response.status, 404, "{path}: {}", response.text());
        assert!(!response.text().contains(SECRET), "{path}");
    }
    for path in ["/a/b/file.txt", "/inside/file.txt", "/.well-known/security.txt"] {
        assert_eq!(ask_on(&mut client, &format!("GET {path}"), "").status, 200, "{path}");
    }
    let page = ask(server, "GET /page.html", "Accept-Encoding: br, zstd, gzip, identity;q=0.1\r\n");
    assert_eq!(page.status, 200);
    let plain = crate::decode(page.header("content-encoding").unwrap(), &page.body);
    assert_eq!(plain, text(3000).as_bytes(), "the file itself, and nothing that lies beside it");
}

#[test]
fn no_path_leads_out_of_the_root() {
    check_all(&setup().start());
}

/// Where the kernel has no openat2, or a filter hides it (an old container runtime answers so), the
/// server walks the path itself, and the same must be true.
#[test]
fn no_path_leads_out_without_openat2() {
    for errno in ["ENOSYS", "EPERM"] {
        let setup = setup();
        let wrapper = without_openat2();
        let server = setup.wrapped(&wrapper, &[errno]).start();
        server.wait_for_log("openat2 is not to be had here");
        check_all(&server);
    }
}

/// A program that hides openat2 from the one that it starts.
fn without_openat2() -> std::path::PathBuf {
    let folder = target().join("test-plugins");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(format!("without_openat2-{}", std::process::id()));
    let status = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(root().join("tests/tests/files/without_openat2.c"))
        .status()
        .unwrap();
    assert!(status.success(), "the wrapper compiles");
    program
}

/// A link that is turned inside and outside all the time never leads out, at no moment.
#[test]
fn no_race_leads_out_of_the_root() {
    let setup = setup();
    let html = setup.folder().join("html");
    std::fs::create_dir(setup.folder().join("beside")).unwrap();
    std::fs::write(setup.folder().join("beside/file.txt"), SECRET).unwrap();
    let server = setup.config("[files]\nopen = 0").start();
    let is_over = AtomicBool::new(false);
    let swap = |target: &str, name: &Path| {
        let new = html.join("new");
        symlink(target, &new).unwrap();
        std::fs::rename(&new, name).unwrap();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                swap("a/b", &html.join("turning"));
                swap("../beside", &html.join("turning"));
            }
        });
        let mut seen = [0; 2];
        let mut client = server.client();
        let mut ask = || {
            let response = ask_on(&mut client, "GET /turning/file.txt", "");
            assert!(!response.text().contains(SECRET));
            seen[usize::from(response.status == 200)] += 1;
        };
        (0..2000).for_each(|_| ask());
        is_over.store(true, Ordering::Relaxed);
        assert!(seen[0] > 0 && seen[1] > 0, "both states were seen: {seen:?}");
    });
}

/// Opening a FIFO waits for the other side; nobody may wait for that.
#[test]
fn many_fifos_block_nobody() {
    let server = setup().config("threads = 2").start();
    let mut clients: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("GET /fifo HTTP/1.1\r\nHost: t\r\n\r\n");
    }
    assert_eq!(ask(&server, "GET /", "").status, 200);
    for client in &mut clients {
        assert_eq!(client.response().status, 404);
    }
}

/// The length is promised; a client must see that it does not get it.
#[test]
fn a_file_cut_short_while_it_is_sent_ends_the_connection() {
    for fields in ["", "Accept-Encoding: gzip\r\n"] {
        let setup = Setup::new();
        // Does not compress, so that it does not fit into the socket either way.
        let noise: Vec<u8> = (0..40_000_000u64)
            .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8)
            .collect();
        write(&setup, "large.txt", &noise);
        let file = setup.folder().join("html/large.txt");
        let server = setup.start();
        let mut client = server.client();
        client.send(format!("GET /large.txt HTTP/1.1\r\nHost: t\r\n{fields}\r\n"));
        let head = client.take_until(b"\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert_eq!(head.contains("Transfer-Encoding: chunked"), !fields.is_empty(), "{head}");
        std::fs::File::options().write(true).open(&file).unwrap().set_len(1000).unwrap();
        let rest = client.rest();
        assert!(rest.len() < noise.len(), "not all of it can have come");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "and it does not look complete");
        assert_eq!(ask(&server, "GET /", "").status, 200);
    }
}

#[test]
fn plugins_below_the_root_are_run_and_not_served() {
    let setup = Setup::new().config("plugins = \"html/in/plugins\"\n[files]\nlisting = true");
    let html = setup.folder().join("html");
    std::fs::remove_file(html.join("index.html")).unwrap();
    write(&setup, "in/plugins/source.py", SECRET);
    std::fs::copy(library("features"), html.join("in/plugins/features.so")).unwrap();
    write(&setup, "in/open.txt", "open");
    write(&setup, "in/plugins.txt", "open");
    symlink("in/plugins", html.join("way")).unwrap();
    symlink("in/plugins/source.py", html.join("one.txt")).unwrap();
    symlink("../open.txt", html.join("in/plugins/open.txt")).unwrap();
    let server = setup.start();
    assert_eq!(ask(&server, "GET /features.py/id", "").status, 200);
    for path in [
        "/in/plugins",
        "/in/plugins/",
        "/in/plugins/features.so",
        "/in/plugins/source.py",
        "/in/plugins/open.txt",
        "/in/%70lugins/features.so",
        "/way",
        "/way/",
        "/way/features.so",
        "/one.txt",
    ] {
        let response = ask(&server, &format!("GET {path}"), "");
        assert_eq!(response.status, 404, "{path}: {}", response.text());
    }
    for path in ["/in/open.txt", "/in/plugins.txt"] {
        assert_eq!(ask(&server, &format!("GET {path}"), "").text(), "open", "{path}");
    }
    let shown = ask(&server, "GET /in/", "").text();
    assert!(shown.contains("open.txt") && !shown.contains("plugins/"), "{shown}");
    // The root is moved with all that is in it: what was closed stays so.
    std::fs::rename(server.folder().join("html"), server.folder().join("moved")).unwrap();
    assert_eq!(ask(&server, "GET /in/plugins/source.py", "").status, 404);
    assert_eq!(ask(&server, "GET /way/source.py", "").status, 404);
}
