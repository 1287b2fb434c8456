/* An exception across the border: only that request fails. */
#include <csgi.h>
CSGI_PLUGIN("zoo", "1", 0);

extern "C" CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    (void)env;
    (void)start_response;
    throw 1;
}
