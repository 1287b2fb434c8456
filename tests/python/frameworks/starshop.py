"""A Starlette application, which speaks ASGI, by way of a2wsgi."""

from a2wsgi import ASGIMiddleware
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route


async def echo(request):
    body = await request.body()
    return JSONResponse({"length": len(body), "query": dict(request.query_params)})


async def numbers(request):
    async def parts():
        for number in range(100):
            yield f"{number}\n"

    return StreamingResponse(parts(), media_type="text/plain")


application = ASGIMiddleware(
    Starlette(routes=[Route("/echo", echo, methods=["POST"]), Route("/numbers", numbers)])
)
