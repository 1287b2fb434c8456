/* Server-sent events: GET /events.py waits for one and gets it; GET /events.py/publish wakes all who
 * wait and says how many they were. */
#include <csgi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CSGI_PLUGIN("events", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

enum { ROOM = 65536 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t waiting[ROOM];
static size_t count;

struct stream {
    csgi_body base;
    const csgi_env *env;
    int is_greeted, is_waiting;
};

static int32_t next(csgi_body *base, csgi_str *parts, int32_t room) {
    static const char greeting[] = ": welcome\n\n", event[] = "data: now\n\n";
    struct stream *stream = (struct stream *)base;
    (void)room;
    if (!stream->is_greeted) {
        stream->is_greeted = 1;
        parts[0] = (csgi_str){ greeting, sizeof greeting - 1 };
        return 1;
    }
    if (stream->is_waiting) {
        stream->is_waiting = 0;
        parts[0] = (csgi_str){ event, sizeof event - 1 };
        return 1;
    }
    pthread_mutex_lock(&lock);
    if (count < ROOM)
        waiting[count++] = stream->env->id;
    pthread_mutex_unlock(&lock);
    stream->is_waiting = 1;
    return CSGI_PENDING;
}

static void close_stream(csgi_body *base) { free(base); }

static csgi_body *publish(const csgi_env *env, csgi_start_response start_response) {
    char text[32];
    pthread_mutex_lock(&lock);
    int woken = snprintf(text, sizeof text, "%zu\n", count);
    for (size_t i = 0; i < count; i++)
        env->host->wake(env->host, waiting[i]);
    count = 0;
    pthread_mutex_unlock(&lock);
    if (start_response(env, "200 OK", NULL, 0) != CSGI_OK)
        return NULL;
    return env->host->bytes(env, text, (size_t)woken, NULL, NULL);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header type = { CSGI_S("Content-Type"), CSGI_S("text/event-stream") };
    if (env->path.len > 0)
        return publish(env, start_response);
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream || start_response(env, "200 OK", &type, 1) != CSGI_OK)
        return free(stream), NULL;
    stream->base = (csgi_body){ .size = sizeof(csgi_body), .next = next, .close = close_stream };
    stream->env = env;
    return &stream->base;
}
