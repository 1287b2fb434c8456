/* Answers the same request differently: its calls are numbered, and every four have a head of their own.
 * The body is the call's number, in four digits, or in eight for the last of the four. With a query, all
 * are alike, and the number has 15,000 digits. */
#include <csgi.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

static void start(const csgi_env *env, csgi_start_response start_response, const char *status,
                  const char *kind) {
    csgi_header header = { CSGI_S("X-Kind"), { kind, 1 } };
    start_response(env, status, &header, 1);
}

/* A body of its own: one part, and the end. */
struct own {
    csgi_body body;
    char text[16];
    size_t length;
};

static int own_next(csgi_body *body, csgi_str *parts, int count) {
    struct own *own = (struct own *)body;
    (void)count;
    if (own->length == 0) {
        return CSGI_END;
    }
    parts[0] = (csgi_str){ own->text, own->length };
    own->length = 0;
    return 1;
}

static void own_close(csgi_body *body) {
    free(body);
}

static csgi_body *own_body(const char *text, int length) {
    struct own *own = calloc(1, sizeof *own);
    own->body = (csgi_body){ .size = sizeof own->body, .next = own_next, .close = own_close };
    memcpy(own->text, text, (size_t)length);
    own->length = (size_t)length;
    return &own->body;
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static atomic_uint calls;
    unsigned number = atomic_fetch_add(&calls, 1), kind = number / 4 % 9;
    /* Constants, but for the text that one of them points to. */
    static char text[] = "?";
    static const csgi_header constant = { CSGI_S("X-Kind"), CSGI_S("4") };
    static const csgi_header pointing = { CSGI_S("X-Kind"), { text, 1 } };
    const csgi_header bad = { CSGI_S("X-Kind"), CSGI_S("a\nb") };
    char body[16];
    int length = snprintf(body, sizeof body, number % 4 == 3 ? "%08u" : "%04u", number);
    if (env->query.len > 0) {
        char large[16 * 1024];
        start(env, start_response, "200 OK", "l");
        length = snprintf(large, sizeof large, "%015000u", number);
        return env->host->bytes(env, large, (size_t)length, NULL, NULL);
    }
    switch (kind) {
    case 0:
        start(env, start_response, "200 OK", "0");
        break;
    case 1:
        start(env, start_response, "201 Created", "1");
        break;
    case 2: /* The last one counts, */
        start(env, start_response, "500 Not This", "9");
        start(env, start_response, "200 OK", "2");
        break;
    case 3: /* of those that are accepted. */
        start(env, start_response, "200 OK", "3");
        start_response(env, "200 OK", &bad, 1);
        break;
    case 4:
        start_response(env, "200 OK", &constant, 1);
        break;
    case 5:
        text[0] = (char)('a' + number % 4);
        start_response(env, "200 OK", &pointing, 1);
        break;
    case 6: /* One that goes before does not count. */
        start(env, start_response, "103 Early Hints", "h");
        start(env, start_response, "200 OK", "6");
        break;
    case 7:
        start(env, start_response, "200 OK", "7");
        return own_body(body, length);
    case 8:
        start(env, start_response, "200 OK", "8");
        return NULL;
    }
    return env->host->bytes(env, body, (size_t)length, NULL, NULL);
}
