/* A handler for uWSGI's symcall plugin: a fixed answer. */
#include <uwsgi.h>

int hello(struct wsgi_request *request) {
    uwsgi_response_prepare_headers(request, "200 OK", 6);
    uwsgi_response_add_header(request, "Content-Type", 12, "text/plain", 10);
    uwsgi_response_add_content_length(request, 20);
    uwsgi_response_write_body_do(request, "hello, uwsgi .......", 20);
    return UWSGI_OK;
}
