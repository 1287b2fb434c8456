/* Server-sent events: GET /events.py listens to them; GET /events.py/publish is one for all who listen and
 * says how many they are. */
#include <csgi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

CSGI_PLUGIN("events", "1.0", CSGI_THREADSAFE | CSGI_NONBLOCKING);

enum { ROOM = 65536 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
struct stream {
    csgi_body base;
    size_t place;
    unsigned seen;
    int is_greeted;
};
static struct { uint64_t id; struct stream *stream; } listeners[ROOM];
static size_t count;
static atomic_uint published;

static int32_t next(csgi_body *base, csgi_str *parts, int32_t room) {
    static const char greeting[] = ": welcome\n\n", event[] = "data: now\n\n";
    struct stream *stream = (struct stream *)base;
    (void)room;
    if (!stream->is_greeted) {
        stream->is_greeted = 1;
        parts[0] = (csgi_str){ greeting, sizeof greeting - 1 };
        return 1;
    }
    if (stream->seen == atomic_load(&published))
        return CSGI_PENDING;
    stream->seen++;
    parts[0] = (csgi_str){ event, sizeof event - 1 };
    return 1;
}

static void close_stream(csgi_body *base) {
    struct stream *stream = (struct stream *)base;
    pthread_mutex_lock(&lock);
    listeners[stream->place] = listeners[--count];
    listeners[stream->place].stream->place = stream->place;
    pthread_mutex_unlock(&lock);
    free(stream);
}

static csgi_body *publish(const csgi_env *env, csgi_start_response start_response) {
    char text[32];
    pthread_mutex_lock(&lock);
    int length = snprintf(text, sizeof text, "%zu\n", count);
    atomic_fetch_add(&published, 1);
    for (size_t i = 0; i < count; i++)
        env->host->wake(env->host, listeners[i].id);
    pthread_mutex_unlock(&lock);
    if (start_response(env, "200 OK", NULL, 0) != CSGI_OK)
        return NULL;
    return env->host->bytes(env, text, (size_t)length, NULL, NULL);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const csgi_header type = { CSGI_S("Content-Type"), CSGI_S("text/event-stream") };
    if (env->path.len > 0)
        return publish(env, start_response);
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream || start_response(env, "200 OK", &type, 1) != CSGI_OK)
        return free(stream), NULL;
    stream->base = (csgi_body){ .size = sizeof(csgi_body), .next = next, .close = close_stream };
    pthread_mutex_lock(&lock);
    if (count == ROOM) {
        pthread_mutex_unlock(&lock);
        return free(stream), NULL;
    }
    stream->seen = atomic_load(&published);
    stream->place = count;
    listeners[count].id = env->id;
    listeners[count++].stream = stream;
    pthread_mutex_unlock(&lock);
    return &stream->base;
}
