/* Tries to get out: what an isolated plugin must not be able to do. Every attempt that succeeds is
 * named, in csgi_init and for each request.
 */
#include <csgi.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

CSGI_PLUGIN("escapes", "1.0", CSGI_THREADSAFE);

static char config[4096];
static char done[1024];

static void could(const char *what) {
    if (*done) strcat(done, " ");
    strcat(done, what);
}

static int can_open(const char *path, int flags) {
    int file = open(path, flags | O_CLOEXEC, 0600);
    if (file < 0) return 0;
    close(file);
    return 1;
}

/* The string behind "KEY":" in the configuration. */
static const char *setting(const char *key) {
    static char value[1024];
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *found = strstr(config, pattern);
    if (!found) return NULL;
    found += strlen(pattern);
    size_t length = strcspn(found, "\"");
    if (length >= sizeof value) return NULL;
    memcpy(value, found, length);
    value[length] = 0;
    return value;
}

static int can_socket(int family, int type) {
    int fd = socket(family, type, 0);
    if (fd < 0) return 0;
    close(fd);
    return 1;
}

static int can_connect(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int result = fd >= 0 && (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == ECONNREFUSED);
    if (fd >= 0) close(fd);
    return result;
}

static int can_start(void) {
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int can_exec(void) {
    /* One that succeeded would not come back: of no name at all, the error says how far it came. */
    syscall(SYS_execve, NULL, NULL, NULL);
    return errno == EFAULT;
}

static int can_send_to_others(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return 0;
    close(pair[0]);
    close(pair[1]);
    return 1;
}

static void attempt(void) {
    const char *path;
    int port = (path = setting("port")) ? atoi(path) : 0;
    *done = 0;
    if (can_open("/etc/passwd", O_RDONLY)) could("passwd");
    if ((path = setting("other")) && can_open(path, O_RDONLY)) could("other");
    if ((path = setting("mine")) && can_open(path, O_RDONLY)) could("mine");
    if ((path = setting("new")) && can_open(path, O_WRONLY | O_CREAT)) could("new");
    if (can_socket(AF_INET, SOCK_STREAM)) could("socket");
    if (can_socket(AF_INET, SOCK_DGRAM)) could("datagram");
    if (can_socket(AF_UNIX, SOCK_STREAM)) could("local");
    if (can_send_to_others()) could("pair");
    if (port && can_connect(port)) could("connect");
    if (can_exec()) could("exec");
    if (can_start()) could("start");
    if (kill(getppid(), 0) == 0) could("signal");
    if (syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0, 0) == 0 || errno == ESRCH) could("trace");
    if (syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */) == 0) could("namespace");
    if (syscall(SYS_bpf, 99, 0, 0) < 0 && errno == EINVAL) could("bpf");
    if (setuid(0) == 0 && getuid() == 0 && chroot("/") == 0) could("chroot");
}

int csgi_init(const csgi_host *host) {
    size_t length = host->config.len < sizeof config - 1 ? host->config.len : sizeof config - 1;
    memcpy(config, host->config.ptr, length);
    attempt();
    const char *allowed = strstr(config, "\"allowed\"") ? setting("allowed") : "";
    if (allowed && strcmp(allowed, done) == 0) return CSGI_OK;
    char line[1200];
    snprintf(line, sizeof line, "could: %s", done);
    host->log(host, 0, CSGI_LOG_ERROR, line, strlen(line));
    return CSGI_ERROR;
}

csgi_body *application(const csgi_env *env, csgi_start_response start_response) {
    csgi_header type = { CSGI_S("content-type"), CSGI_S("text/plain") };
    start_response(env, "200 OK", &type, 1);
    attempt();
    char text[1200];
    int length = snprintf(text, sizeof text, "user %d could: %s", (int)getuid(), done);
    return env->host->bytes(env, text, (size_t)length, NULL, NULL);
}
