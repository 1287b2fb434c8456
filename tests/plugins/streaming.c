/* CSGI_STREAM_INPUT in C: /echo sends back what arrives as it arrives, /upgrade speaks a protocol of
 * its own until a line `quit`, /ignore answers without reading. tests/plugins/streams is the same in
 * Rust.
 */
#include <csgi.h>

#include <stdlib.h>

CSGI_PLUGIN("streaming", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING | CSGI_STREAM_INPUT);

typedef struct { csgi_body body; const csgi_env *env; int is_raw, is_done; char buffer[4096]; } echo;

static int32_t next(csgi_body *body, csgi_str *parts, int32_t cap) {
    echo *e = (echo *)body;
    (void)cap;
    if (e->is_done) return CSGI_END;
    int64_t count = e->env->host->read(e->env, e->buffer, sizeof e->buffer);
    if (count <= 0) return (int32_t)count;
    parts[0].ptr = e->buffer;
    parts[0].len = (size_t)count;
    if (e->is_raw && count >= 5 && !memcmp(e->buffer + count - 5, "quit\n", 5)) e->is_done = 1;
    return 1;
}

static void close_echo(csgi_body *body) { free(body); }

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    if (env->path.len == 7 && !memcmp(env->path.ptr, "/ignore", 7)) {
        start_response(env, "200 OK", NULL, 0);
        return env->host->bytes(env, "ignored", 7, NULL, NULL);
    }
    echo *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->body.size = sizeof e->body;
    e->body.next = next;
    e->body.close = close_echo;
    e->env = env;
    if (env->path.len == 8 && !memcmp(env->path.ptr, "/upgrade", 8)) {
        csgi_header protocol = { CSGI_S("upgrade"), CSGI_S("echo") };
        e->is_raw = 1;
        if (start_response(env, "101 Switching Protocols", &protocol, 1) != CSGI_OK) {
            free(e);
            start_response(env, "426 Upgrade Required", NULL, 0);
            return env->host->bytes(env, "upgrade", 7, NULL, NULL);
        }
    } else {
        start_response(env, "200 OK", NULL, 0);
    }
    return &e->body;
}
