/* Exports application for borrowed.c, which does not. */
#include <csgi.h>

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
