/* Every feature of CSGI in C, one path each; tests/plugins/probe has the same paths in Rust, as far
 * as safe Rust can reach them. What each path must answer is written in the tests.
 */
#include <csgi.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

CSGI_PLUGIN("features", "1.0", CSGI_THREADSAFE);

static atomic_int released, opened, closed;

/* ---- Small helpers ------------------------------------------------------------------------- */

/* The number behind `name=` in the query. */
static long query_number(const csgi_env *env, const char *name, long fallback) {
    char query[256], pattern[32];
    size_t length = env->query.len < sizeof query - 1 ? env->query.len : sizeof query - 1;
    memcpy(query, env->query.ptr, length);
    query[length] = 0;
    snprintf(pattern, sizeof pattern, "%s=", name);
    const char *found = strstr(query, pattern);
    return found ? atol(found + strlen(pattern)) : fallback;
}

static int start_text(const csgi_env *env, csgi_start_response start_response) {
    csgi_header type = { CSGI_S("content-type"), CSGI_S("text/plain") };
    return start_response(env, "200 OK", &type, 1);
}

static csgi_body *text(const csgi_env *env, csgi_start_response start_response, const char *text) {
    start_text(env, start_response);
    return env->host->bytes(env, text, strlen(text), NULL, NULL);
}

static void sleep_ms(long ms) {
    struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* ---- /env ---------------------------------------------------------------------------------- */

static void append(char **end, csgi_str text) {
    if (text.len) memcpy(*end, text.ptr, text.len);
    *end += text.len;
}

static csgi_body *show_env(const csgi_env *env, csgi_start_response start_response) {
    static const char *names[] = {
        "REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI",
        "CONTENT_TYPE", "CONTENT_LENGTH", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL",
        "REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST", "HTTP_USER_AGENT",
        "HTTP_X_Y", "HTTP_PROXY", "Method",
    };
    static _Thread_local char buffer[65536];
    char *end = buffer;
    size_t i;
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        end += sprintf(end, "%s=", names[i]);
        append(&end, csgi_get(env, names[i]));
        *end++ = '\n';
    }
    for (i = 0; i < env->header_count; i++) {
        end += sprintf(end, "h:");
        append(&end, env->headers[i].name);
        *end++ = '=';
        append(&end, env->headers[i].value);
        *end++ = '\n';
    }
    for (i = 0; i < env->variable_count; i++) {
        end += sprintf(end, "v:");
        append(&end, env->variables[i].name);
        *end++ = '=';
        append(&end, env->variables[i].value);
        *end++ = '\n';
    }
    end += sprintf(end, "config=");
    append(&end, env->host->config);
    end += sprintf(end, "\nlength=%lld\n", (long long)env->content_length);
    start_text(env, start_response);
    return env->host->bytes(env, buffer, (size_t)(end - buffer), NULL, NULL);
}

/* ---- Bodies of our own --------------------------------------------------------------------- */

typedef struct stream {
    csgi_body           body;
    const csgi_env     *env;
    csgi_start_response start_response;
    const char         *kind;
    long                count, size, ms, step;
    char               *block;
    char                line[64];
    pthread_t           thread;
    int                 has_thread;
    atomic_int          ready;
    struct timespec     due;
} stream;

static void *wake_later(void *argument) {
    stream *s = argument;
    sleep_ms(s->ms);
    atomic_store(&s->ready, 1);
    s->env->host->wake(s->env->host, s->env->id);
    return NULL;
}

static int is_due(const struct timespec *due) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > due->tv_sec || (now.tv_sec == due->tv_sec && now.tv_nsec >= due->tv_nsec);
}

static void set_due(struct timespec *due, long ms) {
    clock_gettime(CLOCK_MONOTONIC, due);
    due->tv_nsec += ms % 1000 * 1000000;
    due->tv_sec += ms / 1000 + due->tv_nsec / 1000000000;
    due->tv_nsec %= 1000000000;
}

static int32_t one_line(stream *s, csgi_str *parts, const char *line) {
    snprintf(s->line, sizeof s->line, "%s", line);
    parts[0].ptr = s->line;
    parts[0].len = strlen(s->line);
    return 1;
}

