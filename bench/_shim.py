"""A clock that jumps and a disk that is slow, for the processes that are told so: a small library loaded before others.

Works where there is a C compiler (cc) and the dynamic linker knows LD_PRELOAD.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

HEAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
static long none[2];
static volatile long *page = none;
__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("SOC_BENCH_SHIM");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(0, 16, PROT_READ, MAP_SHARED, file, 0);
    if (found != MAP_FAILED) page = found;
    close(file);
}
"""
CLOCK = r"""
int clock_gettime(clockid_t id, struct timespec *at) {
    int code = (int)syscall(SYS_clock_gettime, id, at);
    if (!code && id == CLOCK_REALTIME) at->tv_sec += page[0];
    return code;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
int timespec_get(struct timespec *at, int base) { return clock_gettime(CLOCK_REALTIME, at) ? 0 : base; }
// Waits until a moment of the clock: the kernel knows of no jump.
static struct timespec kernels(const struct timespec *at) {
    struct timespec own = *at;
    own.tv_sec -= page[0];
    return own;
}
int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *at) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec own = kernels(at);
    return real(cond, lock, &own);
}
int cnd_timedwait(cnd_t *cond, mtx_t *lock, const struct timespec *at) {
    static int (*real)(cnd_t *, mtx_t *, const struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "cnd_timedwait");
    struct timespec own = kernels(at);
    return real(cond, lock, &own);
}
"""
DISK = r"""
static void wait_for_disk(void) { if (page[1] > 0) usleep((useconds_t)page[1]); }
int fsync(int file) { wait_for_disk(); return (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { wait_for_disk(); return (int)syscall(SYS_fdatasync, file); }
"""


class Shim:
    """Set `jump` (seconds) and `slow` (seconds a sync takes longer) at any time; `environment` is for the processes.

    Without `jumps` the clock is left alone: for servers, which are none of ours.
    """

    def __init__(self, folder: Path, jumps: bool = True) -> None:
        self.environment: dict[str, str] = {}
        folder.mkdir(mode=0o755, exist_ok=True)
        self._page = folder / "shim.page"
        self._page.write_bytes(bytes(16))
        with self._page.open("r+b") as handle:
            self._map = mmap.mmap(handle.fileno(), 16)
        compiler = shutil.which("cc")
        if compiler is None:
            return
        (folder / "shim.c").write_text(HEAD + (CLOCK if jumps else "") + DISK)
        library = folder / "shim.so"
        done = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(folder / "shim.c"), "-ldl"])
        if done.returncode == 0:
            self.environment = {"LD_PRELOAD": str(library), "SOC_BENCH_SHIM": str(self._page)}

    @property
    def works(self) -> bool:
        return bool(self.environment)

    def set(self, jump: int, slow: float) -> None:
        self._map[:] = struct.pack("=qq", jump, int(slow * 1e6))
