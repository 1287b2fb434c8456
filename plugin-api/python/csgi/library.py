"""Then load the library: dlopen, look at the manifest, find the functions, let it initialise."""

import atexit
import ctypes as c
import os
import threading

from . import layout
from .host import HostTable
from .layout import START, Env, Host, Manifest


class LoadError(Exception):
    """The library cannot be served; the text says why and what to do."""


class Library:
    """A loaded plugin. It stays loaded until the process ends, as csgi.h asks."""

    _opened = {}
    _lock = threading.Lock()

    @classmethod
    def open(cls, path, name=None, config=""):
        """Loads a library once, however often it is asked for."""
        path = os.path.abspath(path)
        try:
            stat = os.stat(path)
        except OSError as error:
            raise LoadError(f"{path}: cannot be read: {error.strerror}") from error
        if name is None:
            name = os.path.basename(path).split(".")[0]
            name = name[3:] if name.startswith("lib") and len(name) > 3 else name
        key = (stat.st_dev, stat.st_ino)
        with cls._lock:
            library = cls._opened.get(key)
            if library is None:
                library = cls._opened[key] = cls(path, name, config)
            elif (library.name, library.config) != (name, config):
                raise LoadError(
                    f"{path}: it is loaded already, as {library.name}; one process can have it once"
                )
            return library

    def __init__(self, path, name, config):
        self.path, self.name, self.config = path, name, config
        try:
            # RTLD_LOCAL, so that no other plugin sees its symbols.
            self._dll = c.CDLL(path, mode=os.RTLD_NOW | os.RTLD_NODELETE)
        except OSError as error:
            raise LoadError(f"{path}: the dynamic linker refuses it: {error}") from error
        self.manifest = self._manifest()
        self.flags = self.manifest.flags
        self.application = self._function("application", c.c_void_p, [c.POINTER(Env), START])
        if self.application is None:
            raise LoadError(f"{path}: it does not export application")
        # Without the flag, calls of it never overlap.
        self.is_threadsafe = bool(self.flags & layout.THREADSAFE)
        self.lock = threading.Lock()
        self.host = HostTable(name, config)
        self._initialise()

    def _manifest(self):
        try:
            manifest = Manifest.in_dll(self._dll, "csgi_plugin")
        except ValueError as error:
            raise LoadError(
                f"{self.path}: it has no manifest; write CSGI_PLUGIN(...) in it"
            ) from error
        if manifest.magic != layout.MAGIC or manifest.size != c.sizeof(Manifest):
            raise LoadError(f"{self.path}: its manifest is not one of CSGI; use CSGI_PLUGIN")
        if manifest.abi_major != layout.ABI_MAJOR:
            raise LoadError(
                f"{self.path}: it is made for CSGI {manifest.abi_major}, this is CSGI "
                f"{layout.ABI_MAJOR}; compile it with the csgi.h of that"
            )
        if manifest.need_minor > layout.ABI_MINOR:
            raise LoadError(
                f"{self.path}: it needs CSGI {manifest.abi_major}.{manifest.need_minor} and this "
                f"is {layout.ABI_MAJOR}.{layout.ABI_MINOR}; update the package csgi"
            )
        if manifest.flags & layout.MUST_UNDERSTAND:
            raise LoadError(
                f"{self.path}: it has flags that this host does not know "
                f"({manifest.flags & layout.MUST_UNDERSTAND:#x}); update the package csgi"
            )
        return manifest

    def _function(self, name, result, arguments):
        """Declares an exported function: without this ctypes takes everything for an int."""
        try:
            function = getattr(self._dll, name)
        except AttributeError:
            return None
        function.restype, function.argtypes = result, arguments
        return function

    def _initialise(self):
        init = self._function("csgi_init", c.c_int32, [c.POINTER(Host)])
        if init is not None and init(c.byref(self.host.table)) != layout.OK:
            reason = self.host.last_line or "it did not log why"
            raise LoadError(f"{self.path}: csgi_init failed: {reason}")
        end = self._function("csgi_exit", None, [])
        if end is not None:
            atexit.register(end)
