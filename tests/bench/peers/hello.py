"""The Python servers' application (PEP 3333)."""


def application(environ, start_response):
    body = b"hello, python ......"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    import sys

    import bjoern

    bjoern.run(application, "127.0.0.1", int(sys.argv[1]))
