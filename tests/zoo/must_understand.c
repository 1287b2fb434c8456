/* Refused: it has flags that this server does not know. */
#include <csgi.h>
CSGI_EXPORT const csgi_manifest csgi_plugin = {
    CSGI_MAGIC, CSGI_ABI_MAJOR, CSGI_ABI_MINOR, 0, sizeof(csgi_manifest), 1u << 31, "zoo", "1",
};

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
