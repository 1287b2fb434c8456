"""The target `python`: WSGI applications in Tenon and in the servers of PyPI, one process each.

All run on the interpreter that runs this, from one environment.
"""

import os
import shutil
import sys
import urllib.request
from pathlib import Path

import servers
from measure import Running, free_port
from servers import BENCH, ROOT, WORK, Missing, folder, run

APPLICATIONS = BENCH / "peers" / "wsgi"
PACKAGES = ["flask>=3.0,<4", "django>=4.2,<6"]
PEERS = ("bjoern", "granian", "uwsgi", "gunicorn")
TITLES = {
    "hello": "20 bytes from a WSGI application",
    "flask_hello": "Hello from Flask",
    "django_hello": "Hello from Django",
    "generator": "1 MB in 16 parts from a generator",
    "file_wrapper": "1 MB by wsgi.file_wrapper",
}


def environment(*packages):
    """The environment that all share."""
    tools = WORK / "wsgi" / "environment"
    if not (tools / "bin/python").exists():
        folder("wsgi")
        run([sys.executable, "-m", "venv", str(tools)])
    if packages:
        run([str(tools / "bin/python"), "-m", "pip", "install", "-q", *packages])
    return tools


def tenon(application):
    target = {**os.environ, "PYO3_PYTHON": sys.executable}
    run(["cargo", "build", "--release", "--package", "python"], cwd=ROOT, env=target)
    place = folder("tenon-wsgi")
    shutil.rmtree(place / "plugins", ignore_errors=True)
    (place / "plugins").mkdir()
    shutil.copy(ROOT / "target/release/libpython.so", place / "plugins/python.so")
    shutil.copy(APPLICATIONS / f"{application}.py", place / "plugins")
    tools = environment(*PACKAGES)
    (place / "tenon.toml").write_text(f'[plugin.python]\nconfig = {{ venv = "{tools}" }}\n')
    port = free_port()
    command = [servers.tenon_program(), "serve", "--no-watch", "--workers", "1"]
    return Running("tenon-wsgi", [*command, "--listen", f"127.0.0.1:{port}"], port, place)


def peer(name, application):
    tools, place, port = environment(*PACKAGES), folder("wsgi"), free_port()
    if name == "bjoern" and not Path("/usr/include/ev.h").exists():
        servers.need("ev.h", "libev-dev")
    environment(name)
    for file in APPLICATIONS.glob("*.py"):
        shutil.copy(file, place)
    serve = f"import bjoern, {application} as a; bjoern.run(a.application, '127.0.0.1', {port})"
    commands = {
        "bjoern": ["python", "-c", serve],
        "granian": [
            "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
            "--workers", "1", "--no-access-log", f"{application}:application",
        ],
        "uwsgi": [
            "uwsgi", "--http11-socket", f"127.0.0.1:{port}", "--disable-logging",
            "--processes", "1", "--venv", str(tools), "--module", application,
        ],
        "gunicorn": [
            "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
            "--threads", "4", "--keep-alive", "300", f"{application}:application",
        ],
    }
    program, *arguments = commands[name]
    return Running(name, [str(tools / "bin" / program), *arguments], port, place)


def version(name):
    tools = environment()
    command = f"import importlib.metadata as m; print(m.version({name!r}))"
    return run([str(tools / "bin/python"), "-c", command]).strip()


def contestants(field, application):
    """Tenon first: the others are compared with it."""
    # With the slash: for all of them it is the root of the application; without one Flask redirects.
    field.add("Tenon", field.start(tenon, application), f"/{application}.py/")
    wanted = field.options.peers
    for name in (name for name in PEERS if wanted is None or name in wanted):
        try:
            server = field.start(peer, name, application)
            # Who does not offer what the application wants says so by an error.
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/").read()
            field.add(f"{name} {version(name)}", server)
        except (Missing, RuntimeError, OSError) as reason:
            print(f"{name} is left out: {str(reason).strip()[:300]}", file=sys.stderr)


def measure(options, new_field, table):
    """WSGI: hello, Flask, Django, 1 MB from a generator and from a file"""
    rows = []
    for application, title in TITLES.items():
        with new_field(options) as field:
            contestants(field, application)
            rows += table(title, field.compare())
    return rows
