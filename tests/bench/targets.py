"""What is measured: each target starts its servers, measures them side by side in one run, prints a
table and returns its rows.
"""

import shutil
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

import measure
import servers
import wsgi
from measure import Contestant, Crowd, Listeners, compare, private_memory, wrk
from servers import BENCH, Missing


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="", file=sys.stderr, flush=True)


def table(title, rows, unit="µs CPU per request", digits=2):
    progress("")
    print(f"## {title}\n\n| | {unit} | × first |\n|---|---|---|")
    for name, value, ratio in rows:
        print(f"| {name} | {value:.{digits}f} | {ratio:.2f} |")
    print(flush=True)
    return rows


class Field:
    """The servers of one run. A server that cannot be had is left out, and why is said."""

    def __init__(self, options):
        self.options = options
        self.contestants = []
        self.stack = ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stack.close()

    def start(self, make, *arguments, **named):
        server = make(*arguments, **named)
        for one in server if isinstance(server, tuple) else (server,):
            self.stack.callback(one.stop)
        return server

    def add(self, name, server, path="/", script=None):
        self.contestants.append(Contestant(name, server, path, script))

    def add_listeners(self, name, server, path):
        self.contestants.append(Listeners(name, server, path))

    def peer(self, label, make, *arguments, path="/", script=None, **named):
        wanted, peer = self.options.peers, label.split()[0].rstrip(",")
        if wanted is not None and peer not in wanted:
            return
        try:
            server = self.start(make, *arguments, **named)
        except (Missing, RuntimeError, OSError) as reason:
            print(f"{label} is left out: {str(reason).strip()[:300]}", file=sys.stderr)
            return
        label = label.replace(peer, f"{peer} {servers.version(peer)}".strip(), 1)
        self.add(label, server, path, script)

    def compare(self):
        return compare(self.contestants, self.options.rounds, self.options.seconds, progress)


def hello(options):
    """20 bytes from a plugin, 64 connections"""
    with Field(options) as field:
        field.add("bare epoll loop (C)", field.start(servers.bare))
        field.add("bare epoll loop, edge-triggered", field.start(servers.bare, edge=True))
        tenon = field.start(servers.tenon, "tenon", ["hello", "serial", "blocking"])
        field.add("Tenon, thread-safe and non-blocking", tenon, "/hello.py")
        field.add("Tenon, no promise (serialised)", tenon, "/serial.py")
        field.add("Tenon, thread-safe, may block", tenon, "/blocking.py")
        log = 'access_log = "access.log"\n'
        logging = field.start(servers.tenon, "tenon-log", ["hello"], config=log)
        field.add("Tenon, with the access log", logging, "/hello.py")
        field.peer("minihttp (Rust)", servers.rust, "minihttp")
        field.peer("actix-web (Rust)", servers.rust, "actix")
        field.peer("axum (Rust)", servers.rust, "axum")
        field.peer("nginx return 200", servers.nginx)
        field.peer("kore handler (C)", servers.kore)
        field.peer("uwsgi symcall (C)", servers.uwsgi)
        if options.lwan:
            field.peer("lwan handler (C)", servers.lwan, options.lwan)
        for name in ("granian", "gunicorn", "bjoern"):
            field.peer(f"{name} (Python)", servers.python, name)
        return table("20 bytes from a plugin", field.compare())


def instructions(options):
    """instructions in user space for one such request, counted by valgrind"""
    servers.need("valgrind", "valgrind")
    tenon = (servers.tenon, ("tenon-counted", ["hello"], None, 'html = "none"\n'))
    servers_and_paths = {
        "Tenon, the same request again": (*tenon, ["/hello.py"]),
        "Tenon, another one each time": (*tenon, ["/hello.py", "/hello.py?"]),
        "bare epoll loop (C)": (servers.bare, (), ["/"]),
    }
    if options.lwan:
        servers_and_paths["lwan handler (C)"] = (servers.lwan, (options.lwan,), ["/"])
    rows = []
    for name, (make, arguments, paths) in servers_and_paths.items():
        progress(f"counting {name}")
        try:
            each = measure.instructions(make, arguments, paths, servers.folder("counted"))
        except (Missing, RuntimeError, OSError) as reason:
            print(f"{name} is left out: {str(reason).strip()[:300]}", file=sys.stderr)
            continue
        rows.append((name, each))
    rows = [(name, each, each / rows[0][1]) for name, each in rows]
    return table("20 bytes, counted", rows, "instructions per request", 0)


