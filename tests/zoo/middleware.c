/* Served: an env may be copied and edited. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    csgi_env copy = *env;
    copy.path.ptr = "/edited";
    copy.path.len = 7;
    start_response(&copy, "200 OK", NULL, 0);
    return copy.host->bytes(&copy, copy.path.ptr, copy.path.len, NULL, NULL);
}
