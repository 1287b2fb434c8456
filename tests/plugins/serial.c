/* Promises nothing, so its calls must never overlap: it answers `alone`, or says that they did. */
#include <csgi.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

CSGI_PLUGIN("serial", "1.0", 0);

static atomic_int inside;
static atomic_int overlapped;

static void enter(void) {
    struct timespec time = { 0, 1000000 };
    if (atomic_fetch_add(&inside, 1)) atomic_store(&overlapped, 1);
    nanosleep(&time, NULL);
}

static void leave(void) { atomic_fetch_sub(&inside, 1); }

typedef struct { csgi_body body; int step; } answer;

static int32_t next(csgi_body *body, csgi_str *parts, int32_t cap) {
    answer *a = (answer *)body;
    (void)cap;
    enter();
    parts[0].ptr = atomic_load(&overlapped) ? "overlapped" : "alone";
    parts[0].len = strlen(parts[0].ptr);
    leave();
    return a->step++ ? CSGI_END : 1;
}

static void close_answer(csgi_body *body) {
    enter();
    free(body);
    leave();
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    enter();
    answer *a = calloc(1, sizeof *a);
    if (a) {
        a->body.size = sizeof a->body;
        a->body.next = next;
        a->body.close = close_answer;
        start_response(env, "200 OK", NULL, 0);
    }
    leave();
    return &a->body;
}
