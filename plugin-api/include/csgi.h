/* csgi.h - C Server Gateway Interface, ABI 1.0.   C99 and C++11, no dependencies.
 *
 * A plugin is a shared library that exports `csgi_plugin` (use CSGI_PLUGIN) and `application`.
 * A host loads it and calls `application` once for every request, as WSGI (PEP 3333) does:
 *
 *     process :=  load  csgi_init?  ( application | next | close | release )*  csgi_exit?
 *     request :=  application                    -> NULL           it failed: 500
 *              |  application                    -> host's body    the plugin is done
 *              |  application  next*  close      -> plugin's body
 *     next*   :=  ( n>0 | PENDING )*  ( END | ERROR )?             after END or ERROR never again
 *     close   :   exactly once, last: also after ERROR, a lost client, a time-out, a shutdown
 *
 * Ownership, in five sentences:
 *  1. Everything reached from `env` is the host's, read-only, and valid until close() returns, or
 *     until application() returns if it returned NULL or a host-made body.
 *  2. start_response() and log() copy what they are given.
 *  3. Parts filled in by next() are the plugin's and stay valid until the next call of next() or
 *     close() on that body.
 *  4. bytes() with release == NULL copies at once; with a release it borrows, and calls release
 *     exactly once, on any thread, whatever the outcome.  file() takes the descriptor in every
 *     case, also on failure.
 *  5. A host-made body that is not returned is released with the request; one per request.
 *
 * An env may be copied and edited (that is how middleware works): host functions look at nothing
 * but env->id and env->host.
 *
 * Where a function may be called, in brackets:
 *  [request]    on any host thread; for one request never two calls at a time, each one
 *               happening before the next.  See CSGI_THREADSAFE for calls of different requests.
 *  [in-request] only inside application() or next() of that request, on the calling thread.
 *  [any]        from any thread, at any time, until csgi_exit() returns; locks may be held.
 *  [load]       on the loader thread, once.
 *
 * The ABI is that of little-endian LP64 ELF Linux and the platform's C calling convention.
 */
#ifndef CSGI_H
#define CSGI_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CSGI_ABI_MAJOR 1
#define CSGI_ABI_MINOR 0
#define CSGI_MAGIC     0x49475343u /* the bytes "CSGI" */
#define CSGI_EXPORT    __attribute__((visibility("default")))

/* Results.  Zero is failure, so that a forgotten return value fails closed. */
enum { CSGI_ERROR = 0, CSGI_OK = 1, CSGI_END = -1, CSGI_PENDING = -2, CSGI_LATE = -3 };

/* Manifest flags: promises of the plugin.  A host ignores bits 0-15 that it does not know and
 * refuses a plugin with bits 16-31 that it does not know.
 *   none               calls into the plugin never overlap within one process
 *   CSGI_THREADSAFE    calls for different requests may run at the same time
 *   CSGI_NONBLOCKING   no call blocks (guide: 100 microseconds)
 *   CSGI_STREAM_INPUT  application() is called at the end of the head; read() gives the body as
 *                      it arrives.  Without it the whole body is there before the call.
 *   CSGI_SHARED_LOCK   what calls compute, they compute under one lock, as an interpreter's: the
 *                      host may let those that do not wait take turns. */
enum {
    CSGI_THREADSAFE = 1,
    CSGI_NONBLOCKING = 2,
    CSGI_STREAM_INPUT = 4,
    CSGI_SHARED_LOCK = 8
};

/* env->flags */
enum { CSGI_ENV_UPGRADE = 1 }; /* the client asked for an upgrade: status 101 is allowed */

enum { CSGI_LOG_ERROR = 1, CSGI_LOG_WARN = 2, CSGI_LOG_INFO = 3, CSGI_LOG_DEBUG = 4 };

/* ---- Frozen for ever ------------------------------------------------------------------------ */

/* Bytes: not NUL-terminated, not necessarily UTF-8.  Same layout as struct iovec. */
typedef struct csgi_str {
    const char *ptr;
    size_t      len;
} csgi_str;

typedef struct csgi_header {
    csgi_str name, value;
} csgi_header;

typedef struct csgi_manifest {
    uint32_t magic;                /* CSGI_MAGIC */
    uint16_t abi_major, abi_minor; /* of the header this plugin was compiled with */
    uint16_t need_minor;           /* oldest host minor it can run on */
    uint16_t size;                 /* sizeof(csgi_manifest) = 64 */
    uint32_t flags;                /* CSGI_THREADSAFE ... */
    char     name[32], version[16]; /* NUL-padded, may be empty */
} csgi_manifest;

/* ---- Growable: made by the host, read by the plugin; `size` says how much is there ------------ */

typedef struct csgi_host csgi_host;
typedef struct csgi_env  csgi_env;
typedef struct csgi_body csgi_body;

