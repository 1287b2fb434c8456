"""python -m csgi a.so GET '/a.py?x=1': one request, its answer on standard output."""

import argparse
import logging
import sys

from . import CallError, Client, LoadError, load


def field(text):
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is no 'Name: value'")
    return name.strip(), value.strip()


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m csgi", description=__doc__)
    parser.add_argument("library", help="the plugin, a shared library")
    parser.add_argument("method", help="GET, for instance")
    parser.add_argument("target", help="path and query: '/a.py?x=1'")
    parser.add_argument("-H", "--header", type=field, action="append", default=[],
                        metavar="'NAME: VALUE'")
    parser.add_argument("-d", "--data", default="", help="the request body; @FILE reads it there")
    parser.add_argument("--config", default="", help="the plugin's configuration, as JSON")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s")
    try:
        plugin = load(given.library, config=given.config)
        body = given.data.encode()
        if given.data.startswith("@"):
            with open(given.data[1:], "rb") as file:
                body = file.read()
    except (LoadError, OSError) as error:
        print(f"csgi: {error}", file=sys.stderr)
        return 1
    try:
        response = Client(plugin).request(
            given.method, given.target, body=body, headers=given.header
        )
    except CallError as error:
        print(f"csgi: the answer is cut off: {error}", file=sys.stderr)
        return 2
    lines = [response.status_line, *(f"{name}: {value}" for name, value in response.headers)]
    out = sys.stdout.buffer
    out.write("\n".join(lines).encode("latin-1") + b"\n\n" + response.body)
    out.flush()
    return 0 if response.status < 500 else 2


if __name__ == "__main__":
    sys.exit(main())
