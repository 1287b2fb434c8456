"""A file of 1 MB, by wsgi.file_wrapper."""

import os
import tempfile

handle, PATH = tempfile.mkstemp()
os.write(handle, b"x" * 1048576)
os.close(handle)


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1048576")])
    return environ["wsgi.file_wrapper"](open(PATH, "rb"), 65536)
