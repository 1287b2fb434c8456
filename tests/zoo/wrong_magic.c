/* Refused: its manifest is not one of CSGI. */
#include <csgi.h>
CSGI_EXPORT const csgi_manifest csgi_plugin = {
    0x12345678, CSGI_ABI_MAJOR, CSGI_ABI_MINOR, 0, sizeof(csgi_manifest), 0, "zoo", "1",
};

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "ok", 2, NULL, NULL);
}
