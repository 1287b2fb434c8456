/* Blocks for 50 ms, and says so by not promising otherwise. */
#include <csgi.h>
#include <unistd.h>

CSGI_PLUGIN("nap", "1.0", CSGI_THREADSAFE);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    usleep(50 * 1000);
    if (start_response(env, "200 OK", NULL, 0) != CSGI_OK)
        return NULL;
    return env->host->bytes(env, "rested", 6, NULL, NULL);
}