/* `count` blocks of `size` bytes, several in one call. */
static int32_t next_blocks(stream *s, csgi_str *parts, int32_t cap) {
    int32_t given = 0;
    while (given < cap && s->step < s->count) {
        parts[given].ptr = s->block;
        parts[given].len = (size_t)s->size;
        given++;
        s->step++;
    }
    return given ? given : CSGI_END;
}

static int32_t next_pending(stream *s, csgi_str *parts) {
    if (s->step == 0) {
        s->step = 1;
        if (s->ms == 0) {
            /* Woken before PENDING is returned: must not be lost. */
            atomic_store(&s->ready, 1);
            s->env->host->wake(s->env->host, s->env->id);
            return CSGI_PENDING;
        }
        s->has_thread = pthread_create(&s->thread, NULL, wake_later, s) == 0;
        return s->has_thread ? CSGI_PENDING : CSGI_ERROR;
    }
    if (!atomic_load(&s->ready)) return CSGI_PENDING;
    if (s->step++ == 1) return one_line(s, parts, "woken\n");
    return CSGI_END;
}

static int32_t next_tick(stream *s, csgi_str *parts) {
    const csgi_timer_1 *timer = s->env->host->extension(s->env->host, "csgi.timer/1");
    if (!timer) return CSGI_ERROR;
    if (s->step == s->count) return CSGI_END;
    if (s->due.tv_sec && !is_due(&s->due)) return CSGI_PENDING;
    char line[32];
    if (s->due.tv_sec == 0 || is_due(&s->due)) {
        set_due(&s->due, s->ms);
        timer->wake_after(s->env->host, s->env->id, (uint32_t)s->ms);
    }
    snprintf(line, sizeof line, "data: %ld\n\n", s->step++);
    return one_line(s, parts, line);
}

static int32_t next_late(stream *s, csgi_str *parts) {
    if (s->step++ == 0) return one_line(s, parts, "first ");
    if (s->step == 2) {
        char line[32];
        snprintf(line, sizeof line, "%d", s->start_response(s->env, "404 Not Found", NULL, 0));
        return one_line(s, parts, line);
    }
    return CSGI_END;
}

static int32_t next(csgi_body *body, csgi_str *parts, int32_t cap) {
    stream *s = (stream *)body;
    if (!strcmp(s->kind, "/stream")) return next_blocks(s, parts, cap);
    if (!strcmp(s->kind, "/pending") || !strcmp(s->kind, "/wake-early")) return next_pending(s, parts);
    if (!strcmp(s->kind, "/timer")) return next_tick(s, parts);
    if (!strcmp(s->kind, "/late")) return next_late(s, parts);
    if (!strcmp(s->kind, "/never")) return CSGI_PENDING;
    if (!strcmp(s->kind, "/unknown-code")) return 42;
    if (!strcmp(s->kind, "/too-many")) return cap + 1;
    if (!strcmp(s->kind, "/head-in-next")) {
        if (s->step++) return CSGI_END;
        start_text(s->env, s->start_response);
        return one_line(s, parts, "head in next");
    }
    if (!strcmp(s->kind, "/length-long")) {
        return s->step++ ? CSGI_END : one_line(s, parts, "12345678");
    }
    if (!strcmp(s->kind, "/empty-parts")) {
        parts[0].ptr = NULL;
        parts[0].len = 0;
        if (s->step++ < 3) return 1;
        return s->step == 5 ? CSGI_END : one_line(s, parts, "after empty parts");
    }
    /* /error-mid, /no-head, /length-short */
    if (s->step++ == 0) return one_line(s, parts, "begun");
    return !strcmp(s->kind, "/error-mid") ? CSGI_ERROR : CSGI_END;
}

static void close_stream(csgi_body *body) {
    stream *s = (stream *)body;
    if (s->has_thread) pthread_join(s->thread, NULL);
    free(s->block);
    free(s);
    atomic_fetch_add(&closed, 1);
}

