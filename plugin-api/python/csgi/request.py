"""A request: WSGI's environ as CSGI's env shows it."""

from urllib.parse import quote

VERSIONS = {"HTTP/1.0": 10, "HTTP/1.1": 11, "HTTP/2": 20, "HTTP/2.0": 20, "HTTP/3": 30}
# What may stand in a path as it is (RFC 3986, pchar and the slash).
PATH = "/:@!$&'()*+,;=-._~"


def latin1(text):
    """PEP 3333: every character of a text in environ is one byte."""
    return text.encode("latin-1")


def address(environ, name, port):
    host = environ.get(name, "")
    host = f"[{host}]" if ":" in host else host
    return latin1(f"{host}:{environ[port]}" if environ.get(port) else host)


class Request:
    def __init__(self, environ):
        self._input = environ["wsgi.input"]
        self.method = latin1(environ["REQUEST_METHOD"])
        self.scheme = latin1(environ["wsgi.url_scheme"])
        # environ has paths decoded, env has them as sent.
        self.mount = quote(latin1(environ.get("SCRIPT_NAME", "")), safe=PATH).encode()
        self.path = quote(latin1(environ.get("PATH_INFO", "")), safe=PATH).encode()
        self.query = latin1(environ.get("QUERY_STRING", ""))
        target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
        question = b"?" + self.query if self.query else b""
        self.target = latin1(target) if target else self.mount + self.path + question
        self.remote = address(environ, "REMOTE_ADDR", "REMOTE_PORT")
        self.local = address(environ, "SERVER_NAME", "SERVER_PORT")
        self.authority = latin1(environ.get("HTTP_HOST", "")) or self.local
        self.http_version = VERSIONS.get(environ.get("SERVER_PROTOCOL"), 11)
        self.headers = list(self._headers(environ))
        self._left = self.content_length = self._length(environ)

    @staticmethod
    def _headers(environ):
        for name, value in environ.items():
            if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                if value:
                    yield latin1(name.lower().replace("_", "-")), latin1(value)
            elif name.startswith("HTTP_"):
                yield latin1(name[5:].lower().replace("_", "-")), latin1(value)

    @staticmethod
    def _length(environ):
        """-1: not known before the end, which only some servers show."""
        length = environ.get("CONTENT_LENGTH")
        if length:
            return int(length)
        is_chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        return -1 if is_chunked and environ.get("wsgi.input_terminated") else 0

    def read(self, room):
        """The next bytes; none at the end. Never reads beyond the body: some servers would wait."""
        if self._left == 0:
            return b""
        data = self._input.read(room if self._left < 0 else min(room, self._left))
        if self._left > 0:
            if not data:
                raise OSError("the client has gone in the middle of its body")
            self._left -= len(data)
        return data
