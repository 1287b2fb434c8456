"""1 MB in 16 parts, each made when it is asked for."""

PART = b"x" * 65536


def application(environ, start_response):
    length = str(16 * len(PART))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    return (PART for _ in range(16))
