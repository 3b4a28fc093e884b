/* A disk that fails, or a process that dies, at the n-th step towards the disk.
 *
 * Preloaded into a process of test_audit_disk.py. Between fault_arm and fault_disarm the steps are
 * counted; the chosen one fails with the chosen error, or kills the process if that is 0.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

static volatile int armed, syncs_only, chosen, error_number, seen;

void fault_arm(int step, int error, int only_syncs) {
    seen = 0, chosen = step, error_number = error, syncs_only = only_syncs, armed = 1;
}

int fault_disarm(void) {
    armed = 0;
    return seen;
}

static int strikes(int is_sync) {
    if (!armed || (syncs_only && !is_sync) || __sync_add_and_fetch(&seen, 1) != chosen)
        return 0;
    if (error_number == 0)
        kill(getpid(), SIGKILL);
    errno = error_number;
    return 1;
}

#define STEP(type, name, parameters, arguments, is_sync)                                          \
    type name parameters {                                                                        \
        static type(*real) parameters;                                                            \
        if (!real)                                                                                \
            real = dlsym(RTLD_NEXT, #name);                                                       \
        return strikes(is_sync) ? -1 : real arguments;                                            \
    }

STEP(int, fsync, (int fd), (fd), 1)
STEP(int, fdatasync, (int fd), (fd), 1)
STEP(int, rename, (const char *from, const char *to), (from, to), 1)
STEP(int, ftruncate, (int fd, off_t size), (fd, size), 0)
STEP(int, ftruncate64, (int fd, off64_t size), (fd, size), 0)
STEP(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), 0)
STEP(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), 0)
STEP(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), 0)