static csgi_body *open_stream(const csgi_env *env, csgi_start_response start_response,
                              const char *kind) {
    stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->body.size = sizeof s->body;
    s->body.next = next;
    s->body.close = close_stream;
    s->env = env;
    s->start_response = start_response;
    s->kind = kind;
    s->count = query_number(env, "n", 3);
    s->size = query_number(env, "size", 10);
    s->ms = strcmp(kind, "/wake-early") ? query_number(env, "ms", 20) : 0;
    s->block = malloc((size_t)s->size + 1);
    if (s->block) memset(s->block, 'x', (size_t)s->size);
    atomic_fetch_add(&opened, 1);
    if (!strcmp(kind, "/length-short") || !strcmp(kind, "/length-long")) {
        csgi_header length = { CSGI_S("content-length"), CSGI_S("7") };
        if (!strcmp(kind, "/length-long")) length.value.ptr = "5";
        length.value.len = 1;
        start_response(env, "200 OK", &length, 1);
    } else if (strcmp(kind, "/no-head") && strcmp(kind, "/head-in-next")) {
        start_text(env, start_response);
    }
    return &s->body;
}

/* ---- The host's bodies --------------------------------------------------------------------- */

static void count_release(void *memory) {
    free(memory);
    atomic_fetch_add(&released, 1);
}

/* `n` bytes of the alphabet. */
static char *alphabet(long n) {
    char *memory = malloc((size_t)n + 1);
    long  i;
    for (i = 0; memory && i < n; i++) memory[i] = (char)('a' + i % 26);
    return memory;
}

static csgi_body *lend(const csgi_env *env, csgi_start_response start_response) {
    long  n = query_number(env, "n", 10);
    char *memory = alphabet(n);
    start_text(env, start_response);
    return env->host->bytes(env, memory, (size_t)n, count_release, memory);
}

static csgi_body *send_file(const csgi_env *env, csgi_start_response start_response) {
    long  n = query_number(env, "n", 100000);
    char  name[] = "/tmp/features-XXXXXX";
    int   file = mkstemp(name);
    char *memory = alphabet(n);
    if (file < 0 || !memory || write(file, memory, (size_t)n) != n) return NULL;
    unlink(name);
    free(memory);
    start_text(env, start_response);
    return env->host->file(env, file, query_number(env, "offset", 0), query_number(env, "length", -1));
}

static csgi_body *two_bodies(const csgi_env *env, csgi_start_response start_response) {
    start_text(env, start_response);
    csgi_body *first = env->host->bytes(env, "first", 5, NULL, NULL);
    char      *memory = alphabet(5);
    return env->host->bytes(env, memory, 5, count_release, memory) ? NULL : first;
}

/* ---- Input --------------------------------------------------------------------------------- */

static csgi_body *echo(const csgi_env *env, csgi_start_response start_response) {
    size_t   length = 0, room = 65536;
    char    *memory = malloc(room);
    int64_t  count;
    while ((count = env->host->read(env, memory + length, room - length)) > 0) {
        length += (size_t)count;
        if (length == room) memory = realloc(memory, room *= 2);
    }
    if (count != CSGI_END) {
        free(memory);
        return NULL;
    }
    csgi_header type = { CSGI_S("content-type"), csgi_get(env, "CONTENT_TYPE") };
    start_response(env, "200 OK", &type, type.value.len ? 1 : 0);
    return env->host->bytes(env, memory, length, count_release, memory);
}

static csgi_body *count_input(const csgi_env *env, csgi_start_response start_response) {
    char      buffer[7], answer[64];
    long long total = 0;
    int64_t   count;
    while ((count = env->host->read(env, buffer, sizeof buffer)) > 0) total += count;
    snprintf(answer, sizeof answer, "%lld then %lld", total, (long long)count);
    return text(env, start_response, answer);
}

/* ---- Heads --------------------------------------------------------------------------------- */

static csgi_body *bad_heads(const csgi_env *env, csgi_start_response start_response) {
    csgi_header split = { CSGI_S("x-a"), CSGI_S("1\r\nset-cookie: b") };
    csgi_header hop = { CSGI_S("transfer-encoding"), CSGI_S("chunked") };
    csgi_header name = { CSGI_S("x a"), CSGI_S("1") };
    char        answer[128];
    snprintf(answer, sizeof answer, "%d %d %d %d %d %d",
             start_response(env, "200 OK", &split, 1), start_response(env, "200 OK", &hop, 1),
             start_response(env, "200 OK", &name, 1), start_response(env, "20 OK", NULL, 0),
             start_response(env, "101 Switching Protocols", NULL, 0),
             start_response(env, NULL, NULL, 0));
    return text(env, start_response, answer);
}

