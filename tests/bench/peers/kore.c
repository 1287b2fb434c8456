/* Handlers for Kore: a fixed answer, the request body given back, and an event stream. */
#include <kore/kore.h>
#include <kore/http.h>

int hello(struct http_request *);
int echo(struct http_request *);
int events(struct http_request *);
int publish(struct http_request *);

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

/* Those who listen: the measurement's clients, none of which goes away before the server does. */
static struct connection *waiting[65536];
static size_t count;

int events(struct http_request *request) {
    request->flags |= HTTP_REQUEST_NO_CONTENT_LENGTH;
    http_response_header(request, "content-type", "text/event-stream");
    http_response(request, HTTP_STATUS_OK, NULL, 0);
    if (count < sizeof waiting / sizeof *waiting)
        waiting[count++] = request->owner;
    return (KORE_RESULT_OK);
}

int publish(struct http_request *request) {
    static const char event[] = "data: now\n\n";
    char text[32];
    int length = snprintf(text, sizeof text, "%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        net_send_queue(waiting[i], event, sizeof event - 1);
        net_send_flush(waiting[i]);
    }
    http_response(request, HTTP_STATUS_OK, text, (size_t)length);
    return (KORE_RESULT_OK);
}
