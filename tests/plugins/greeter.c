/* A language plugin: NAME.greet is an application that answers with its own text, and so is a folder
 * with a file main.greet. A first line `group NAME` sets the group, `refuse REASON` is an error,
 * `loop` never ends, `crash` crashes. A request with a query is answered with the fields as they came.
 */
#include <csgi.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

CSGI_PLUGIN("greeter", "1.0", CSGI_THREADSAFE);

typedef struct application_state {
    const csgi_host *host;
    char             text[256];
    char             group[64];
} application_state;

static application_state applications[16];
static int               count, init_count;

CSGI_EXPORT int32_t csgi_init(const csgi_host *host) {
    (void)host;
    init_count++;
    return CSGI_OK;
}

static int read_file(csgi_str copy, char *text, size_t room) {
    char path[4096];
    FILE *file;
    size_t length;
    snprintf(path, sizeof path, "%.*s", (int)copy.len, copy.ptr);
    if (access(path, F_OK) == 0) {
        strncat(path, "/main.greet", sizeof path - strlen(path) - 1);
        if (access(path, F_OK) != 0) path[strlen(path) - strlen("/main.greet")] = 0;
    }
    file = fopen(path, "r");
    if (!file) return 0;
    length = fread(text, 1, room - 1, file);
    text[length] = 0;
    fclose(file);
    return 1;
}

static int32_t load(const csgi_host *host, csgi_str file, csgi_str copy, csgi_str *group) {
    application_state *state = &applications[count];
    (void)file;
    if (count == 16 || !read_file(copy, state->text, sizeof state->text)) return CSGI_ERROR;
    if (!strncmp(state->text, "refuse ", 7)) {
        host->log(host, 0, CSGI_LOG_ERROR, state->text, strlen(state->text));
        return CSGI_ERROR;
    }
    if (!strncmp(state->text, "crash", 5)) *(volatile int *)0 = 1;
    if (!strncmp(state->text, "loop", 4)) for (;;) pause();
    if (sscanf(state->text, "group %63s", state->group) == 1) {
        group->ptr = state->group;
        group->len = strlen(state->group);
    }
    state->host = host;
    count++;
    return CSGI_OK;
}

static void unload(const csgi_host *host) {
    host->log(host, 0, CSGI_LOG_INFO, "unloaded", 8);
}

static const csgi_str        folder_files[] = { CSGI_S("main.greet") };
static const csgi_language_1 language = { CSGI_S(".greet"), folder_files, 1, load, unload };

CSGI_EXPORT const void *csgi_extension(const char *id) {
    return strcmp(id, CSGI_LANGUAGE_1) ? NULL : &language;
}

static csgi_body *told(const csgi_env *env) {
    char   answer[1024];
    size_t length = 0, i;
    for (i = 0; i < env->header_count && length < sizeof answer; i++)
        length += (size_t)snprintf(answer + length, sizeof answer - length, "%.*s: %.*s\n",
                                   (int)env->headers[i].name.len, env->headers[i].name.ptr,
                                   (int)env->headers[i].value.len, env->headers[i].value.ptr);
    return env->host->bytes(env, answer, length < sizeof answer ? length : sizeof answer, NULL, NULL);
}

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    const csgi_process_1 *process = env->host->extension(env->host, CSGI_PROCESS_1);
    csgi_header fields[] = { { CSGI_S("content-type"), CSGI_S("text/plain") },
                             { CSGI_S("x-process"), { NULL, 0 } } };
    csgi_str    file = csgi_get(env, "SCRIPT_FILENAME");
    char        answer[1024], pid[16];
    int         i, length;
    for (i = 0; i < count && applications[i].host != env->host; i++) {}
    fields[1].value.ptr = pid;
    fields[1].value.len = (size_t)snprintf(pid, sizeof pid, "%d", (int)getpid());
    start_response(env, i < count ? "200 OK" : "404 Not Found", fields, 2);
    if (env->query.len) return told(env);
    length = snprintf(answer, sizeof answer, "%.*s|%.*s|%s|%.*s|init %d|%u x %u",
                      (int)env->host->name.len, env->host->name.ptr, (int)file.len, file.ptr,
                      i < count ? applications[i].text : "", (int)env->host->config.len,
                      env->host->config.ptr, init_count, process ? process->processes : 0,
                      process ? process->threads : 0);
    return env->host->bytes(env, answer, (size_t)length, NULL, NULL);
}
