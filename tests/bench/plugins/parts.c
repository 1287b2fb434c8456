/* 64 KiB in 64 parts. */
#include <csgi.h>
#include <stdlib.h>

CSGI_PLUGIN("parts", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

struct body {
    csgi_body base;
    int left;
};

static const char part[1024] = { 'x' };

static int32_t next(csgi_body *base, csgi_str *parts, int32_t room) {
    struct body *body = (struct body *)base;
    (void)room;
    if (body->left == 0)
        return CSGI_END;
    body->left--;
    parts[0].ptr = part;
    parts[0].len = sizeof part;
    return 1;
}

static void close_body(csgi_body *base) { free(base); }

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header type = { CSGI_S("Content-Type"), CSGI_S("text/plain") };
    struct body *body = malloc(sizeof *body);
    if (!body || start_response(env, "200 OK", &type, 1) != CSGI_OK)
        return free(body), NULL;
    *body = (struct body){ { .size = sizeof(csgi_body), .next = next, .close = close_body }, 64 };
    return &body->base;
}
