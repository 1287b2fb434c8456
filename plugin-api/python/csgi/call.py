"""Then call the function: one request inside a plugin."""

import ctypes as c
import os
import re
import stat
import threading

from . import host, layout
from .layout import START, Body, Env, Header, Str

PARTS = 16  # that a plugin may return at once

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
STATUS = re.compile(rb"[1-9][0-9][0-9] [\t\x20-\x7e\x80-\xff]*|[1-9][0-9][0-9]")
# Fields of the connection are the server's own.
HOP_BY_HOP = {
    b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
    b"upgrade",
}


class CallError(Exception):
    """The plugin broke the contract, or reported an error."""


@START
def start_response(env, status, headers, count):
    call = host.running(env)
    return call.start(status, headers, count) if call else layout.ERROR


class Call:
    """Everything the plugin may look at lives as long as this: the env and what it points at."""

    def __init__(self, library, request):
        self.library, self.request = library, request
        self.head = None  # (status, [(name, value)]), as bytes
        self.is_head_sent = False
        self.made = None  # what bytes() or file() made
        self.body = None
        self.woken = threading.Event()
        self.thread = None  # the thread that is inside the plugin
        self._kept = []
        host.enter(self)
        self.env = self._make_env(request)
        # An address that no body of the plugin's can have.
        self.token = c.addressof(self.env)

    def _str(self, data):
        self._kept.append(data)
        return host.text(data)

    def _make_env(self, request):
        fields = [Header(self._str(n), self._str(v)) for n, v in request.headers]
        self._fields = (Header * len(fields))(*fields)
        texts = "method scheme authority mount path query target remote local".split()
        return Env(
            size=c.sizeof(Env), http_version=request.http_version, id=self.id,
            host=c.pointer(self.library.host.table), headers=self._fields,
            header_count=len(fields), content_length=request.content_length,
            **{name: self._str(getattr(request, name)) for name in texts},
        )

    def inside(self, function, *arguments):
        """Calls into the plugin, one call at a time if it is not thread-safe."""
        if not self.library.is_threadsafe:
            with self.library.lock:
                return self._inside(function, *arguments)
        return self._inside(function, *arguments)

    def _inside(self, function, *arguments):
        self.thread = threading.get_ident()
        try:
            return function(*arguments)
        finally:
            self.thread = None

    # ---- The walk of a request ------------------------------------------------------------------

    def run(self):
        """Calls application(); afterwards `made` or `body` is there."""
        address = self.inside(self.library.application, c.byref(self.env), start_response)
        if not address:
            raise CallError("application returned NULL")
        if self.made is not None and address == self.token:
            if self.head is None:
                raise CallError("it gave a body without a head")
            return
        self.drop_made()
        body = c.cast(address, c.POINTER(Body)).contents
        if body.size < c.sizeof(Body) or not body.next or not body.close:
            raise CallError("its body is too small, or has no next or no close")
        self.body = body

    def parts(self, pending_timeout):
        """Pulls the plugin's body: lists of bytes that are ready together."""
        parts = (Str * PARTS)()
        while True:
            self.woken.clear()
            count = self.inside(self.body.next, c.addressof(self.body), parts, PARTS)
            if count == layout.END:
                return
            if count == layout.PENDING:
                # The thread waits; a wake that came before PENDING counts, too.
                if not self.woken.wait(pending_timeout):
                    raise CallError("it kept its answer pending for too long")
            elif 0 < count <= PARTS:
                yield [bytes(part) for part in parts[:count]]
            else:
                raise CallError("it reported an error" if count == layout.ERROR
                                else f"next returned {count}")

    def close(self):
        """Exactly once, whatever has happened."""
        body, self.body = self.body, None
        if body is not None:
            self.inside(body.close, c.addressof(body))
        self.drop_made()
        host.leave(self)

    def drop_made(self):
        made, self.made = self.made, None
        if isinstance(made, FilePart):
            made.close()

    # ---- What the plugin calls back -------------------------------------------------------------

    def start(self, status, headers, count):
        if self.is_head_sent:
            return layout.LATE
        if status is None or not STATUS.fullmatch(status):
            return layout.ERROR
        fields = [(bytes(h.name), bytes(h.value)) for h in headers[:count]] if count else []
        for name, value in fields:
            if not TOKEN.fullmatch(name) or name.lower() in HOP_BY_HOP:
                return layout.ERROR
            if any(byte in value for byte in (b"\r", b"\n", b"\0")):
                return layout.ERROR
        code = int(status[:3])
        if code == 101 or code >= 600:
            # WSGI does not give the connection away.
            return layout.ERROR
        if code < 200:
            self.library.host.logger.warning(
                "request %x: an interim response (%d) is dropped: WSGI cannot send one",
                self.id, code,
            )
            return layout.OK
        self.head = (status, fields)
        return layout.OK

    def read(self, room):
        try:
            return self.request.read(room)
        except OSError as error:
            self.library.host.logger.error("request %x: cannot read: %s", self.id, error)
            return None

    def take_file(self, descriptor, offset, length):
        """The descriptor is ours in every case."""
        try:
            info = os.fstat(descriptor)
        except OSError:
            return None
        rest = info.st_size - offset
        length = rest if length == -1 else length
        is_right = stat.S_ISREG(info.st_mode) and offset >= 0 and 0 <= length <= rest
        if self.made is not None or not is_right:
            os.close(descriptor)
            return None
        self.made = FilePart(descriptor, offset, length, is_whole_rest=length == rest)
        return self.token


class FilePart:
    """A part of a file, for wsgi.file_wrapper: read() gives no more than belongs to it."""

    def __init__(self, descriptor, offset, length, is_whole_rest):
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._file.seek(offset)
        self._left = self.length = length
        if is_whole_rest:
            # A server may send the file itself then: from where it stands to its end.
            self.fileno, self.tell = self._file.fileno, self._file.tell

    def read(self, size=-1):
        size = self._left if size is None or size < 0 else min(size, self._left)
        data = self._file.read(size)
        self._left -= len(data)
        return data

    def close(self):
        self._file.close()
