"""A Bottle application: routes, a form, a file, an error page."""

import os

import bottle

application = bottle.Bottle()


@application.get("/hello/<name>")
def hello(name):
    return bottle.template("Hello {{name}}!", name=name)


@application.post("/form")
def form():
    return {"text": bottle.request.forms.text, "count": len(bottle.request.forms)}


@application.get("/self")
def own_source():
    return bottle.static_file(os.path.basename(__file__), root=os.path.dirname(__file__))


@application.error(404)
def missing(error):
    return "no such page"
