"""Serves CSGI plugins by wsgiref, as /NAME.py, to compare this host with the server.

    python3 serve_csgi.py NAME.so ...
"""

import logging
import os
import socketserver
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

import csgi


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *arguments):
        pass


logging.basicConfig(level=logging.DEBUG)
plugins = {
    "/" + os.path.basename(path).split(".")[0].removeprefix("lib") + ".py": csgi.load(path)
    for path in sys.argv[1:]
}


# Heads without a Content-Type, which the validator does not let pass.
UNTYPED = {"/", "/echo", "/ignore", "/length-long", "/length-short", "/status", "/upgrade"}


def application(environ, start_response):
    head, slash, rest = environ["PATH_INFO"][1:].partition("/")
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/" + head, slash + rest
    plugin = plugins["/" + head]
    if environ["PATH_INFO"] not in UNTYPED:
        plugin = validator(plugin)
    return plugin(environ, start_response)


server = make_server("127.0.0.1", 0, application, server_class=Server, handler_class=Handler)
print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
server.serve_forever()
