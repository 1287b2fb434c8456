/* The least that a server can do: one epoll, one thread, a fixed answer for every request. It does
 * not look at what it is sent beyond counting the ends of heads, so what it costs is what the kernel
 * costs; every other server is measured against it.
 *
 *   bare PORT [edge]     level-triggered as the manual's example is, or edge-triggered
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\nhello, bare loop ...\n"
enum { ANSWER_SIZE = sizeof ANSWER - 2, EVENTS = 64, PIPELINED = 64 };

static char answers[ANSWER_SIZE * PIPELINED];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int listen_on(int port) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1024))
        fail("cannot listen");
    return fd;
}

/* One read and one write, as long as heads are not split: load generators do not split them. */
static void serve(int fd) {
    char buffer[16384];
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length <= 0) {
        if (length == 0 || (errno != EAGAIN && errno != EINTR))
            close(fd);
        return;
    }
    size_t heads = 0;
    char *end = buffer + length;
    for (char *at = buffer; (at = memmem(at, end - at, "\r\n\r\n", 4)); at += 4)
        heads++;
    if (heads > PIPELINED || write(fd, answers, heads * ANSWER_SIZE) < 0)
        close(fd);
}

int main(int argc, char **argv) {
    if (argc < 2)
        return fprintf(stderr, "usage: bare PORT [edge]\n"), 2;
    unsigned mode = argc > 2 && !strcmp(argv[2], "edge") ? EPOLLET : 0;
    for (int i = 0; i < PIPELINED; i++)
        memcpy(answers + i * ANSWER_SIZE, ANSWER, ANSWER_SIZE);
    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0), one = 1;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener };
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
        fail("cannot watch the listener");
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                serve(events[i].data.fd);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event = (struct epoll_event){ .events = EPOLLIN | EPOLLRDHUP | mode, .data.fd = fd };
            if (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
                close(fd);
        }
    }
}
