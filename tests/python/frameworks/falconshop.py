"""A Falcon application: a resource with JSON, and one that streams."""

import falcon


class Things:
    things = []

    def on_get(self, request, response):
        response.media = self.things

    def on_post(self, request, response):
        self.things.append(request.get_media())
        response.status = falcon.HTTP_201
        response.location = f"{request.prefix}/things/{len(self.things)}"


class Numbers:
    def on_get(self, request, response, count):
        response.content_type = falcon.MEDIA_TEXT
        response.stream = (b"%d\n" % n for n in range(count))


application = falcon.App()
application.add_route("/things", Things())
application.add_route("/numbers/{count:int}", Numbers())
