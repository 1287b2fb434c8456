/* Refused at load: a symbol that nobody defines. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

extern int zoo_nobody_defines_this(void);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    (void)env; (void)start_response;
    return zoo_nobody_defines_this() ? NULL : NULL;
}
