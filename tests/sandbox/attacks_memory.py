"""Attacks on memory and native code: machine code, shared memory, more than the limit. Time, too."""

from __future__ import annotations

from attack_types import attacks

_MAP = "m = use('mmap')\n"
_ADVISE = (  # on two new pages
    _MAP + "a = m.mmap(-1, 8192, flags=0x22); at = ctypes.addressof(ctypes.c_char.from_buffer(a))\n"
    "return libc.madvise(ctypes.c_void_p(at), 8192, {}) == 0"
)
_FOUND = (  # shared memory of the host's start whose descriptors are still open
    "found = []\n"
    "for fd in range(3, 1024):\n"
    "    p = ctypes.create_string_buffer(200)\n"
    "    if libc.readlink(b'/proc/self/fd/%d' % fd, p, 199) > 0 and b'memfd:rewardsmith' in p.value: found.append(fd)\n"
)

ATTACKS = [
    *attacks(
        "seccomp",
        {
            "executable memory": _MAP + "return m.mmap(-1, 4096, prot=7)",
            "memory that is only executable": _MAP + "return m.mmap(-1, 4096, prot=4)",
            "run machine code": (
                _MAP + "a = m.mmap(-1, 4096, prot=7); a.write(b'\\xb8\\x2a\\0\\0\\0\\xc3')\n"
                "at = ctypes.addressof(ctypes.c_char.from_buffer(a))\n"
                "f = ctypes.PYFUNCTYPE(ctypes.c_int)(at); return f() == 42"
            ),
            "make memory executable": (
                _MAP + "a = m.mmap(-1, 4096); at = ctypes.addressof(ctypes.c_char.from_buffer(a))\n"
                "return libc.mprotect(ctypes.c_void_p(at), 4096, 5) == 0"
            ),
            "make the interpreter writable": (
                "at = ctypes.cast(ctypes.pythonapi.Py_IncRef, ctypes.c_void_p).value & ~4095\n"
                "return libc.mprotect(ctypes.c_void_p(at), 4096, 5) == 0"
            ),
            "read by a native function": ("b = ctypes.create_string_buffer(9)\nreturn libc.pread(2, b, 1, 0) >= 0"),
            "memory by a descriptor": (
                "fd = libc.memfd_create(b'x', 0); libc.ftruncate(fd, 4096)\nif fd < 0: return False\n"
                + _MAP
                + "return m.mmap(fd, 4096)"
            ),
            "sleep": "use('time').sleep(0.01); return True",
            "sleep by select": "use('select').select([], [], [], 0.01); return True",
            "give the processor away": "return libc.sched_yield() == 0",
            "time used by another process": "return use('time').clock_gettime((~{pid} << 3) | 2) >= 0",
            "have memory paged out": _ADVISE.format(21),
            "have memory made cold": _ADVISE.format(20),
            "leave memory out of dumps": _ADVISE.format(16),
            "wipe memory on fork": _ADVISE.format(18),
            "read ahead": _ADVISE.format(3),
            "bind memory": "return libc.syscall(237, 0, 0, 0, 0, 0, 0) == 0 or ctypes.get_errno() == 38",
        },
    ),
    *attacks(
        "seccomp landlock",
        {
            "load a library": "return ctypes.CDLL('libBrokenLocale.so.1') or True",
            "load an extension module": "return use('_sqlite3') if 'x' == 'y' else use('_lsprof')",
            "shared memory by name": "return libc.shm_open(b'/{unix}', 0o102, 0o600) >= 0",
            "shared memory of multiprocessing": (
                "s = use('multiprocessing.shared_memory').shared_memory.SharedMemory(create=True, size=8)\n"
                "s.unlink(); return True"
            ),
            "a semaphore by name": "return (libc.sem_open(b'/{unix}', 0o100, 0o600, 1) or -1) != 0 and "
            "os.path.exists('/dev/shm/sem.{unix}')",
        },
    ),
    *attacks(
        "seccomp namespaces uid",
        {"the trainer's System V memory": "return libc.shmget({shm}, 0, 0o600) >= 0"},
        kills=True,
    ),
    *attacks(
        "seccomp namespaces",
        {"open System V memory": "return libc.shmget({shmopen}, 0, 0o600) >= 0"},
        kills=True,
    ),
    *attacks(
        "seccomp",
        {
            "own System V memory": "i = libc.shmget(0, 4096, 0o600); return i >= 0 and libc.shmctl(i, 0, 0) == 0",
            "System V semaphore": "i = libc.semget(0, 1, 0o600); return i >= 0 and libc.semctl(i, 0, 0) == 0",
            "System V messages": "i = libc.msgget(0, 0o600); return i >= 0 and libc.msgctl(i, 0, 0) == 0",
            "page faults of its own": "return libc.syscall(323, 1) >= 0 or ctypes.get_errno() == 38",
            "protection keys": "return libc.pkey_alloc(0, 0) >= 0 or ctypes.get_errno() in (22, 28, 38)",
            "secret memory": "return libc.syscall(447, 0) >= 0 or ctypes.get_errno() in (38, 95)",
            "alarm": "return libc.alarm(0) == 0",
            "interval timer": "return use('signal').setitimer(2, 0) is not None",
            "timer descriptor": "return libc.timerfd_create(1, 0) >= 0",
            "wait for a signal": "return libc.syscall(127, (ctypes.c_ulong * 1)(), 8) == 0",
            "processor time of its children": "return use('resource').getrusage(-1) is not None",
            "times": "return os.times() is not None",
            "load of the machine": "return libc.sysinfo((ctypes.c_char * 128)()) == 0 and libc.syscall(100, 0) > 0",
        },
        kills=True,
    ),
    *attacks(
        "seccomp capabilities uid",
        {
            "set the clock": "t = use('time'); return libc.syscall(159, (ctypes.c_char * 208)()) >= 0 and "
            "libc.syscall(305, 0, (ctypes.c_char * 208)(1)) >= 0"
        },
        kills=True,
    ),
    *attacks(
        "seccomp",
        {
            "lock memory": "a = (ctypes.c_char * 65536)(); return libc.mlock(a, 4096) == 0",
        },
        kills=True,
    ),
    *attacks(
        "seccomp descriptors seals",
        {
            "shrink the shared memory": _FOUND
            + "return any(libc.ftruncate(fd, 4096) == 0 and libc.ftruncate(fd, 1 << 20) == 0 for fd in found)",
            "grow the shared memory": _FOUND + "return any(libc.ftruncate(fd, 1 << 24) == 0 for fd in found)",
            "seal the shared memory": _FOUND + "return any(libc.fcntl(fd, 1033, 1) == 0 for fd in found)",
            "map the input for writing": _FOUND + "libc.mmap.restype = ctypes.c_void_p\n"
            "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_ulong, *[ctypes.c_int] * 3, ctypes.c_long]\n"
            "return libc.mmap(None, 4096, 3, 1, found[0], 0) not in (None, 2 ** 64 - 1)",
            "write the input by its descriptor": _FOUND + "return libc.pwrite(found[0], b'x', 1, 0) == 1",
        },
        alone=True,
    ),
    *attacks(
        "rlimits",
        {
            "more memory than its limit": "return len(real.bytearray(300 << 20)) > 0",
            "memory in small pieces": "x = [real.bytearray(1 << 20) for _ in range(300)]; return len(x) == 300",
            "memory of numpy": "return sys.modules['numpy'].empty(300 << 20, 'u1').size > 0",
            "memory by mmap": _MAP + "return len(m.mmap(-1, 300 << 20)) > 0",
            "a long list": "return len([0] * (40 << 20)) > 0",
            "a long text": "return len('x' * (300 << 20)) > 0",
            "a huge integer": "return (1 << (300 << 23)).bit_length() > 0",
        },
        alone=True,
    ),
    *attacks(
        "seccomp landlock rlimits",
        {"use up descriptors": "return len([os.open('/dev/null', 0) for _ in range(64)]) == 64"},
        alone=True,
    ),
    *attacks(
        "seccomp landlock rlimits",
        {
            "fill a disk": "return os.write(os.open('{tmp}/big', os.O_WRONLY | os.O_CREAT), b'x' * 4096) == 4096",
        },
        alone=True,
    ),
]
