/* CSGI_ERROR for the old request, and its own answer. */
#include <csgi.h>
#include <stdio.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

static csgi_env old;

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    char answer[64] = "first";
    if (old.id) {
        char buffer[4];
        csgi_body *body = env->host->bytes(&old, "x", 1, NULL, NULL);
        env->host->wake(env->host, old.id);
        snprintf(answer, sizeof answer, "%d %d %d", start_response(&old, "200 OK", NULL, 0),
                 (int)env->host->read(&old, buffer, sizeof buffer), body != NULL);
    }
    old = *env;
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, answer, strlen(answer), NULL, NULL);
}
