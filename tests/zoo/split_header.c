/* The head is refused, and with it the response: 500. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    csgi_header bad = { CSGI_S("x-a"), CSGI_S("1\r\nset-cookie: b") };
    if (start_response(env, "200 OK", &bad, 1) != CSGI_OK) return NULL;
    return env->host->bytes(env, "split", 5, NULL, NULL);
}
