/* Wakes its stream whenever it is asked for the next part, and never has one: others go on. */
#include <csgi.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

typedef struct { csgi_body base; const csgi_env *env; } stream;
static atomic_uint calls, closed;

static int32_t next(csgi_body *base, csgi_str *parts, int32_t room) {
    const csgi_env *env = ((stream *)base)->env;
    (void)parts;
    (void)room;
    atomic_fetch_add(&calls, 1);
    env->host->wake(env->host, env->id);
    return CSGI_PENDING;
}

static void close_it(csgi_body *base) {
    atomic_fetch_add(&closed, 1);
    free(base);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    start_response(env, "200 OK", NULL, 0);
    if (env->path.len > 1) {
        char text[16];
        int length = sprintf(text, "%u", atomic_load(env->path.ptr[2] == 'a' ? &calls : &closed));
        return env->host->bytes(env, text, (size_t)length, NULL, NULL);
    }
    stream *s = calloc(1, sizeof *s);
    s->base = (csgi_body){ .size = sizeof s->base, .next = next, .close = close_it };
    s->env = env;
    return &s->base;
}
