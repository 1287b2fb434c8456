/* Gives the request body back. */
#include <csgi.h>
#include <stdlib.h>

CSGI_PLUGIN("echo", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header type = { CSGI_S("Content-Type"), CSGI_S("application/octet-stream") };
    size_t size = (size_t)env->content_length, filled = 0;
    char *body = malloc(size + 1);
    if (!body || start_response(env, "200 OK", &type, 1) != CSGI_OK)
        return free(body), NULL;
    while (filled < size) {
        int64_t count = env->host->read(env, body + filled, size - filled);
        if (count <= 0)
            break;
        filled += (size_t)count;
    }
    return env->host->bytes(env, body, filled, free, body);
}
