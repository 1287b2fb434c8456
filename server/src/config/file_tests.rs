//! What the configuration file may hold, and how it is refused.

use super::*;

fn read(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenon.toml");
    std::fs::write(&file, text).unwrap();
    let prefix = format!("{}:", file.display());
    load(&file, Config::default()).map_err(|error| error.to_string().replace(&prefix, ""))
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(read("").unwrap(), Config::default());
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        listen = ["127.0.0.1:0", "[::1]:8080"]
        admin_listen = ["127.0.0.1:1"]
        plugins = "p"
        html = "/srv/html"
        workers = 3
        threads = 5
        watch = false
        server_name = ""
        access_log = "log/access"
        access_log_format = "$status"
        request_id = "answer"
        trusted_proxies = ["10.0.0.0/8"]
        forwarded_by = "forwarded"
        proxy_protocol = true
        control = "ctl.sock"
        [[routes]]
        regex = "/user/(?<id>[0-9]+)"
        plugin = "user"
        [[routes]]
        prefix = "/static"
        files = true
        [limits]
        head = "8KiB"
        target = 1000
        headers = 50
        body = "1GiB"
        body_memory = 0
        connections = 7
        connections_per_address = 2
        body_rate = "1KiB"
        write_rate = 0
        queue = 8
        [timeouts]
        head = "1s"
        body = 2
        idle = "3m"
        write = "4h"
        request = "7s"
        total = "5m"
        drain = "500ms"
        [crashes]
        folder = "crashes"
        records = 5
        size = "1MiB"
        redact = false
        [files]
        index = ["index.htm"]
        listing = true
        precompressed = false
        open = 7
        memory = "1MiB"
        types = { MD = "text/markdown" }
        [[files.cache_control]]
        prefix = "/assets"
        extensions = ["css"]
        value = "public, max-age=60"
        [compression]
        codings = ["gzip"]
        min_size = "2KiB"
        types = ["text/*"]
        streams = 9
        [plugin.shop]
        mount = "/shop"
        config = { colour = "red", sizes = [1, 2] }
        compress = false
        [plugin.shop.isolate]
        read = ["data", "/srv/data"]
        connect = [5432]
        memory = "1GiB"
        [plugin.other]
        isolate = true
        "#,
    )
    .unwrap();
    assert_eq!(config.listen.len(), 2);
    assert!(config.plugins.is_absolute() && config.plugins.ends_with("p"));
    assert_eq!(config.html, Path::new("/srv/html"));
    assert_eq!((config.workers, config.threads, config.watch), (3, 5, false));
    assert_eq!(config.server_name, None);
    assert!(matches!(config.access_log, AccessLog::File(path) if path.ends_with("log/access")));
    assert!(matches!(config.control, ControlSocket::At(path) if path.ends_with("ctl.sock")));
    assert_eq!(config.routes[0].target, TargetName::Plugin("user".to_owned()));
    assert_eq!(config.routes[1].target, TargetName::Files);
    assert_eq!((config.limits.head, config.limits.body), (8192, 1 << 30));
    assert_eq!(config.request_id, RequestIds::Answer);
    assert!(config.proxies.trusts("10.1.1.1".parse().unwrap()) && config.proxies.proxy_protocol);
    assert_eq!(config.proxies.fields, ForwardedBy::Forwarded);
    assert_eq!(config.admin_listen[0].port(), 1);
    assert_eq!(config.limits.connections_per_address, Some(2));
    assert_eq!((config.limits.body_rate, config.limits.write_rate), (1024, 0));
    assert_eq!(config.timeouts.total.map(|time| time.as_secs()), Some(300));
    assert_eq!(config.timeouts.idle.as_secs(), 180);
    assert_eq!(config.timeouts.drain.as_millis(), 500);
    assert_eq!((config.crashes.records, config.crashes.size), (5, 1 << 20));
    assert!(!config.crashes.redact && config.crashes.folder.unwrap().ends_with("crashes"));
    let Files { index, listing, precompressed, open, memory, types, cache_control } = &config.files;
    assert_eq!(
        (&index[..], *listing, *precompressed),
        (&["index.htm".to_owned()][..], true, false)
    );
    assert_eq!((*open, *memory), (7, 1 << 20));
    assert_eq!(types["md"], "text/markdown");
    assert!(cache_control[0].matches(b"assets/a.css"));
    let Compression { codings, min_size, types, streams } = &config.compression;
    assert_eq!((codings.len(), *min_size, types.len(), *streams), (1, 2048, 1, 9));
    let isolation = config.plugin["shop"].isolate.clone().unwrap();
    assert!(isolation.read[0].is_absolute() && isolation.read[0].ends_with("data"));
    assert_eq!((isolation.connect, isolation.memory), (vec![5432], Some(1 << 30)));
    assert_eq!(config.plugin["other"].isolate, Some(crate::config::Isolation::default()));
    let shop = &config.plugin["shop"];
    assert_eq!(shop.compress, Some(false));
    assert_eq!(shop.mount.as_deref(), Some("/shop"));
    assert_eq!(shop.config.as_ref().unwrap()["sizes"][1], 2);
}

