/* A megabyte of the plugin's own, lent to the server. */
#include <csgi.h>

CSGI_PLUGIN("large", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

static char page[1 << 20];

static void give_back(void *nothing) { (void)nothing; }

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    if (start_response(env, "200 OK", NULL, 0) != CSGI_OK)
        return NULL;
    return env->host->bytes(env, page, sizeof page, give_back, NULL);
}
