"""CSGI plugins in Python: load a shared library, get a WSGI application.

    application = csgi.load("a.so")

The contract is csgi.h; this is a host of it in pure Python, on ctypes.
"""

from .call import CallError
from .client import Client, Response
from .library import Library, LoadError
from .wsgi import Plugin

__all__ = ["CallError", "Client", "Library", "LoadError", "Plugin", "Response", "load"]


def load(path, name=None, config="", pending_timeout=60.0):
    """Loads the plugin at `path` and returns it as a WSGI application.

    `name` is what it is told it is served under, `config` the text (JSON, usually) it is given.
    Raises LoadError, with the reason, if it cannot be served.
    """
    return Plugin(Library.open(path, name=name, config=config), pending_timeout=pending_timeout)