static csgi_body *hints(const csgi_env *env, csgi_start_response start_response) {
    csgi_header link = { CSGI_S("link"), CSGI_S("</style.css>; rel=preload") };
    start_response(env, "103 Early Hints", &link, 1);
    return text(env, start_response, "hinted");
}

static csgi_body *with_status(const csgi_env *env, csgi_start_response start_response) {
    char status[32];
    snprintf(status, sizeof status, "%ld Chosen", query_number(env, "code", 200));
    if (start_response(env, status, NULL, 0) != CSGI_OK) return NULL;
    return env->host->bytes(env, "body", 4, NULL, NULL);
}

static csgi_body *numbers(const csgi_env *env, csgi_start_response start_response,
                          const char *path) {
    char answer[64];
    if (!strcmp(path, "/released")) snprintf(answer, sizeof answer, "%d", atomic_load(&released));
    else if (!strcmp(path, "/id")) snprintf(answer, sizeof answer, "%llu", (unsigned long long)env->id);
    else if (!strcmp(path, "/pid")) snprintf(answer, sizeof answer, "%d", (int)getpid());
    else snprintf(answer, sizeof answer, "opened=%d closed=%d", atomic_load(&opened), atomic_load(&closed));
    return text(env, start_response, answer);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    static const char *streams[] = {
        "/stream", "/pending", "/wake-early", "/timer", "/late", "/never", "/unknown-code",
        "/too-many", "/head-in-next", "/error-mid", "/no-head", "/length-short", "/length-long",
        "/empty-parts",
    };
    char   path[64] = "";
    size_t i, length = env->path.len < sizeof path - 1 ? env->path.len : sizeof path - 1;
    memcpy(path, env->path.ptr, length);
    path[length] = 0;
    for (i = 0; i < sizeof streams / sizeof *streams; i++)
        if (!strcmp(path, streams[i])) return open_stream(env, start_response, streams[i]);
    if (!strcmp(path, "/env")) return show_env(env, start_response);
    if (!strcmp(path, "/none")) return NULL;
    if (!strcmp(path, "/replace")) {
        start_response(env, "404 Not Found", NULL, 0);
        return text(env, start_response, "replaced");
    }
    if (!strcmp(path, "/bytes")) return lend(env, start_response);
    if (!strcmp(path, "/bytes-two")) return two_bodies(env, start_response);
    if (!strcmp(path, "/bytes-unused")) {
        lend(env, start_response);
        return open_stream(env, start_response, "/stream");
    }
    if (!strcmp(path, "/bytes-no-head")) return env->host->bytes(env, "x", 1, NULL, NULL);
    if (!strcmp(path, "/file")) return send_file(env, start_response);
    if (!strcmp(path, "/echo")) return echo(env, start_response);
    if (!strcmp(path, "/count")) return count_input(env, start_response);
    if (!strcmp(path, "/early-hints")) return hints(env, start_response);
    if (!strcmp(path, "/head-bad")) return bad_heads(env, start_response);
    if (!strcmp(path, "/status")) return with_status(env, start_response);
    if (!strcmp(path, "/log")) {
        env->host->log(env->host, env->id, CSGI_LOG_WARN, "said by the plugin", 18);
        return text(env, start_response, "logged");
    }
    if (!strcmp(path, "/extension")) {
        int none = env->host->extension(env->host, "com.example.none/1") == NULL;
        int timer = env->host->extension(env->host, "csgi.timer/1") != NULL;
        return text(env, start_response, none && timer ? "timer only" : "wrong");
    }
    if (!strcmp(path, "/sleep")) {
        sleep_ms(query_number(env, "ms", 50));
        return text(env, start_response, "slept");
    }
    if (!strcmp(path, "/crash")) {
        *(volatile int *)0 = 1;
    }
    return numbers(env, start_response, path);
}
