"""The servers: how each is found or built, configured and started.

Debian has nginx, h2o, Kore, uWSGI and wrk; PyPI has Granian, gunicorn and bjoern; crates.io has
what `peers/rust` names. What cannot be had is left out of the table, with a line that says why.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from measure import Running, family, free_port

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent.parent
WORK = ROOT / "target" / "bench"
INCLUDE = ROOT / "plugin-api" / "include"


class Missing(Exception):
    """A server that cannot be had here."""


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise Missing(f"{' '.join(map(str, command))}: {result.stderr.strip()[-500:]}")
    return result.stdout + result.stderr


def need(command, *packages):
    """The path of a command, by Debian's packages if it is not there."""
    if not shutil.which(command):
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Missing(f"{command} is missing; install the package {packages[0]}")
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        subprocess.run(["apt-get", "update"], capture_output=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "install", "-y", "--no-install-recommends", *packages], env=environment)
    return shutil.which(command)


def folder(name):
    path = WORK / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def compile_c(source, output, *flags):
    run(["cc", "-O2", "-D_GNU_SOURCE", str(source), "-o", str(output), *flags])
    return str(output)



def bare(edge=False):
    binary = compile_c(BENCH / "peers/bare.c", folder("bare") / "bare")
    port = free_port()
    mode = ["edge"] if edge else []
    name = "bare-edge" if edge else "bare"
    return Running(name, [binary, str(port), *mode], port, folder("bare"))


# Another build of Tenon than the one of this tree.
PROGRAM = None


def tenon_program():
    if PROGRAM:
        return PROGRAM
    run(["cargo", "build", "--release", "--package", "tenon"], cwd=ROOT)
    return str(ROOT / "target/release/tenon")


FLAGS = {
    "hello": "CSGI_THREADSAFE | CSGI_NONBLOCKING",
    "serial": "0",
    "blocking": "CSGI_THREADSAFE",
}


def site(name, plugins, html=None):
    """A folder that Tenon can serve."""
    place = folder(name)
    shutil.rmtree(place / "plugins", ignore_errors=True)
    (place / "plugins").mkdir()
    for plugin in plugins:
        source = BENCH / "plugins" / f"{'hello' if plugin in FLAGS else plugin}.c"
        library = place / "plugins" / f"{plugin}.so"
        flags = f"-DFLAGS={FLAGS.get(plugin, 0)}"
        compile_c(source, library, "-shared", "-fPIC", "-fvisibility=hidden", flags, f"-I{INCLUDE}")
    if html and not (place / "html").exists():
        (place / "html").symlink_to(html)
    return place


def tenon(name, plugins, html=None, config="", workers=1, cores="0"):
    place = site(name, plugins, html)
    (place / "tenon.toml").write_text(config)
    port = free_port()
    command = [tenon_program(), "serve", "--no-watch", "--workers", str(workers)]
    command += ["--listen", f"127.0.0.1:{port}"]
    return Running(name, command, port, place, cores)


def worker(server):
    """The process that serves, once it does."""
    for member in family(server.pid):
        command = Path(f"/proc/{member}/cmdline").read_text().split("\0")
        if "worker" in command:
            return member
    raise RuntimeError("there is no worker")



def nginx(html=None, name="nginx", cache=True, fastcgi=None, workers=1, cores="0"):
    program = need("nginx", "nginx-light")
    place, port = folder(name), free_port()
    fixed = 'default_type text/plain; return 200 "hello, nginx .......";'
    files = f"root {html};" if html else fixed
    if fastcgi:
        files = f"fastcgi_pass 127.0.0.1:{fastcgi}; fastcgi_keep_conn on;" + "".join(
            f"fastcgi_param {key} ${value};"
            for key, value in (
                ("REQUEST_METHOD", "request_method"),
                ("CONTENT_LENGTH", "content_length"),
                ("REQUEST_URI", "request_uri"),
            )
        )
    cached = "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s;" if cache else ""
    (place / "nginx.conf").write_text(f"""
daemon off; master_process {'off' if workers == 1 else 'on'}; worker_processes {workers}; pid {place}/pid; error_log stderr error;
worker_rlimit_nofile 65536;
events {{ worker_connections 32768; }}
http {{
    access_log off; keepalive_timeout 300s; keepalive_requests 1000000000; sendfile on;
    tcp_nopush on; client_max_body_size 8m; client_body_buffer_size 2m; {cached}
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=1024 reuseport; location / {{ {files} }} }}
}}
""")
    command = [program, "-c", str(place / "nginx.conf"), "-p", str(place)]
    return Running(name, command, port, place, cores)


def h2o(html):
    program = need("h2o", "h2o")
    place, port = folder("h2o"), free_port()
    (place / "h2o.conf").write_text(f"""
num-threads: 1
listen: {{ host: 127.0.0.1, port: {port} }}
user: root
http1-request-timeout: 300
hosts:
  default:
    paths:
      /: {{ file.dir: {html} }}
""")
    return Running("h2o", [program, "-c", str(place / "h2o.conf")], port, place)


