"""A plugin as a WSGI application."""

from .call import Call, CallError, FilePart
from .request import Request

ERROR_PAGE = b"The plugin could not answer this request; the log says why.\n"


class Plugin:
    """Callable as WSGI says: plugin(environ, start_response)."""

    def __init__(self, library, pending_timeout=60.0):
        self.library, self.pending_timeout = library, pending_timeout

    def __repr__(self):
        return f"<csgi.Plugin {self.library.name}: {self.library.path}>"

    def __call__(self, environ, start_response):
        call = Call(self.library, Request(environ))
        try:
            call.run()
            answer = Answer(call, environ, start_response, self.pending_timeout)
            answer.begin()
            return answer.iterable()
        except CallError as error:
            call.close()
            self.library.host.logger.error("request %x: %s", call.id, error)
            start_response("500 Internal Server Error", [
                ("Content-Type", "text/plain"), ("Content-Length", str(len(ERROR_PAGE))),
            ])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [ERROR_PAGE]
        except BaseException:
            call.close()
            raise


class Answer:
    """The iterable that WSGI wants. What was promised as Content-Length is held."""

    def __init__(self, call, environ, start_response, pending_timeout):
        self.call, self.environ, self.start_response = call, environ, start_response
        self._parts = call.parts(pending_timeout) if call.body is not None else None
        self._ready = []
        self._left = None  # bytes that are still promised

    def begin(self):
        """Gets as far as the head stands: until then the plugin may still give or replace it."""
        call = self.call
        if call.made is None and not (call.head and self._has_no_body()):
            self._pull()
            if call.head is None:
                raise CallError("it gave no head")
        self._send_head()

    def _has_no_body(self):
        code = self.call.head[0][:3]
        return self.environ["REQUEST_METHOD"] == "HEAD" or code in (b"204", b"304")

    def _pull(self):
        """Bytes that are ready, or none at the end."""
        for parts in self._parts:
            self._ready = [part for part in parts if part]
            if self._ready:
                return
        self._parts = None

    def _send_head(self):
        call = self.call
        call.is_head_sent = True
        status, fields = call.head
        lengths = [int(value) for name, value in fields if name.lower() == b"content-length"]
        made = call.made
        known = None if made is None else made.length if isinstance(made, FilePart) else len(made)
        if self._parts is None and made is None:
            known = sum(map(len, self._ready))
        if lengths:
            self._left = lengths[0]
            if known is not None and known < self._left and not self._has_no_body():
                raise CallError("its body is shorter than its Content-Length")
        elif known is not None and not self._has_no_body():
            self._left = known
            fields = fields + [(b"Content-Length", b"%d" % known)]
        text = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in fields]
        self.start_response(status.decode("latin-1"), text)

    def iterable(self):
        """What WSGI iterates over."""
        made = self.call.made
        if isinstance(made, FilePart) and not self._has_no_body():
            wrapper = self.environ.get("wsgi.file_wrapper")
            if wrapper is not None and self._left == made.length and hasattr(made, "fileno"):
                # The server closes the file, as PEP 3333 has it.
                self.call.made = None
                self.call.close()
                return wrapper(made, 65536)
        return self

    def __iter__(self):
        try:
            if not self._has_no_body():
                yield from self._bytes()
        except CallError as error:
            # The head is on its way: an exception makes the server cut the connection, so that
            # what the client has does not look whole.
            self.call.library.host.logger.error("request %x: %s", self.call.id, error)
            raise
        finally:
            self.close()

    def _bytes(self):
        for part in self._all():
            if self._left is not None:
                if len(part) > self._left:
                    self.call.library.host.logger.warning(
                        "request %x: its body is longer than its Content-Length; the rest is cut",
                        self.call.id,
                    )
                part = part[: self._left]
                self._left -= len(part)
            if part:
                yield part
            if self._left == 0:
                return
        if self._left:
            raise CallError("its body is shorter than its Content-Length")

    def _all(self):
        made = self.call.made
        if isinstance(made, FilePart):
            while block := made.read(65536):
                yield block
        elif made is not None:
            yield made
        while self._ready:
            ready, self._ready = self._ready, []
            yield from ready
            if self._parts is not None:
                self._pull()

    def close(self):
        self.call.close()