def pipelined(options):
    """the same, 16 requests in one write"""
    script = str(BENCH / "peers/pipeline.lua")
    with Field(options) as field:
        field.add("bare epoll loop (C)", field.start(servers.bare), script=script)
        tenon = field.start(servers.tenon, "tenon", ["hello"])
        field.add("Tenon", tenon, "/hello.py", script)
        field.peer("minihttp (Rust)", servers.rust, "minihttp", script=script)
        field.peer("actix-web (Rust)", servers.rust, "actix", script=script)
        field.peer("axum (Rust)", servers.rust, "axum", script=script)
        field.peer("nginx return 200", servers.nginx, script=script)
        return table("16 requests pipelined", field.compare())


def static(options):
    """files of 20 bytes, 100 KB and 1 MB"""
    html = servers.folder("html")
    sizes = {"20 bytes": 20, "100 KB": 100 * 1000, "1 MB": 1000 * 1000}
    for name, size in sizes.items():
        (html / f"{size}.txt").write_bytes(b"x" * size)
    rows = []
    for name, size in sizes.items():
        with Field(options) as field:
            path = f"/{size}.txt"
            field.add(f"Tenon, {name}", field.start(servers.tenon, "tenon-static", [], html), path)
            field.peer(f"nginx with open_file_cache, {name}", servers.nginx, html, path=path)
            field.peer(f"h2o, {name}", servers.h2o, html, path=path)
            rows += table(f"A file of {name}", field.compare())
    return rows


def bodies(options):
    """1 KB and 1 MB echoed, 64 KB streamed in 64 parts"""
    rows = []
    for name, script in (("1 KB", "post1k.lua"), ("1 MB", "post1m.lua"), ("64 parts", None)):
        script = str(BENCH / "peers" / script) if script else None
        plugin = "echo" if script else "parts"
        with Field(options) as field:
            tenon = field.start(servers.tenon, "tenon-bodies", ["echo", "parts"])
            field.add(f"Tenon, {name}", tenon, f"/{plugin}.py", script)
            if script:
                field.peer(f"kore, {name}", servers.kore, path="/echo", script=script)
            front = None
            try:
                front, application = field.start(servers.fastcgi)
            except (Missing, RuntimeError) as reason:
                print(f"nginx with FastCGI is left out: {reason}", file=sys.stderr)
            if front:
                both = Pair(front, application)
                field.add(f"nginx with FastCGI, {name}", both, "/", script)
            rows += table(f"Bodies: {name}", field.compare())
    return rows


class Pair:
    """Two servers that answer together, by the port of the first."""

    def __init__(self, front, application):
        self.port, self.members = front.port, (front, application)

    @property
    def pid(self):
        return [member.pid for member in self.members]


def events(options):
    """1,000 clients of a plugin's event stream woken together"""
    with Field(options) as field:
        tenon = field.start(servers.tenon, "tenon-events", ["events"])
        field.add_listeners("Tenon", tenon, "/events.py")
        field.add_listeners("Kore", field.start(servers.kore), "/events")
        return table("1,000 clients woken together", field.compare(), "µs CPU per client")


def memory(options):
    """a worker at rest, and 10,000 idle connections"""
    count = 10_000
    with Field(options) as field:
        config = f"[limits]\nconnections = {2 * count}\n"
        tenon = field.start(servers.tenon, "tenon-memory", ["hello", "echo"], config=config)
        nginx = field.start(servers.nginx)
        rows = []
        for name, server, path in (("Tenon", tenon, "/hello.py"), ("nginx", nginx, "/")):
            wrk(server.port, path, 1)
            pid = servers.worker(server) if name == "Tenon" else server.pid
            rest = private_memory(pid)
            crowd = Crowd(server.port, path, count)
            each = (private_memory(pid) - rest) / count
            crowd.close()
            rows.append((name, rest, each))
        print("## Memory\n\n| | private MB of a worker at rest | bytes per idle connection |")
        print("|---|---|---|")
        for name, rest, each in rows:
            print(f"| {name} | {rest / 1e6:.1f} | {each:.0f} |")
        print(flush=True)
        return rows


