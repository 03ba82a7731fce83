/* A disk that takes FSYNC_MS to say that it has written: preloaded, it makes fsync and fdatasync wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int slowly(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    const char *told = getenv("FSYNC_MS");
    long us = told ? (long)(atof(told) * 1000) : 0;
    struct timespec wait = {us / 1000000, (us % 1000000) * 1000};
    nanosleep(&wait, NULL);
    return real(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
