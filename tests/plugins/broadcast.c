/* Streams that are woken together. GET /broadcast.py listens; /hangs?ms=N sleeps so long before it gives
 * its first event, and /crashes crashes there. /publish?size=N&end=0 is an event of so many bytes for all
 * who listen: its number, and a line of dots. With end=1 it is the last one.
 */
#include <csgi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

CSGI_PLUGIN("broadcast", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

enum { LISTENERS = 256, EVENTS = 4096, LONGEST = 8192 };

typedef struct stream {
    csgi_body base;
    int       is_greeted, seen;
    long      sleep_ms;
    int       crashes;
    char      text[LONGEST];
} stream;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t listeners[LISTENERS];
static size_t   listener_count;
static int      sizes[EVENTS], event_count, has_ended;

static int32_t next(csgi_body *base, csgi_str *parts, int32_t cap) {
    stream *s = (stream *)base;
    int size = 0, number = 0, is_over = 0;
    (void)cap;
    if (!s->is_greeted) {
        s->is_greeted = 1;
        parts[0] = (csgi_str){ "welcome\n", 8 };
        return 1;
    }
    pthread_mutex_lock(&lock);
    if (s->seen < event_count) {
        size = sizes[s->seen++];
        number = s->seen;
    }
    is_over = has_ended;
    pthread_mutex_unlock(&lock);
    if (!size) return is_over ? CSGI_END : CSGI_PENDING;
    if (s->crashes) abort();
    if (s->sleep_ms) {
        struct timespec time = { s->sleep_ms / 1000, s->sleep_ms % 1000 * 1000000 };
        s->sleep_ms = 0;
        nanosleep(&time, NULL);
    }
    memset(s->text, '.', (size_t)size);
    s->text[snprintf(s->text, sizeof s->text, "event %d ", number)] = '.';
    s->text[size - 1] = '\n';
    parts[0] = (csgi_str){ s->text, (size_t)size };
    return 1;
}

static void close_it(csgi_body *base) { free(base); }

static long number(const csgi_env *env, const char *name) {
    char query[128] = { 0 };
    memcpy(query, env->query.ptr, env->query.len < sizeof query - 1 ? env->query.len : sizeof query - 1);
    const char *found = strstr(query, name);
    return found ? atol(found + strlen(name)) : 0;
}

static csgi_body *publish(const csgi_env *env, csgi_start_response start_response) {
    pthread_mutex_lock(&lock);
    if (event_count < EVENTS) sizes[event_count++] = (int)(number(env, "size=") % LONGEST);
    has_ended = (int)number(env, "end=");
    for (size_t i = 0; i < listener_count; i++) env->host->wake(env->host, listeners[i]);
    pthread_mutex_unlock(&lock);
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, "published", 9, NULL, NULL);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    if (env->path.len >= 8 && !memcmp(env->path.ptr, "/publish", 8))
        return publish(env, start_response);
    stream *s = calloc(1, sizeof *s);
    s->base = (csgi_body){ .size = sizeof s->base, .next = next, .close = close_it };
    s->sleep_ms = number(env, "ms=");
    s->crashes = env->path.len > 1 && env->path.ptr[1] == 'c';
    pthread_mutex_lock(&lock);
    if (listener_count < LISTENERS) listeners[listener_count++] = env->id;
    pthread_mutex_unlock(&lock);
    start_response(env, "200 OK", NULL, 0);
    return &s->base;
}
