/* 500: a part that points nowhere. */
#include <csgi.h>
#include <stdlib.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

typedef struct { csgi_body body; int step; } zoo_body;

static int32_t next(csgi_body *body, csgi_str *parts, int32_t cap) {
    zoo_body *z = (zoo_body *)body;
    (void)z; (void)parts; (void)cap;
    parts[0].ptr = NULL;
    parts[0].len = 5;
    return 1;
}

static void close_body(csgi_body *body) { free(body); }

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    zoo_body *z = calloc(1, sizeof *z);
    if (!z) return NULL;
    z->body.size = sizeof z->body;
    z->body.next = next;
    z->body.close = close_body;
    start_response(env, "200 OK", NULL, 0);
    return &z->body;
}
