/* Handlers for Kore: a fixed answer, and the request body given back. */
#include <kore/kore.h>
#include <kore/http.h>

int hello(struct http_request *);
int echo(struct http_request *);

int hello(struct http_request *request) {
    http_response_header(request, "content-type", "text/plain");
    http_response(request, HTTP_STATUS_OK, "hello, kore ........", 20);
    return (KORE_RESULT_OK);
}

int echo(struct http_request *request) {
    size_t size = request->content_length;
    char *body = kore_malloc(size + 1);
    size_t filled = 0;
    ssize_t count;
    while (filled < size &&
           (count = http_body_read(request, body + filled, size - filled)) > 0)
        filled += (size_t)count;
    http_response(request, HTTP_STATUS_OK, body, filled);
    kore_free(body);
    return (KORE_RESULT_OK);
}
