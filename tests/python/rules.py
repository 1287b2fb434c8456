"""Every rule of PEP 3333, one path each. wsgiref.validate stands between the server and each of them
and fails the request if either breaks a rule, except below /raw, where a rule is broken on purpose
or an extension of the server is used."""

import io
import json
import os
import sys
import tempfile
import threading
import time
from wsgiref.validate import validator

closed = []


class Body:
    """An iterable with a close() that is counted."""

    def __init__(self, parts, name):
        self.parts, self.name = iter(parts), name

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.parts)

    def close(self):
        closed.append(self.name)


def text(start_response, body, status="200 OK", headers=()):
    start_response(status, [("Content-Type", "text/plain"), *headers])
    return [body if isinstance(body, bytes) else str(body).encode()]


def show_environ(environ, start_response):
    simple = {k: v for k, v in environ.items() if isinstance(v, (str, bool, tuple, int))}
    return text(start_response, json.dumps(simple))


def read_input(environ, start_response):
    source = environ["wsgi.input"]
    how = environ["QUERY_STRING"]
    if how == "all":
        data = source.read(int(environ["CONTENT_LENGTH"]))
    elif how == "blocks":
        data = b""
        while block := source.read(7):
            data += block
    elif how == "lines":
        data = b"".join(source)
    elif how == "readline":
        data = b""
        while line := source.readline():
            data += b"[" + line + b"]"
    elif how == "readlines":
        data = b"|".join(source.readlines())
    elif how == "hint":
        data = b"|".join(source.readlines(3)) + b"+" + source.read(100)
    else:
        data = b"%d" % len(source.read(10**9))
    return text(start_response, data)


def use_write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    write(b"twice ")
    return [b"then ", b"returned"]


def write_much(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for number in range(64):
        write(bytes([number]) * 65536)
    return [b"end"]


def replace_head(environ, start_response):
    try:
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-First", "1")])
        raise RuntimeError("on purpose")
    except RuntimeError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"replaced"]


def late_head(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    try:
        raise RuntimeError("after the head")
    except RuntimeError:
        start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"never"


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    count = int(environ["QUERY_STRING"] or 3)
    return Body((b"part %d\n" % number for number in range(count)), "stream")


def fail_in_the_middle(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def parts():
        yield b"begun"
        raise RuntimeError("in the middle")

    return Body(parts(), "middle")


def fail_at_once(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def parts():
        raise RuntimeError("before the first part")
        yield b""

    return Body(parts(), "at-once")


def empty_parts(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"", b"", b"after", b"", b" empty parts"])


def head_in_iterator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"from a generator"


def send_file(environ, start_response):
    size = int(environ["QUERY_STRING"] or 100000)
    file = tempfile.TemporaryFile()
    file.write(bytes(range(256)) * (size // 256 + 1))
    file.truncate(size)
    file.seek(5)
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](file, 4096)


def send_memory_file(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"m" * 100000), 4096)


def latin1(environ, start_response):
    start_response("200 \xdcber", [("Content-Type", "text/plain"), ("X-Latin", "caf\xe9")])
    return [environ["PATH_INFO"].encode("latin-1")]


def status(environ, start_response):
    code = environ["QUERY_STRING"]
    has_body = code not in ("204", "304")
    start_response(code + " Chosen", [("Content-Type", "text/plain")] if has_body else [])
    return [b"body"] if has_body else []


def write_errors(environ, start_response):
    environ["wsgi.errors"].write("one line\nand ")
    environ["wsgi.errors"].writelines(["another\n"])
    environ["wsgi.errors"].write("no end")
    environ["wsgi.errors"].flush()
    return text(start_response, "logged")


def count_closed(environ, start_response):
    return text(start_response, " ".join(sorted(closed)))


def threads(environ, start_response):
    """Whether the promises of wsgi.multithread hold: how many are here at a time."""
    time.sleep(0.3)
    return text(start_response, threading.get_ident())


RULES = {
    "/environ": show_environ, "/input": read_input, "/write": use_write, "/write-much": write_much,
    "/replace": replace_head, "/late": late_head, "/stream": stream, "/middle": fail_in_the_middle,
    "/at-once": fail_at_once, "/empty": empty_parts, "/generator": head_in_iterator,
    "/file": send_file, "/memory-file": send_memory_file, "/status": status,
    "/errors": write_errors, "/closed": count_closed, "/threads": threads,
}


@validator
def checked(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/latin"):
        return latin1(environ, start_response)
    return RULES[path](environ, start_response)


# ---- What the validator would not let pass ------------------------------------------------------

kept = {}


def raw(environ, start_response):
    path = environ["PATH_INFO"][len("/raw"):]
    if path == "/no-head":
        return [b"body"]
    if path == "/no-head-late":
        return (part for part in [b"", b"body"])
    if path == "/twice":
        start_response("200 OK", [])
        start_response("200 OK", [])
    if path == "/hop":
        start_response("200 OK", [("Connection", "close")])
    if path == "/split":
        start_response("200 OK", [("X-A", "1\r\nSet-Cookie: b")])
    if path == "/not-latin":
        start_response("200 OK", [("X-A", "\u20ac")])
    if path == "/number":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [1]
    if path == "/none":
        start_response("200 OK", [])
        return None
    if path == "/exit":
        sys.exit(3)
    if path == "/crash":
        import ctypes

        ctypes.string_at(0)
    if path == "/fork":
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            return text(start_response, f"child {os.waitstatus_to_exitcode(status)}")
        return text(start_response, "this is never sent")
    if path == "/str":
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return "Gr\xfc\xdfe"
    if path == "/pid":
        return text(start_response, os.getpid())
    if path == "/keep":
        kept["input"], kept["write"] = environ["wsgi.input"], start_response("200 OK", [])
        return [b"kept"]
    if path == "/use-kept":
        errors = []
        for use in (lambda: kept["input"].read(), lambda: kept["write"](b"x")):
            try:
                use()
            except OSError as error:
                errors.append(str(error))
        return text(start_response, "; ".join(errors))
    if path == "/wake":
        return wait(environ, start_response, lambda: environ["csgi.wake"](environ["csgi.id"]))
    if path == "/timer":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return ticks(environ)
    if path == "/thread-input":
        return read_in_thread(environ, start_response)
    if path == "/short":
        start_response("200 OK", [("Content-Length", "5")])
        return Body([b"12345", b"678"], "short")
    if path == "/file":
        return send_file(environ, start_response)
    if path == "/file-part":
        file = tempfile.TemporaryFile()
        file.write(b"0123456789")
        file.seek(2)
        start_response("200 OK", [("Content-Length", "3")])
        return environ["wsgi.file_wrapper"](file)
    if path == "/hello":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello, world\n"]
    return text(start_response, "unknown", "404 Not Found")


def wait(environ, start_response, wake):
    start_response("200 OK", [("Content-Type", "text/plain")])
    ready = []

    def later():
        time.sleep(0.05)
        ready.append(1)
        wake()

    threading.Thread(target=later).start()

    def parts():
        while not ready:
            yield environ["csgi.pending"]
        yield b"woken"

    return Body(parts(), "wake")


def ticks(environ):
    for number in range(3):
        yield b"data: %d\n\n" % number
        due = time.monotonic() + 0.03
        environ["csgi.wake_after"](environ["csgi.id"], 0.03)
        while time.monotonic() < due:
            yield environ["csgi.pending"]


def read_in_thread(environ, start_response):
    answer = []

    def read():
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            answer.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    return text(start_response, answer[0])


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/raw/"):
        return raw(environ, start_response)
    return checked(environ, start_response)
