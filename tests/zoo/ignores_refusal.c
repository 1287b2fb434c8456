/* 500: a body without a head. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    csgi_header bad = { CSGI_S("connection"), CSGI_S("close") };
    start_response(env, "200 OK", &bad, 1);
    return env->host->bytes(env, "x", 1, NULL, NULL);
}
