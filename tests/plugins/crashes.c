/* Every way to bring a process down, by the path: /null, /abort, /bus, /fpe, /ill, /overflow, /heap,
 * /exit, /in-malloc, /two, /hang, /late (after the response has begun), /close, /release, /thread;
 * /slow?ms=N answers after so long; anything else answers "fine". */
#define _GNU_SOURCE
#include <csgi.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
CSGI_PLUGIN("crashes", "1.0", CSGI_THREADSAFE);

static int is(const csgi_env *env, const char *path) {
    return env->path.len == strlen(path) && !memcmp(env->path.ptr, path, env->path.len);
}

static csgi_body *say(const csgi_env *env, csgi_start_response start_response, const char *text) {
    csgi_header type = { CSGI_S("content-type"), CSGI_S("text/plain") };
    start_response(env, "200 OK", &type, 1);
    return env->host->bytes(env, text, strlen(text), NULL, NULL);
}

static volatile int zero;

__attribute__((noinline)) static int read_null(void) { return *(volatile int *)(size_t)zero; }

static int read_beyond_file(void) {
    char  name[] = "/tmp/crashes-XXXXXX";
    int   file = mkstemp(name);
    volatile int *memory;
    unlink(name);
    memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    return *memory;
}

__attribute__((noinline)) static int recurse(int depth) {
    volatile char block[4096];
    memset((void *)block, depth, sizeof block);
    return recurse(depth + 1) + block[17];
}

static void break_heap(void) {
    char *memory = malloc(64);
    free(memory);
    free(memory);
    memset(memory - 16, 0x41, 4096);
    free(malloc(32));
    abort();
}

/* The heap's lock is held by whoever is deep inside malloc: a signal that arrives there finds it held.
 * Those functions lie together, so an address near malloc's own is one of theirs. */
static void crash_in_malloc(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
#if defined(__x86_64__)
    size_t at = (size_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    size_t at = (size_t)((ucontext_t *)context)->uc_mcontext.pc;
#endif
    size_t from = (size_t)dlsym(RTLD_DEFAULT, "malloc");
    if (at - from + 0x3000 < 0x6000) read_null();
}

static void *interrupt(void *thread) {
    for (;;) {
        usleep(1000);
        pthread_kill(*(pthread_t *)thread, SIGALRM);
    }
    return NULL;
}

static void crash_with_lock(void) {
    static pthread_t self;
    pthread_t        other;
    struct sigaction action;
    unsigned         i;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = crash_in_malloc;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGALRM, &action, NULL);
    self = pthread_self();
    pthread_create(&other, NULL, interrupt, &self);
    for (i = 0;; i++) {
        void *blocks[64];
        int   n;
        for (n = 0; n < 64; n++) blocks[n] = malloc((i * 64u + (unsigned)n) * 37u % 100000u + 2000u);
        for (n = 0; n < 64; n++) free(blocks[n]);
    }
}

static pthread_barrier_t both;
static pthread_once_t    both_once = PTHREAD_ONCE_INIT;
static void              make_both(void) { pthread_barrier_init(&both, NULL, 2); }

static void *crash_alone(void *argument) {
    (void)argument;
    read_null();
    return NULL;
}

typedef struct { csgi_body body; int step; int crash_in_close; } stream;

static int32_t next(csgi_body *body, csgi_str *parts, int32_t cap) {
    stream *s = (stream *)body;
    (void)cap;
    if (s->step++ > 0) {
        if (!s->crash_in_close) read_null();
        return CSGI_END;
    }
    parts[0].ptr = "begun";
    parts[0].len = 5;
    return 1;
}

static void close_it(csgi_body *body) {
    if (((stream *)body)->crash_in_close) read_null();
    free(body);
}

static csgi_body *open_stream(const csgi_env *env, csgi_start_response start_response, int in_close) {
    stream *s = calloc(1, sizeof *s);
    s->body.size = sizeof s->body;
    s->body.next = next;
    s->body.close = close_it;
    s->crash_in_close = in_close;
    start_response(env, "200 OK", NULL, 0);
    return &s->body;
}

static void bad_release(void *argument) {
    (void)argument;
    read_null();
}

csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    env->host->log(env->host, env->id, CSGI_LOG_INFO, "called", 6);
    if (is(env, "/null")) read_null();
    if (is(env, "/abort")) abort();
    if (is(env, "/bus")) read_beyond_file();
    if (is(env, "/fpe")) return (csgi_body *)(size_t)((zero + 7) / zero);
    if (is(env, "/ill")) __builtin_trap();
    if (is(env, "/overflow")) recurse(0);
    if (is(env, "/heap")) break_heap();
    if (is(env, "/exit")) exit(0);
    if (is(env, "/in-malloc")) crash_with_lock();
    if (is(env, "/two")) {
        pthread_once(&both_once, make_both);
        pthread_barrier_wait(&both);
        read_null();
    }
    if (is(env, "/hang")) for (;;) zero = zero;
    if (is(env, "/late")) return open_stream(env, start_response, 0);
    if (is(env, "/close")) return open_stream(env, start_response, 1);
    if (is(env, "/release")) {
        static char text[32768];
        memset(text, 'x', sizeof text);
        start_response(env, "200 OK", NULL, 0);
        return env->host->bytes(env, text, sizeof text, bad_release, NULL);
    }
    if (is(env, "/thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, crash_alone, NULL);
        pthread_detach(thread);
        usleep(200000);
    }
    if (is(env, "/slow")) {
        csgi_str ms = env->query;
        usleep((useconds_t)(ms.len > 3 ? atoi(ms.ptr + 3) : 300) * 1000);
    }
    if (is(env, "/pid")) {
        char text[32];
        snprintf(text, sizeof text, "%d", (int)getpid());
        return say(env, start_response, text);
    }
    return say(env, start_response, "fine");
}
