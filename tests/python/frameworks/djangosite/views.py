import hashlib

from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt


def index(request):
    return HttpResponse("Hello from Django", content_type="text/plain")


def count(request):
    """Kept in a session, in the database."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


@csrf_exempt
def upload(request):
    digest, file = hashlib.sha256(), request.FILES["file"]
    for block in file.chunks():
        digest.update(block)
    return JsonResponse({"size": file.size, "sha256": digest.hexdigest()})


def stream(request, megabytes):
    return StreamingHttpResponse(bytes([n % 256]) * (1 << 20) for n in range(megabytes))


def file(request):
    return FileResponse(open(__file__, "rb"))
