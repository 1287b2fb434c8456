/* The first plugin of the course: GET /a.py answers <h1>hello a.py</h1>.
 *
 * Compiled by `tenon dev` and `tenon build`, or by hand:
 *   cc -shared -fPIC -fvisibility=hidden -I plugin-api/include plugins/a.c -o plugins/a.so
 */
#include <csgi.h>

/* Calls may overlap, and none of them waits for anything. */
CSGI_PLUGIN("a", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header headers[] = {
        { CSGI_S("Content-Type"), CSGI_S("text/html; charset=utf-8") },
        { CSGI_S("Bdpagetype"), CSGI_S("1") },
        { CSGI_S("Bduserid"), CSGI_S("0") },
    };
    static const char page[] = "<h1>hello a.py</h1>";

    if (start_response(env, "200 OK", headers, 3) != CSGI_OK) {
        return NULL;
    }
    /* Without a release function the host copies the bytes. */
    return env->host->bytes(env, page, sizeof page - 1, NULL, NULL);
}
