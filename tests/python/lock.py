"""Waits or computes, as it is asked: what an application may do under Python's lock."""

import ctypes
import threading

TOGETHER = threading.Barrier(3)
STOPPED = []


def spin():
    while not STOPPED:
        pass
    return "stopped"


def together():
    TOGETHER.wait(60)
    return "together"


def application(environ, start_response):
    path, said = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/compute":
        said = f"{said} {sum(range(20_000))}"
    elif path == "/together":
        said = together()
    elif path == "/spin":
        said = spin()
    elif path == "/stop":
        STOPPED.append(True)
    elif path == "/crash":
        ctypes.string_at(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
