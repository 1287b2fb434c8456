"""Processes and what they cost: starts a server on one core, loads it from the other, and reads its
CPU time from /proc, for itself and all its children.

CPU time per request is what is compared. Requests per second depend on the load generator, and on
whoever else uses the machine; CPU time does much less.
"""

import itertools
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import time

SERVER_CORE, CLIENT_CORE = "0", "1"
CONNECTIONS = 64


def raise_limits():
    """10,000 connections need as many descriptors, here and in every server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid):
    """A process and all that descend from it."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as children:
                for child in children.read().split():
                    found += family(int(child))
    except FileNotFoundError:
        pass
    return found


def cpu_time(pids):
    """Microseconds that the families of a process, or of several, have run so far."""
    total = 0
    pids = [pids] if isinstance(pids, int) else pids
    for member in (member for pid in pids for member in family(pid)):
        try:
            for thread in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{thread}/schedstat") as stat:
                    total += int(stat.read().split()[0])
        except FileNotFoundError:
            pass
    return total / 1000


def private_memory(pid):
    """Bytes that belong to the process alone."""
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        fields = re.findall(r"^Private_(?:Clean|Dirty): +(\d+) kB", rollup.read(), re.M)
    return sum(map(int, fields)) * 1024


class Running:
    """A started server."""

    # What starts the servers, before the command.
    under = ()

    def __init__(self, name, command, port, folder=None, cores=SERVER_CORE, environment=None):
        self.name, self.port = name, port
        self.log = open(os.path.join(folder or ".", f"{name}.log".replace("/", "_")), "w+b")
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, *self.under, *command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )
        self.wait()

    def wait(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.log.seek(0)
                    text = self.log.read().decode(errors="replace")
                    self.stop()
                    raise RuntimeError(f"{self.name} does not serve:\n{text[-2000:]}")
                time.sleep(0.05)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        members = family(self.pid)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for member in members:
                try:
                    os.kill(member, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
        self.log.close()


def wrk(port, path, seconds, connections=CONNECTIONS, script=None, latency=False):
    """One run of the load generator: requests answered, and the latencies if they are wanted."""
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}"]
    command += ["--timeout", "60s"]
    command += ["-s", script] if script else []
    command += ["--latency"] if latency else []
    run = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    text = run.stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", text)
    if errors:
        raise RuntimeError(f"port {port}{path}: {errors.group(0)}")
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    if not latency:
        return requests
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return requests, float(value) * {"us": 1, "ms": 1000, "s": 1_000_000}[unit]


def ask(port, paths, times):
    """So many requests on one connection, one after the other, for these paths in turn."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for path in itertools.islice(itertools.cycle(paths), times):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            answer = client.recv(65536)
            if b" 200 " not in answer[:16]:
                raise RuntimeError(f"port {port}{path}: {answer[:100]}")


def instructions(make, arguments, paths, folder):
    """Instructions in user space that one request takes, in the server that `make` starts.

    The difference of two runs leaves out what is done once. Of Tenon its worker is counted, in the
    threads that serve, as the test does: the others work by the clock, which valgrind slows down.
    """
    profile = os.path.join(folder, "profile")
    valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    threads = "--collect-atstart=no --toggle-collect=*event_loop::Thread::run*"
    totals = []
    for times in (1000, 3000):
        os.environ["TENON_UNDER"] = " ".join([*valgrind, threads])
        if make.__name__ != "tenon":
            Running.under = valgrind
        try:
            server = make(*arguments)
            ask(server.port, paths, times)
            server.stop()
        finally:
            Running.under = ()
            del os.environ["TENON_UNDER"]
        with open(profile) as text:
            totals.append(int(re.search(r"^(?:summary|totals): (\d+)", text.read(), re.M).group(1)))
    return (totals[1] - totals[0]) / 2000


class Contestant:
    """A running server and the request that is measured on it."""

    def __init__(self, name, server, path="/", script=None):
        self.name, self.server, self.path, self.script = name, server, path, script
        self.costs = []

    def warm_up(self):
        wrk(self.server.port, self.path, 1, script=self.script)

    def round(self, seconds):
        before = cpu_time(self.server.pid)
        requests = wrk(self.server.port, self.path, seconds, script=self.script)
        self.costs.append((cpu_time(self.server.pid) - before) / max(requests, 1))


class Listeners:
    """1,000 clients of an event stream; they listen at `path`, and `path`/publish wakes them all.

    A round is a few events, and its cost that of one event for one client.
    """

    EVENTS = 4

    def __init__(self, name, server, path, count=1000):
        self.name, self.server, self.path = name, server, path
        self.costs, self.clients = [], []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            self.clients.append(client)
        for client in self.clients:
            self.await_bytes(client, b"\r\n\r\n")

    def await_bytes(self, client, wanted):
        while received := client.recv(65536):
            if wanted in received:
                return
        raise RuntimeError(f"{self.name} has closed an event stream")

    def warm_up(self):
        # Who has greeted its listeners goes on to wait for the event.
        time.sleep(0.5)
        self.publish()

    def publish(self):
        """One event; who it was for have it when this returns."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as publisher:
            get = f"GET {self.path}/publish HTTP/1.1\r\nHost: bench\r\n\r\n"
            publisher.sendall(get.encode())
            woken = int(publisher.recv(65536).split(b"\r\n\r\n")[1])
        if woken != len(self.clients):
            raise RuntimeError(f"{self.name} has {woken} listeners, not {len(self.clients)}")
        # Nobody reads before all of it is sent: no server is to pay for waking the reader.
        time.sleep(0.1)
        for client in self.clients:
            self.await_bytes(client, b"now")
        return woken

    def round(self, _seconds):
        before = cpu_time(self.server.pid)
        woken = sum(self.publish() for _ in range(self.EVENTS))
        self.costs.append((cpu_time(self.server.pid) - before) / woken)


def compare(contestants, rounds, seconds, progress=lambda text: None):
    """Measures all in turn, several times; the first one is what the others are compared with.

    Returns (name, median cost, median of the ratios within a round) of each.
    """
    for contestant in contestants:
        contestant.warm_up()
    for number in range(rounds):
        for contestant in contestants:
            progress(f"round {number + 1} of {rounds}: {contestant.name}")
            contestant.round(seconds)
    base = contestants[0].costs
    return [
        (
            one.name,
            statistics.median(one.costs),
            statistics.median(cost / reference for cost, reference in zip(one.costs, base)),
        )
        for one in contestants
    ]


class Crowd:
    """Idle keep-alive connections that have each asked once."""

    def __init__(self, port, path, count):
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
        self.sockets = []
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            client.sendall(request)
            client.recv(65536)
            self.sockets.append(client)

    def close(self):
        for client in self.sockets:
            client.close()


def machine():
    """What the figures belong to."""
    kernel = os.uname()
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*: (.*)", info.read())
    return {
        "date": time.strftime("%Y-%m-%d"),
        "kernel": f"Linux {kernel.release.split('-')[0]}",
        "cpu": model.group(1) if model else kernel.machine,
    }
