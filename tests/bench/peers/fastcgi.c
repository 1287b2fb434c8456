/* A FastCGI application behind nginx: gives a body back, or 64 KiB in parts of 1 KiB. */
#include <fcgi_stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    static char part[1024] = { 'x' };
    static char body[2 << 20];
    while (FCGI_Accept() >= 0) {
        const char *length = getenv("CONTENT_LENGTH");
        size_t size = length ? (size_t)atol(length) : 0;
        printf("Content-Type: text/plain\r\n\r\n");
        if (size == 0 || size > sizeof body) {
            for (int i = 0; i < 64; i++) {
                fwrite(part, 1, sizeof part, stdout);
                fflush(stdout);
            }
            continue;
        }
        size = fread(body, 1, size, stdin);
        fwrite(body, 1, size, stdout);
    }
    return 0;
}
