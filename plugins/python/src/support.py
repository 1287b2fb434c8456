"""The part of the plugin that is best said in Python. Nothing here runs during a request."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import traceback


class ApplicationError(Exception):
    """The application cannot be served; the text says why and what to do."""


class _Copy(importlib.machinery.SourceFileLoader):
    """Reads a module from a private copy of its file; everything else says the file's own name."""

    def __init__(self, name, path, copy):
        super().__init__(name, path)
        self._copy = copy

    def get_data(self, path):
        return super().get_data(self._copy if path == self.path else path)

    def get_code(self, fullname):
        # No bytecode: a cached one belongs to the file, which may be newer than the copy.
        return self.source_to_code(self.get_data(self.path), self.path)


def _add_path(folder):
    # Last, so that a file of an application never hides a module of Python or of the environment.
    if folder not in sys.path:
        sys.path.append(folder)


def _load_file(name, file, copy):
    _add_path(os.path.dirname(file))
    # `json.py` among the plugins must not become everybody's module json.
    is_taken = name in sys.modules or importlib.util.find_spec(name.split(".")[0]) is not None
    if is_taken and getattr(sys.modules.get(name), "__file__", None) != file:
        spec = importlib.util.find_spec(name) if name not in sys.modules else None
        if spec is None or spec.origin != file:
            name = "plugin_" + name
    loader = _Copy(name, file, copy)
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _load_folder(name, folder, module):
    _add_path(os.path.dirname(folder))
    if module is None:
        has_wsgi = os.path.exists(os.path.join(folder, "wsgi.py"))
        module = name + ".wsgi" if has_wsgi else name
        package = importlib.import_module(name)
        places = list(getattr(package, "__path__", []))
        if folder not in [os.path.abspath(place) for place in places]:
            raise ApplicationError(
                f"there is another module {name}, in {places or package.__file__}, which hides this "
                "folder; rename the folder"
            )
    return importlib.import_module(module)


def _find(module, wanted):
    """The callable: `application`, or what the configuration names; `make()` is called for it."""
    name, is_factory = (wanted[:-2], True) if wanted.endswith("()") else (wanted, False)
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ApplicationError(
                f"it has no {name}; define application(environ, start_response), or name another "
                "callable with callable = \"app\", or a factory with callable = \"make()\", in its "
                "configuration"
            )
    if is_factory:
        found = found()
    if not callable(found):
        raise ApplicationError(f"its {wanted} is not callable, but {type(found).__name__}")
    return found


def load(name, file, copy, module, wanted, paths):
    """Imports an application and gives its callable."""
    file, copy = os.fspath(file), os.fspath(copy)
    folder = file if os.path.isdir(file) else os.path.dirname(file)
    for path in paths:
        _add_path(os.path.normpath(os.path.join(folder, path)))
    if os.path.isdir(file) or module is not None:
        loaded = _load_folder(name, file, module)
    else:
        loaded = _load_file(name, file, copy)
    return _find(loaded, wanted)


def describe(error):
    """One line for people, and the traceback without what is not the application's."""
    if isinstance(error, ApplicationError):
        return str(error)
    line = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]
    return f"it cannot be imported: {line}\n{trace(error)}"


def trace(error):
    """A traceback as Python prints it, from the first line of the application on."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None and _is_ours(tb):
        tb = tb.tb_next
    lines = traceback.format_exception(type(error), error, tb)
    if isinstance(error, SystemExit):
        lines.append("(an application cannot end the server: sys.exit ends the request)\n")
    return "".join(lines).rstrip("\n")


def _is_ours(tb):
    file = tb.tb_frame.f_code.co_filename
    return file == __file__ or file.startswith("<frozen importlib")


def at_exit():
    """What an interpreter does at its end that other modules wait for."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


def watch_forks(in_child):
    os.register_at_fork(after_in_child=in_child)
