"""A fixture for pytest: tests of plugins in C, C++ or Rust, without a server.

    def test_hello(csgi_plugin):
        hello = csgi_plugin("build/hello.so")
        assert hello.get("/").status == 200
"""

import pytest

from . import Client, load


@pytest.fixture
def csgi_plugin():
    """Loads a plugin and gives a client of it: get(), post(), request()."""

    def make(path, **options):
        return Client(load(path, **options))

    return make
