"""What the plugin calls back: the host's table of functions.

A function of Python becomes one of C by its type from `layout`. The object that this gives must be
kept as long as C may call it, and an exception cannot pass through C: it is printed, and the caller
gets 0. That is why 0 is CSGI_ERROR.
"""

import ctypes as c
import itertools
import logging
import threading

from . import layout
from .layout import BYTES, EXTENSION, FILE, LOG, READ, WAKE, WAKE_AFTER, Env, Host, Str, Timer1
from .timers import Timers

LEVELS = {
    layout.LOG_ERROR: logging.ERROR, layout.LOG_WARN: logging.WARNING,
    layout.LOG_INFO: logging.INFO, layout.LOG_DEBUG: logging.DEBUG,
}

# Requests that are running, by their id: never used again in this process.
_calls = {}
_ids = itertools.count(1)
_timers = Timers()


def enter(call):
    """Gives a call its id; from then on the plugin may use it."""
    call.id = next(_ids)
    _calls[call.id] = call


def leave(call):
    _calls.pop(call.id, None)


def running(env):
    """The call that an env belongs to, if the plugin is inside it on this very thread.

    Only the id counts: middleware may have copied the env.
    """
    if not env:
        return None
    call = _calls.get(c.cast(env, c.POINTER(Env)).contents.id)
    return call if call and call.thread == threading.get_ident() else None


def text(data):
    """Bytes as C sees them; the caller keeps `data` alive."""
    return Str(c.cast(c.c_char_p(data), c.c_void_p), len(data))


@READ
def read(env, buffer, room):
    call = running(env)
    if call is None or not buffer or not room:
        return layout.ERROR
    data = call.read(min(room, 1 << 20))
    if data is None:
        return layout.ERROR
    c.memmove(buffer, data, len(data))
    return len(data) or layout.END


@BYTES
def make_bytes(env, pointer, length, release, argument):
    # Copied at once, so that lent bytes can be given back at once.
    call = running(env)
    is_taken = call is not None and call.made is None and (pointer or not length)
    if is_taken:
        call.made = c.string_at(pointer, length) if length else b""
    if release:
        layout.RELEASE(release)(argument)
    return call.token if is_taken else None


@FILE
def make_file(env, descriptor, offset, length):
    call = running(env)
    return call.take_file(descriptor, offset, length) if call else _close(descriptor)


def _close(descriptor):
    import os

    if descriptor >= 0:
        os.close(descriptor)


@WAKE
def wake(host, request):
    call = _calls.get(request)
    if call is not None:
        call.woken.set()


@WAKE_AFTER
def wake_after(host, request, milliseconds):
    _timers.after(milliseconds / 1000, lambda: wake(host, request))


_timer_table = Timer1(wake_after)


@EXTENSION
def extension(host, name):
    return c.addressof(_timer_table) if name == b"csgi.timer/1" else None


class HostTable:
    """The host as one plugin sees it."""

    def __init__(self, name, config):
        self.logger = logging.getLogger(f"csgi.{name}")
        self.last_line = None
        # Both are kept: the table only points at them.
        self._name, self._config = name.encode(), config.encode()
        self._log = LOG(self.log)
        self.table = Host(
            c.sizeof(Host), layout.ABI_MAJOR, layout.ABI_MINOR, text(self._name),
            text(self._config), read, make_bytes, make_file, wake, self._log, extension,
        )

    def log(self, host, request, level, message, length):
        line = c.string_at(message, length).decode(errors="replace") if length else ""
        self.last_line = line
        self.logger.log(LEVELS.get(level, logging.INFO), "request %x: %s", request, line)