/* Gives the head of the response: status as in WSGI ("200 OK", NUL-terminated) and the headers.
 * May be called again to replace the head until body bytes exist; then it returns CSGI_LATE.
 * A status of 100 to 199 but 101 is sent at once as an interim response and does not count as
 * the head.  101 is allowed with CSGI_ENV_UPGRADE: read() then gives the raw inbound bytes and
 * next() the raw outbound ones.
 * CSGI_OK; CSGI_LATE; CSGI_ERROR for a malformed status, a header with CR, LF or NUL, or one of
 * the host's own (connection, keep-alive, proxy-connection, te, trailer, transfer-encoding,
 * upgrade except with 101): nothing of it is kept then.
 * What lies in memory of your library that is mapped read-only when it has been loaded (constants)
 * is taken to stay as it is: the host may look at it once.                     [in-request] */
typedef int32_t (*csgi_start_response)(const csgi_env *env, const char *status,
                                       const csgi_header *headers, size_t count);

/* One request. */
struct csgi_env {
    uint32_t         size;         /* bytes the host filled in */
    uint16_t         http_version; /* 10, 11, 20, 30 */
    uint16_t         flags;        /* CSGI_ENV_* */
    uint64_t         id;           /* for wake() and log(): never used again by this process */
    const csgi_host *host;
    csgi_str         method;       /* "GET" */
    csgi_str         scheme;       /* "http" */
    csgi_str         authority;    /* Host, or that of an absolute target */
    csgi_str         mount;        /* SCRIPT_NAME: "/a.py" */
    csgi_str         path;         /* PATH_INFO as sent, percent-encoded: "/x" */
    csgi_str         query;        /* QUERY_STRING: "y=1" */
    csgi_str         target;       /* REQUEST_URI: "/a.py/x?y=1" */
    csgi_str         remote;       /* the client: "127.0.0.1:40000", "[::1]:40000" */
    csgi_str         local;        /* this end: "127.0.0.1:8000" */
    const csgi_header *headers;    /* names in lower case, in the order of arrival */
    size_t           header_count;
    int64_t          content_length; /* bytes; -1: not known before CSGI_END */
    const csgi_header *variables;  /* named groups of the route rule that matched */
    size_t           variable_count;
};

/* The response body as an iterator.  Put it first in a struct of your own. */
struct csgi_body {
    uint32_t size;     /* sizeof(csgi_body) */
    uint32_t reserved; /* 0 */
    /* Fills in up to cap (>= 1) parts and returns how many; or CSGI_END, CSGI_PENDING ("not now:
     * call me after wake(), or when input arrives if read() said CSGI_PENDING"), CSGI_ERROR (the
     * response is cut off visibly).  Called again only when the parts before are written or
     * copied.  Any other result counts as CSGI_ERROR.                              [request] */
    int32_t (*next)(csgi_body *self, csgi_str *parts, int32_t cap);
    /* Ends the body.  Exactly once, in every outcome.                              [request] */
    void (*close)(csgi_body *self);
};

/* What a host offers to one plugin; valid until csgi_exit() returns. */
struct csgi_host {
    uint32_t size; /* bytes the host filled in */
    uint16_t abi_major, abi_minor;
    csgi_str name;   /* the name it is served under */
    csgi_str config; /* this plugin's section of the configuration, as JSON; may be empty */

    /* Reads the request body: n > 0 bytes; CSGI_END; CSGI_PENDING (only with CSGI_STREAM_INPUT or
     * after 101); CSGI_ERROR (client gone, over a limit, wrong request).      [in-request] */
    int64_t (*read)(const csgi_env *env, void *buf, size_t cap);
    /* Makes a body of len bytes at ptr.  NULL: no memory, or one was made already (release has
     * been called then).                                                      [in-request] */
    csgi_body *(*bytes)(const csgi_env *env, const void *ptr, size_t len, void (*release)(void *),
                        void *arg);
    /* Makes a body of a regular file: len bytes from offset, len == -1 for the rest of it.  Status
     * and headers stay the plugin's.  NULL: not a regular file, a bad range, or one was made
     * already (fd is closed then).                                            [in-request] */
    csgi_body *(*file)(const csgi_env *env, int fd, int64_t offset, int64_t len);

    /* Has next() called again.  Sticky (a wake before PENDING counts), coalescing, may be
     * spurious; the id of a request that has ended is ignored.  From next() itself: it is called
     * again when others have had their turn.                                         [any] */
    void (*wake)(const csgi_host *host, uint64_t id);
    /* Writes one line to the server's log; id 0 if it belongs to no request.         [any] */
    void (*log)(const csgi_host *host, uint64_t id, int32_t level, const char *msg, size_t len);
    /* The table of an extension such as "csgi.timer/1", or NULL.                     [any] */
    const void *(*extension)(const csgi_host *host, const char *id);
};