def growth(options):
    """cost beside 10,000 idle connections, with 1,000 plugins or rules, with two workers"""
    rules = "".join(
        f"[[routes]]\nregex = '/number{i}/(?<path>.*)'\nplugin = \"hello\"\n" for i in range(1000)
    )
    default = "[[routes]]\nregex = '(?<mount>/(?<plugin>[A-Za-z0-9_-]+)\\.py)(?<path>/.*)?'\n"
    many = "[limits]\nconnections = 20000\n"
    with Field(options) as field:
        few = field.start(servers.tenon, "tenon-few", ["hello", "echo"])
        field.add("alone", few, "/hello.py")
        crowded = field.start(servers.tenon, "tenon-crowd", ["hello", "echo"], config=many)
        field.add("beside 10,000 idle connections", crowded, "/hello.py")
        ruled = field.start(servers.tenon, "tenon-rules", ["hello"], config=rules + default)
        field.add("behind 1,000 route rules", ruled, "/hello.py")
        place = servers.site("tenon-plugins", ["hello"])
        for number in range(1000):
            shutil.copy(place / "plugins/hello.so", place / f"plugins/copy{number}.so")
        plenty = field.start(start_folder, place)
        field.add("among 1,000 plugins", plenty, "/hello.py")
        two = field.start(servers.tenon, "tenon-two", ["hello"], workers=2, cores="0,1")
        field.add("two workers on two cores", two, "/hello.py")
        # What a second core costs by itself.
        field.peer("nginx, one worker", servers.nginx)
        pair = {"name": "nginx-two", "workers": 2, "cores": "0,1"}
        field.peer("nginx, two workers on two cores", servers.nginx, **pair)
        crowd = Crowd(crowded.port, "/hello.py", 10_000)
        rows = table("Growth", field.compare())
        crowd.close()
        return rows


def start_folder(place):
    port = measure.free_port()
    command = [servers.tenon_program(), "serve", "--no-watch", "--workers", "1"]
    return measure.Running(
        "tenon-plugins", [*command, "--listen", f"127.0.0.1:{port}"], port, place
    )


def fairness(options):
    """latency beside 64 clients of a plugin that sleeps, and threads beside 200 slow readers"""
    with Field(options) as field:
        tenon = field.start(servers.tenon, "tenon-fair", ["hello", "nap", "large"])
        quiet, busy = [], []
        for _ in range(options.rounds):
            quiet.append(wrk(tenon.port, "/hello.py", options.seconds, 16, latency=True)[1])
            nappers = subprocess.Popen(
                ["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{options.seconds + 2}",
                 f"http://127.0.0.1:{tenon.port}/nap.py"], stdout=subprocess.DEVNULL)
            time.sleep(0.5)
            busy.append(wrk(tenon.port, "/hello.py", options.seconds, 16, latency=True)[1])
            nappers.wait()
        quiet, busy = statistics.median(quiet), statistics.median(busy)
        rows = [("quiet", quiet, 1.0), ("beside 64 who sleep", busy, busy / quiet)]
        table("Fairness: p99 of a plugin that does not block", rows, "µs", 0)
        readers = []
        for _ in range(200):
            reader = socket.create_connection(("127.0.0.1", tenon.port), timeout=60)
            reader.sendall(b"GET /large.py HTTP/1.1\r\nHost: bench\r\n\r\n")
            readers.append(reader)
        # Until the sockets are full: what the answers cost to make is not what is asked here.
        time.sleep(2)
        latency = wrk(tenon.port, "/hello.py", options.seconds, 16, latency=True)[1]
        print(f"beside 200 readers who read nothing: p99 {latency:.0f} µs\n", flush=True)
        for reader in readers:
            reader.close()
        return rows


def python(options):
    """WSGI applications beside bjoern, Granian, uWSGI and gunicorn"""
    return wsgi.measure(options, Field, table)


ALL = {
    one.__name__: one
    for one in (
        hello, pipelined, instructions, static, bodies, events, memory, growth, fairness, python
    )
}
