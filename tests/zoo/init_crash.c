/* Refused: it crashed in csgi_init. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT int32_t csgi_init(const csgi_host *host) {
    (void)host;
    *(volatile int *)0 = 1;
    return CSGI_OK;
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