def kore():
    program = need("kore", "kore")
    place, port = folder("kore"), free_port()
    compile_c(BENCH / "peers/kore.c", place / "kore.so", "-shared", "-fPIC", "-std=gnu11")
    (place / "kore.conf").write_text(f"""
server plain {{
    bind 127.0.0.1 {port}
    tls no
}}
load ./kore.so
workers 1
worker_max_connections 20000
worker_rlimit_nofiles 65536
http_keepalive_time 300
http_header_timeout 300
http_body_max 8388608
http_body_disk_offload 0
domain * {{
    attach plain
    route / hello
    route /echo echo
    restrict /echo post
    route /events events
    route /events/publish publish
}}
""")
    return Running("kore", [program, "-fnr", "-c", "kore.conf"], port, place)


def uwsgi():
    program = need("uwsgi", "uwsgi-core")
    if not Path("/usr/include/sys/capability.h").exists():
        need("capability.h", "libcap-dev", "libssl-dev", "libpcre3-dev", "libxml2-dev")
    place, port = folder("uwsgi"), free_port()
    flags = run([program, "--cflags"]).split()
    headers = place / "uwsgi.h"
    headers.write_text(run([program, "--dot-h"]))
    flags = [flag for flag in flags if flag.startswith(("-D", "-I"))]
    compile_c(BENCH / "peers/uwsgi.c", place / "hello.so", "-shared", "-fPIC", f"-I{place}", *flags)
    command = [program, "--plugin", "symcall", "--disable-logging"]
    command += ["--http11-socket", f"127.0.0.1:{port}"]
    command += ["--dlopen", "./hello.so", "--symcall", "hello", "--http-socket-modifier1", "18"]
    return Running("uwsgi", command, port, place)


def rust(binary):
    run(["cargo", "build", "--release"], cwd=BENCH / "peers/rust", env={
        **os.environ, "CARGO_TARGET_DIR": str(WORK / "rust"),
    })
    port = free_port()
    return Running(binary, [str(WORK / "rust/release" / binary), str(port)], port, folder("rust"))


def python(name):
    """A WSGI server of PyPI, in an environment of its own."""
    place, port = folder("python"), free_port()
    tools = place / "environment"
    if not (tools / "bin/python").exists():
        run([sys.executable, "-m", "venv", str(tools)])
    if name == "bjoern" and not Path("/usr/include/ev.h").exists():
        need("ev.h", "libev-dev")
    run([str(tools / "bin/python"), "-m", "pip", "install", "-q", name])
    shutil.copy(BENCH / "peers/hello.py", place)
    commands = {
        "granian": [
            "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--no-access-log", "hello:application",
        ],
        "gunicorn": [
            "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
            "--threads", "4", "--keep-alive", "300", "hello:application",
        ],
        "bjoern": ["python", "hello.py", str(port)],
    }
    command = commands[name]
    command[0] = str(tools / "bin" / command[0])
    return Running(name, command, port, place)


def fastcgi():
    """nginx and the FastCGI application behind it: (front, application)."""
    if not Path("/usr/include/fcgi_stdio.h").exists():
        need("fcgi_stdio.h", "libfcgi-dev")
    spawn = need("spawn-fcgi", "spawn-fcgi")
    place, port = folder("fastcgi"), free_port()
    binary = compile_c(BENCH / "peers/fastcgi.c", place / "application", "-lfcgi")
    command = [spawn, "-n", "-a", "127.0.0.1", "-p", str(port), "--", binary]
    application = Running("fastcgi", command, port, place)
    return nginx(name="nginx-fastcgi", fastcgi=port), application


def lwan(build):
    """lwan is in no registry: its `hello` sample, built by hand in the folder `build`."""
    program = Path(build) / "src/samples/hello/hello"
    if not program.exists():
        raise Missing(f"{program} is not there: build lwan in {build}")
    place, port = folder("lwan"), free_port()
    # Its samples read the file that is called after them in the current folder.
    (place / "hello.conf").write_text(
        f"keep_alive_timeout = 300\nquiet = true\nthreads = 1\nlistener 127.0.0.1:{port}\n"
        "site {\n    &hello_world /\n}\n"
    )
    return Running("lwan", [str(program)], port, place)


def version(name):
    """Of a peer, as its package says; empty if it has none."""
    packages = {
        "nginx": "nginx-light", "h2o": "h2o", "kore": "kore", "uwsgi": "uwsgi-core",
        "minihttp": "may_minihttp", "actix-web": "actix-web", "axum": "axum",
    }
    package = packages.get(name, name)
    lock = (BENCH / "peers/rust/Cargo.lock").read_text()
    found = re.search(rf'name = "{package}"\nversion = "([^"]+)"', lock)
    if not found:
        query = ["dpkg-query", "-W", "-f", "${Version}", package]
        answer = subprocess.run(query, capture_output=True, text=True).stdout
        found = re.match(r"(\d[\d.]*)", answer)
    if not found:
        tools = WORK / "python/environment/bin/python"
        show = [str(tools), "-m", "pip", "show", package]
        shown = subprocess.run(show, capture_output=True, text=True).stdout if tools.exists() else ""
        found = re.search(r"^Version: (\S+)", shown, re.M)
    return found.group(1) if found else ""
