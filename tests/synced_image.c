/* A disk that forgets: preloaded, it keeps beside each file under IMAGE_OF a copy under IMAGE_AT of what the
 * file held when it was last synced, and nothing newer. After `kill -9` the copies are what a power cut
 * would have left. A file that was never synced has no copy; one that was removed keeps its last.
 *
 * SQLite syncs a file while it holds the lock that lets it write there, and so nobody writes to it between
 * the sync and the copy. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void give_up(const char *what) {
    perror(what);
    _exit(86); /* an image that is not whole would prove nothing */
}

/* Only what differs is written: most of a large file was kept by the sync before. */
static void copy(int from, int to, off_t size) {
    static char is[PIECE], was[PIECE];
    for (off_t at = 0; at < size; at += PIECE) {
        ssize_t got = pread(from, is, PIECE, at);
        if (got < 0) give_up("synced_image: read");
        if (got == 0) break;
        if (pread(to, was, got, at) == got && memcmp(is, was, got) == 0) continue;
        if (pwrite(to, is, got, at) != got) give_up("synced_image: write");
    }
    if (ftruncate(to, size) != 0) give_up("synced_image: truncate");
}

static void keep(int fd) {
    const char *of = getenv("IMAGE_OF"), *at = getenv("IMAGE_AT");
    char proc[64], path[PATH_MAX], image[2 * PATH_MAX];
    struct stat found;
    if (!of || !at || fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(proc, path, sizeof path - 1);
    if (length < 0) give_up("synced_image: readlink");
    path[length] = 0;
    if (strncmp(path, of, strlen(of)) != 0 || path[strlen(of)] != '/') return;
    snprintf(image, sizeof image, "%s%s", at, path + strlen(of));
    pthread_mutex_lock(&one_at_a_time);
    /* Read through the descriptor at hand: closing another one of the file would drop SQLite's locks on it. */
    int to = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0) give_up("synced_image: open");
    copy(fd, to, found.st_size);
    close(to);
    pthread_mutex_unlock(&one_at_a_time);
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int failed = real(fd);
    if (!failed) keep(fd);
    return failed;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
