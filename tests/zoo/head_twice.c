/* The second head counts. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "404 Not Found", NULL, 0);
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
