/* Refused: it ended the process in a constructor. */
#include <csgi.h>
#include <stdlib.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

__attribute__((constructor)) static void begin(void) { exit(0); }

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
