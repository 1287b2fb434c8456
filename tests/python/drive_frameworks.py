"""Drives the applications of frameworks as a browser and an API client would.

    python drive_frameworks.py http://127.0.0.1:PORT FOLDER
"""

import hashlib
import io
import os
import re
import sys

import django.contrib.admin
import requests

BASE, FOLDER = sys.argv[1].rstrip("/"), sys.argv[2]
MEGABYTE = 1 << 20


def big_file(megabytes):
    """A file that does not look like another one, and its hash."""
    path, digest = os.path.join(FOLDER, "big"), hashlib.sha256()
    with open(path, "wb") as file:
        for number in range(megabytes):
            block = hashlib.sha256(b"%d" % number).digest() * (MEGABYTE // 32)
            file.write(block)
            digest.update(block)
    return path, digest.hexdigest()


class Multipart:
    """multipart/form-data of a file, read in blocks: 100 MB need not be in memory."""

    headers = {"Content-Type": "multipart/form-data; boundary=boundary-of-a-test"}

    def __init__(self, path):
        start = (
            '--boundary-of-a-test\r\nContent-Disposition: form-data; name="title"\r\n\r\nbig\r\n'
            '--boundary-of-a-test\r\nContent-Disposition: form-data; name="file"; '
            'filename="big"\r\nContent-Type: application/octet-stream\r\n\r\n'
        ).encode()
        end = b"\r\n--boundary-of-a-test--\r\n"
        self._files = [io.BytesIO(start), open(path, "rb"), io.BytesIO(end)]
        self._length = len(start) + os.path.getsize(path) + len(end)

    def __len__(self):
        return self._length

    def read(self, size=-1):
        while self._files:
            block = self._files[0].read(size)
            if block:
                return block
            self._files.pop(0).close()
        return b""


def check_flask():
    session = requests.Session()
    base = f"{BASE}/flaskshop.py"
    assert session.get(f"{base}/").text == "Hello, nobody"
    answer = session.post(f"{base}/login", data={"name": "J\u00fcrgen"})
    assert answer.history[0].status_code == 302 and answer.url == f"{base}/", answer.url
    assert answer.text == "Hello, J\u00fcrgen", answer.text
    path, digest = big_file(3)
    body = Multipart(path)
    assert session.post(f"{base}/upload", data=body, headers=body.headers).json() == {
        "size": 3 * MEGABYTE, "sha256": digest, "title": "big",
    }
    assert len(session.get(f"{base}/stream/200").content) == 200 * 7000
    assert session.get(f"{base}/broken").status_code == 500
    assert session.get(f"{base}/missing").status_code == 404
    assert session.head(f"{base}/").content == b""


def check_django():
    session = requests.Session()
    base = f"{BASE}/djangosite.py"
    assert session.get(f"{base}/").text == "Hello from Django"
    assert [session.get(f"{base}/count").text for _ in range(3)] == ["1", "2", "3"]
    assert requests.get(f"{base}/count").text == "1"

    login = session.get(f"{base}/admin/")
    assert "Log in" in login.text and login.url.endswith("/admin/login/?next=/djangosite.py/admin/")
    token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', login.text)[1]
    wrong = session.post(login.url, data={"username": "admin", "password": "no",
                                          "csrfmiddlewaretoken": token})
    assert "Please enter the correct username and password" in wrong.text
    token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', wrong.text)[1]
    right = session.post(login.url, headers={"Referer": login.url}, data={
        "username": "admin", "password": "secret", "csrfmiddlewaretoken": token,
        "next": "/djangosite.py/admin/",
    })
    assert "Site administration" in right.text, right.text
    users = session.get(f"{base}/admin/auth/user/")
    assert "1 user" in users.text
    static = session.get(f"{base}/static/admin/css/base.css")
    assert static.headers["Content-Type"].startswith("text/css")
    admin = os.path.dirname(django.contrib.admin.__file__)
    with open(os.path.join(admin, "static/admin/css/base.css"), "rb") as file:
        assert static.content == file.read()
    assert session.get(f"{base}/static/none.css").status_code == 404

    path, digest = big_file(100)
    body = Multipart(path)
    answer = session.post(f"{base}/upload", data=body, headers=body.headers)
    assert answer.json() == {"size": 100 * MEGABYTE, "sha256": digest}, answer.text
    received = 0
    with session.get(f"{base}/stream/100", stream=True) as answer:
        for number, block in enumerate(answer.iter_content(MEGABYTE)):
            received += len(block)
    assert received == 100 * MEGABYTE, received
    file = session.get(f"{base}/file")
    assert "FileResponse" in file.text
    assert int(file.headers["Content-Length"]) == len(file.content)


def check_bottle():
    base = f"{BASE}/bottleshop.py"
    assert requests.get(f"{base}/hello/W%C3%B6rld").text == "Hello W\u00f6rld!"
    answer = requests.post(f"{base}/form", data={"text": "\u4f60\u597d", "x": "y"})
    assert answer.json() == {"text": "\u4f60\u597d", "count": 2}
    source = requests.get(f"{base}/self")
    assert "def own_source" in source.text
    part = requests.get(f"{base}/self", headers={"Range": "bytes=3-10"})
    assert (part.status_code, part.content) == (206, source.content[3:11])
    assert requests.get(f"{base}/none").text == "no such page"


def check_falcon():
    base = f"{BASE}/falconshop.py"
    # One connection stays with one worker, which has what it was given.
    session = requests.Session()
    created = session.post(f"{base}/things", json={"a": [1, 2]})
    assert (created.status_code, created.headers["Location"]) == (201, f"{base}/things/1")
    assert session.get(f"{base}/things").json() == [{"a": [1, 2]}]
    assert requests.get(f"{base}/numbers/5").text == "0\n1\n2\n3\n4\n"
    assert requests.get(f"{base}/none").status_code == 404


def check_starlette():
    base = f"{BASE}/starshop.py"
    answer = requests.post(f"{base}/echo?a=b", data=b"x" * 100_000)
    assert answer.json() == {"length": 100_000, "query": {"a": "b"}}
    assert requests.get(f"{base}/numbers").text == "".join(f"{n}\n" for n in range(100))


for check in (check_flask, check_django, check_bottle, check_falcon, check_starlette):
    check()
    print(check.__name__, "passed", flush=True)
