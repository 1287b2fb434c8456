"""Requests without a server: for the command line and for tests."""

import io
from urllib.parse import unquote_to_bytes


class Response:
    """What a plugin answered."""

    def __init__(self, status, headers, body):
        self.status_line, self.headers, self.body = status, headers, body
        self.status = int(status[:3])

    @property
    def text(self):
        return self.body.decode()

    def header(self, name):
        """The first field of that name, or None."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)


def split_mount(path):
    """`/a.py/x` is the mount `/a.py` and the path `/x`; other paths have an empty mount."""
    end = path.find(".py")
    if end > 1 and "/" not in path[1:end] and path[end + 3:end + 4] in ("", "/"):
        return path[:end + 3], path[end + 3:]
    return "", path


class Client:
    """Calls a WSGI application, as a server would."""

    def __init__(self, application):
        self.application = application

    def get(self, target, **options):
        return self.request("GET", target, **options)

    def post(self, target, body=b"", **options):
        return self.request("POST", target, body=body, **options)

    def request(self, method, target, body=b"", headers=()):
        environ = self._environ(method, target, body, dict(headers))
        head, written = [], []

        def start_response(status, fields, exc_info=None):
            head[:] = [status, fields]
            return written.append

        result = self.application(environ, start_response)
        try:
            written.extend(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        return Response(head[0], head[1], b"".join(written))

    @staticmethod
    def _environ(method, target, body, headers):
        path, _, query = target.partition("?")
        mount, rest = split_mount(path)
        decoded = [unquote_to_bytes(part).decode("latin-1") for part in (mount, rest)]
        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": decoded[0], "PATH_INFO": decoded[1],
            "QUERY_STRING": query, "REQUEST_URI": target, "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "50000", "HTTP_HOST": "localhost", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }
        if body or method in ("POST", "PUT", "PATCH"):
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, value in headers.items():
            name = name.upper().replace("-", "_")
            environ[name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"] = value
        return environ
