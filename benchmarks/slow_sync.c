/* Makes the disk slower for the program it is preloaded into: each fsync and fdatasync takes
 * SLOW_SYNC_MICROSECONDS longer. It sleeps, as a program does that waits for a disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <time.h>

#ifndef SLOW_SYNC_MICROSECONDS
#define SLOW_SYNC_MICROSECONDS 1500
#endif

typedef int (*sync_function)(int);

static int sync_slowly(sync_function really_sync, int file) {
    struct timespec left = {.tv_nsec = SLOW_SYNC_MICROSECONDS * 1000L};
    int result = really_sync(file);
    int saved = errno;
    while (nanosleep(&left, &left) != 0) {
    }
    errno = saved;
    return result;
}

int fsync(int file) {
    return sync_slowly((sync_function)dlsym(RTLD_NEXT, "fsync"), file);
}

int fdatasync(int file) {
    return sync_slowly((sync_function)dlsym(RTLD_NEXT, "fdatasync"), file);
}
