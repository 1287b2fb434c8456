/* Writes to what it is only lent: cuts the query at its first `&`, moves the path on. */
#include <csgi.h>
#include <string.h>

CSGI_PLUGIN("zoo", "1", CSGI_THREADSAFE | CSGI_NONBLOCKING);

CSGI_EXPORT csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    char seen[200] = "";
    strncat(seen, env->path.ptr, env->path.len);
    strcat(seen, "?");
    strncat(seen, env->query.ptr, env->query.len);
    char *cut = memchr(env->query.ptr, '&', env->query.len);
    if (cut)
        *cut = '\0';
    ((csgi_env *)env)->path.len = 1;
    start_response(env, "200 OK", NULL, 0);
    return env->host->bytes(env, seen, strlen(seen), NULL, NULL);
}
