/* Twenty bytes. Compiled three times: with the flags as `FLAGS`. */
#include <csgi.h>

CSGI_PLUGIN("hello", "1.0", FLAGS);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header type = { CSGI_S("Content-Type"), CSGI_S("text/plain") };
    if (start_response(env, "200 OK", &type, 1) != CSGI_OK)
        return NULL;
    return env->host->bytes(env, "hello, plugin ......", 20, NULL, NULL);
}