#[test]
fn mistakes_are_refused_with_their_line() {
    for (text, line, expected) in [
        ("\nlisten_on = 1", 2, "unknown field `listen_on`, expected one of `listen`"),
        ("listen = [\"x\"]", 1, "socket address"),
        ("\n\nthreads = 1", 3, "expected a number from 2"),
        ("workers = 0", 1, "found 0, expected a number from 1"),
        ("[limits]\nbody = \"1MB\"", 2, "64KiB"),
        ("[timeouts]\n\nidle = \"0s\"", 3, "above zero"),
        ("[timeouts]\nidel = \"1s\"", 2, "unknown field `idel`"),
        ("[[routes]]\nregex = \"(\"", 1, "cannot be used"),
        ("[[routes]]\nprefix = \"/x\"", 1, "expected either plugin"),
        ("[plugin.a]\nmount = \"shop\"", 2, "expected a path"),
        ("[plugin.a]\n\nisolate = 1", 3, "expected true, false or a table"),
        ("[plugin.a.isolate]\nuser = \"no such\"", 2, "there is no user no such"),
        ("[plugin.a.isolate]\nuser = \"root\"", 2, "which isolates nothing"),
        ("[plugin.a.isolate]\nports = [1]", 2, "unknown field `ports`, expected one of `user`"),
        ("[plugin.a.isolate]\nread = [\"../x\"]", 2, "without .."),
        ("[plugin.a.isolate]\nmemory = \"1MiB\"", 2, "expected at least 256MiB"),
        ("[plugin.\"a/b\"]", 1, "expected a plugin's name"),
        ("\nproxy_protocol = true", 2, "trusted_proxies"),
        ("trusted_proxies = [\"x\"]", 1, "expected an address or a network"),
        ("access_log_format = \"$x\"", 1, "$x is not known"),
        ("forwarded_by = \"x\"", 1, "x-forwarded"),
        ("watch = maybe", 1, ""),
        ("[files]\nindex = [\"a/b\"]", 2, "the name of a file"),
        ("[files]\nopen = 99999", 2, "a number from 0"),
        ("[files]\ntypes = { md = \"markdown\" }", 2, "text/markdown"),
        ("[[files.cache_control]]\nvalue = \"max-age=\"", 2, "expected directives"),
        ("[[files.cache_control]]\nprefix = \"a\"\nvalue = \"no-store\"", 2, "expected a path"),
        ("[compression]\ncodings = [\"deflate\"]", 2, "expected one of `br`"),
        ("[compression]\ntypes = [\"text\"]", 2, "expected a media type"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(&format!("{line}: ")), "{text:?}: {error}");
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}