/* ---- Extensions: an id names one exact table for ever ---------------------------------------- */

#define CSGI_TIMER_1 "csgi.timer/1"
typedef struct csgi_timer_1 {
    /* Calls wake(host, id) once, ms milliseconds from now or a little later.         [any] */
    void (*wake_after)(const csgi_host *host, uint64_t id, uint32_t ms);
} csgi_timer_1;

#define CSGI_PROCESS_1 "csgi.process/1"
/* How this plugin is run; both at least 1. */
typedef struct csgi_process_1 {
    uint32_t processes; /* that serve it at the same time, this one included */
    uint32_t threads;   /* of this process that may be inside it at the same time */
} csgi_process_1;

/* A plugin that answers csgi_extension(CSGI_LANGUAGE_1) with this table runs applications that are
 * written in a language: NAME.suffix beside it, and a folder NAME with one of folder_files in it,
 * is plugin NAME, unless a library of that name is there.  All strings are constant.
 *
 * The host calls load() once for every application, after csgi_init() and before any request.
 * A request for one comes to application() with env->host == the host of its load() and
 * csgi_get(env, "SCRIPT_FILENAME") == file; one for the plugin's own name has the host of
 * csgi_init().  env->headers of an application's request hold neither Proxy (httpoxy) nor a name
 * with '_', which would pass for one with '-' once it is a name as CGI has them. */
#define CSGI_LANGUAGE_1 "csgi.language/1"
typedef struct csgi_language_1 {
    csgi_str        suffix;       /* ".py" */
    const csgi_str *folder_files; /* may be NULL */
    size_t          folder_file_count;
    /* file: its path, as a message should have it; copy: where to read it from, a private copy of
     * a file, or the folder itself.  host: name and config are the application's own.  group may
     * be set to a string: applications with different ones cannot share a process.
     * CSGI_OK, or log() why and return CSGI_ERROR: the application is not served then.   [load] */
    int32_t (*load)(const csgi_host *host, csgi_str file, csgi_str copy, csgi_str *group);
    /* Once for every application that was loaded, before csgi_exit().                    [load] */
    void (*unload)(const csgi_host *host);
} csgi_language_1;

/* ---- Conveniences: inline, no part of the ABI ------------------------------------------------ */

