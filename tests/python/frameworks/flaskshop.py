"""A Flask application as its tutorial has them: forms, a session, an upload, a streamed download."""

import hashlib

from flask import Flask, Response, redirect, request, session, url_for

app = Flask(__name__)
app.secret_key = "only for tests"


@app.get("/")
def index():
    return f"Hello, {session.get('name', 'nobody')}"


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect(url_for("index"))


@app.post("/upload")
def upload():
    digest, size = hashlib.sha256(), 0
    for block in iter(lambda: request.files["file"].stream.read(65536), b""):
        digest.update(block)
        size += len(block)
    return {"size": size, "sha256": digest.hexdigest(), "title": request.form["title"]}


@app.get("/stream/<int:count>")
def stream(count):
    return Response((b"%06d\n" % n * 1000 for n in range(count)), mimetype="text/plain")


@app.get("/broken")
def broken():
    raise RuntimeError("on purpose")


def make_app():
    return app
