/* 500. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    (void)env; (void)start_response;
    return NULL;
}