/* Was this field filled in by the other side?  CSGI_HAS(env, variables) */
#define CSGI_HAS(p, field)                                                                        \
    ((p)->size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

#define CSGI_S(literal) { literal, sizeof(literal) - 1 }

#ifdef __cplusplus
#define CSGI_EXTERN extern "C"
#else
#define CSGI_EXTERN extern
#endif

/* The manifest; once in every plugin. */
#define CSGI_PLUGIN(name, version, flags)                                                         \
    CSGI_EXTERN CSGI_EXPORT const csgi_manifest csgi_plugin;                                      \
    const csgi_manifest csgi_plugin = { CSGI_MAGIC, CSGI_ABI_MAJOR, CSGI_ABI_MINOR, 0,            \
                                        sizeof(csgi_manifest), (flags), name, version }

/* Is a equal to the literal, ASCII case ignored and '-' taken for '_'? */
static inline int csgi_same_name(const char *a, size_t len, const char *literal) {
    size_t i;
    for (i = 0; i < len; i++) {
        unsigned char x = (unsigned char)a[i], y = (unsigned char)literal[i];
        if (x >= 'A' && x <= 'Z') x = (unsigned char)(x + 32);
        if (y >= 'A' && y <= 'Z') y = (unsigned char)(y + 32);
        if (x == '-') x = '_';
        if (y == '-') y = '_';
        if (y == 0 || x != y) return 0;
    }
    return literal[len] == 0;
}

/* The first header of that name (any case), or { NULL, 0 }. */
static inline csgi_str csgi_get_header(const csgi_env *env, const char *name) {
    csgi_str none = { NULL, 0 };
    size_t   len = strlen(name), i, j;
    for (i = 0; i < env->header_count; i++) {
        const csgi_header *h = &env->headers[i];
        if (h->name.len != len) continue;
        for (j = 0; j < len; j++) {
            char c = name[j];
            if (c >= 'A' && c <= 'Z') c = (char)(c + 32);
            if (c != h->name.ptr[j]) break;
        }
        if (j == len) return h->value;
    }
    return none;
}

/* "127.0.0.1:8000", "[::1]:8000" -> one half of it, brackets removed. */
static inline csgi_str csgi_address_half(csgi_str address, int port) {
    csgi_str host = address, number = { NULL, 0 };
    size_t   i = address.len;
    while (i > 0 && address.ptr[i - 1] != ':' && address.ptr[i - 1] != ']') i--;
    if (i > 0 && address.ptr[i - 1] == ':') {
        number.ptr = address.ptr + i;
        number.len = address.len - i;
        host.len = i - 1;
    }
    if (host.len >= 2 && host.ptr[0] == '[') {
        host.ptr++;
        host.len -= 2;
    }
    return port ? number : host;
}

/* The request as WSGI's dictionary: CGI and WSGI names, HTTP_* for headers, "Method" as the course
 * has it, and the variables of the route rule.  { NULL, 0 } if there is no such entry.  Headers
 * whose names hold '_' are not to be had this way, nor is Proxy (httpoxy). */
static inline csgi_str csgi_get(const csgi_env *env, const char *name) {
    csgi_str none = { NULL, 0 };
    size_t   i;
    if (!strcmp(name, "REQUEST_METHOD") || !strcmp(name, "Method")) return env->method;
    if (!strcmp(name, "SCRIPT_NAME")) return env->mount;
    if (!strcmp(name, "PATH_INFO")) return env->path;
    if (!strcmp(name, "QUERY_STRING")) return env->query;
    if (!strcmp(name, "REQUEST_URI")) return env->target;
    if (!strcmp(name, "wsgi.url_scheme")) return env->scheme;
    if (!strcmp(name, "CONTENT_TYPE")) return csgi_get_header(env, "content-type");
    if (!strcmp(name, "CONTENT_LENGTH")) return csgi_get_header(env, "content-length");
    if (!strcmp(name, "SERVER_NAME")) return csgi_address_half(env->local, 0);
    if (!strcmp(name, "SERVER_PORT")) return csgi_address_half(env->local, 1);
    if (!strcmp(name, "REMOTE_ADDR")) return csgi_address_half(env->remote, 0);
    if (!strcmp(name, "REMOTE_PORT")) return csgi_address_half(env->remote, 1);
    if (!strcmp(name, "SERVER_PROTOCOL")) {
        csgi_str h10 = CSGI_S("HTTP/1.0"), h11 = CSGI_S("HTTP/1.1"), h20 = CSGI_S("HTTP/2"),
                 h30 = CSGI_S("HTTP/3");
        return env->http_version == 10 ? h10 : env->http_version == 11 ? h11
             : env->http_version == 20 ? h20 : h30;
    }
    if (!strcmp(name, "HTTP_HOST")) return env->authority;
    if (!strcmp(name, "HTTP_PROXY")) return none;
    if (!strncmp(name, "HTTP_", 5)) {
        for (i = 0; i < env->header_count; i++) {
            const csgi_header *h = &env->headers[i];
            if (memchr(h->name.ptr, '_', h->name.len)) continue;
            if (csgi_same_name(h->name.ptr, h->name.len, name + 5)) return h->value;
        }
        return none;
    }
    if (CSGI_HAS(env, variable_count))
        for (i = 0; i < env->variable_count; i++) {
            const csgi_header *v = &env->variables[i];
            if (strlen(name) == v->name.len && !memcmp(name, v->name.ptr, v->name.len))
                return v->value;
        }
    return none;
}

/* ---- What a plugin exports; the first two are required ---------------------------------------- */

extern CSGI_EXPORT const csgi_manifest csgi_plugin;
CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response);
/* CSGI_OK, or log() why and return CSGI_ERROR: the plugin is not served then.       [load] */
CSGI_EXPORT int32_t csgi_init(const csgi_host *host);
/* Before the process ends; the library stays mapped.                                [load] */
CSGI_EXPORT void csgi_exit(void);
/* Interfaces of the plugin that a host may look for, or NULL.                        [any] */
CSGI_EXPORT const void *csgi_extension(const char *id);

#ifdef __cplusplus
}
#define CSGI_ASSERT(condition, text) static_assert(condition, text)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define CSGI_ASSERT(condition, text) _Static_assert(condition, text)
#else
#define CSGI_ASSERT(condition, text) extern int csgi_assert_[(condition) ? 1 : -1]
#endif

CSGI_ASSERT(sizeof(csgi_str) == 16 && sizeof(csgi_header) == 32, "csgi_str");
CSGI_ASSERT(sizeof(csgi_manifest) == 64, "csgi_manifest");
CSGI_ASSERT(sizeof(csgi_env) == 208 && offsetof(csgi_env, headers) == 168, "csgi_env");
CSGI_ASSERT(sizeof(csgi_body) == 24 && offsetof(csgi_body, next) == 8, "csgi_body");
CSGI_ASSERT(sizeof(csgi_host) == 88 && offsetof(csgi_host, read) == 40, "csgi_host");
CSGI_ASSERT(sizeof(csgi_language_1) == 48 && offsetof(csgi_language_1, load) == 32, "csgi_language_1");

#endif
