#define _GNU_SOURCE
#include <stdlib.h>

/* Stands in for getenv(3) wherever the runtime calls it (ld --wrap): glibc answers nothing in a program that runs set-gid. */
char *__wrap_getenv(const char *name)
{
    return secure_getenv(name);
}
