"""The first page of Flask's own introduction."""

from flask import Flask

application = Flask(__name__)


@application.route("/", defaults={"path": ""})
@application.route("/<path:path>")
def hello(path):
    return "<p>Hello, World!</p>"
