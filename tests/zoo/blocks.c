/* Promises not to block and does: said in the log, others go on. */
#include <csgi.h>
#include <time.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    struct timespec time = { 0, 300000000 };
    nanosleep(&time, NULL);
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
