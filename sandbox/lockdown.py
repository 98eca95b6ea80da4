"""Locks down the calling process permanently, with Linux system calls through ctypes.

The order of the layers in `apply` matters: unshare before the change of uid would leave uid 0 outside, the change of
uid clears the parent-death signal, Landlock and seccomp need no_new_privs, and seccomp forbids all later system calls.
Each layer reports whether the kernel accepted it; selftest.py observes whether it is in force.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Callable

LAYERS = (
    "rlimits",
    "uid",
    "namespaces",
    "capabilities",
    "pdeathsig",
    "dumpable",
    "no_new_privs",
    "landlock",
    "seccomp",
)

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
# Allowed with any arguments. The filter checks the arguments of the calls in CHECKED.
_ALLOWED = {
    _X86_64: {
        "munmap": 11, "brk": 12, "mremap": 25, "futex": 202, "exit_group": 231,
        "getrandom": 318,
    },
    _AARCH64: {
        "munmap": 215, "brk": 214, "mremap": 216, "futex": 98, "exit_group": 94,
        "getrandom": 278,
    },
}  # fmt: skip
CHECKED = {
    _X86_64: {"read": 0, "write": 1, "mmap": 9, "madvise": 28},
    _AARCH64: {"read": 63, "write": 64, "mmap": 222, "madvise": 233},
}
# Refused with EPERM instead of a kill, so that a wrong import or file access gives a readable error. Any call that is
# in none of the tables kills the process.
REFUSED = {
    _X86_64: {
        "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mprotect": 10,
        "rt_sigaction": 13, "rt_sigprocmask": 14, "ioctl": 16, "pread64": 17, "writev": 20, "access": 21,
        "pipe": 22, "select": 23, "sched_yield": 24, "dup": 32, "dup2": 33, "nanosleep": 35, "getpid": 39,
        "socket": 41, "connect": 42, "sendto": 44, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56,
        "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "uname": 63, "fcntl": 72, "ftruncate": 77,
        "getcwd": 79, "chdir": 80, "rename": 82, "mkdir": 83, "rmdir": 84, "unlink": 87, "symlink": 88,
        "readlink": 89, "chmod": 90, "gettimeofday": 96, "sysinfo": 99, "getuid": 102, "ptrace": 101,
        "getppid": 110, "getgid": 104, "geteuid": 107, "getegid": 108, "setpgid": 109, "setsid": 112,
        "prctl": 157, "gettid": 186, "time": 201, "tkill": 200, "sched_getaffinity": 204, "getdents64": 217,
        "clock_gettime": 228, "clock_nanosleep": 230, "tgkill": 234, "mbind": 237, "openat": 257,
        "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "readlinkat": 267, "faccessat": 269, "pipe2": 293,
        "prlimit64": 302, "process_vm_readv": 310, "process_vm_writev": 311, "memfd_create": 319,
        "execveat": 322, "statx": 332, "pidfd_open": 434, "clone3": 435, "openat2": 437, "faccessat2": 439,
    },
    _AARCH64: {
        "openat": 56, "close": 57, "newfstatat": 79, "fstat": 80, "lseek": 62, "mprotect": 226,
        "rt_sigaction": 134, "rt_sigprocmask": 135, "ioctl": 29, "pread64": 67, "writev": 66, "faccessat": 48,
        "pipe2": 59, "dup": 23, "dup3": 24, "fcntl": 25, "sched_yield": 124, "nanosleep": 101, "getpid": 172,
        "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "connect": 203, "sendto": 206,
        "clone": 220, "execve": 221, "kill": 129, "uname": 160, "ftruncate": 46, "getcwd": 17, "chdir": 49,
        "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "readlinkat": 78, "gettimeofday": 169, "sysinfo": 179,
        "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "ptrace": 117, "getppid": 173,
        "setpgid": 154, "setsid": 157, "prctl": 167, "gettid": 178, "tkill": 130, "tgkill": 131,
        "sched_getaffinity": 123, "getdents64": 61, "clock_gettime": 113, "clock_nanosleep": 115,
        "mbind": 235, "prlimit64": 261, "process_vm_readv": 270, "process_vm_writev": 271,
        "memfd_create": 279, "execveat": 281, "statx": 291, "pidfd_open": 434, "clone3": 435, "openat2": 437,
        "faccessat2": 439, "renameat2": 276, "ppoll": 73,
    },
}  # fmt: skip
# The madvise advice of the C library and numpy: DONTNEED and FREE return memory, numpy uses HUGEPAGE for large arrays.
ADVICE = (4, 8, 14)
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446  # the same on both machines
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = (
    1,
    4,
    22,
    24,
    38,
)
_NEW_USER, _NEW_NET, _NEW_IPC, _NEW_UTS, _NEW_NS = 0x10000000, 0x40000000, 0x08000000, 0x04000000, 0x00020000

_libc = ctypes.CDLL(None, use_errno=True)
if sys.platform.startswith("linux"):
    _libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    _libc.syscall.restype = ctypes.c_long


def machine() -> int:
    """Return the audit number of this machine's system call table; 0 if there is no table for it."""
    if not sys.platform.startswith("linux"):
        return 0
    return {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), 0)


def syscall(number: int, *arguments: int) -> int:
    """Make one raw system call and return its result. Raises OSError if the call fails."""
    result = _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) for a in arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl_value(name: str) -> int:
    """Return the kernel's value of "dumpable" or "no_new_privs"; -1 if it is not available."""
    return _libc.prctl({"dumpable": 3, "no_new_privs": 39}[name], 0, 0, 0, 0)


def raw_unshare_mounts() -> None:
    """Make a system call that needs a capability. Raises OSError if the process has none."""
    if _libc.unshare(_NEW_NS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def apply(
    memory_mb: int,
    cpu_seconds: int,
    watch_parent: bool,
    without: frozenset[str],
    before_seccomp: Callable[[], None],
) -> dict[str, str]:
    """Lock down this process.

    Args:
        memory_mb: Address space that the process may use in addition.
        cpu_seconds: Processor time that it may use in its whole life.
        watch_parent: Whether to die with the thread that started this process. This must be the parent's main thread.
        without: Layers to omit, for tests.
        before_seccomp: Called while system calls still work.

    Returns:
        For each layer "", or the kernel's reason for refusing it.
    """
    steps: dict[str, Callable[[], None]] = {
        "rlimits": lambda: _limit_resources(memory_mb, cpu_seconds),
        "uid": _drop_uid,
        "namespaces": _unshare,
        "capabilities": _drop_capabilities,
        "pdeathsig": lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL if watch_parent else 0),
        "dumpable": lambda: _prctl(_PR_SET_DUMPABLE, 0),
        "no_new_privs": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "landlock": _landlock,
    }
    outcome = {name: _attempt(step, name in without) for name, step in steps.items()}
    before_seccomp()
    outcome["seccomp"] = _attempt(_seccomp, "seccomp" in without)
    return outcome


def _attempt(step: Callable[[], None], skipped: bool) -> str:
    if skipped:
        return "switched off"
    try:
        step()
    except (OSError, ValueError, NotImplementedError) as problem:
        return str(problem) or type(problem).__name__
    return ""


def _limit_resources(memory_mb: int, cpu_seconds: int) -> None:
    limits = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_NOFILE": 16,
    }
    for name, value in limits.items():
        if hasattr(resource, name):
            resource.setrlimit(getattr(resource, name), (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    if sys.platform.startswith("linux"):
        with open("/proc/self/statm") as statm:  # noqa: PTH123
            used = int(statm.read().split()[0]) * resource.getpagesize()
        ceiling = used + memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))


def _drop_uid() -> None:
    if os.geteuid() != 0:
        return
    # While still root: outside a new user namespace only root may shrink the bounding set.
    _drop_bounding_set()
    os.setgroups([])
    # One uid per host, so that hosts cannot signal each other; containers often map only the low ones.
    for uid in (0x70000000 + os.getpid() % 0x400000, 20000 + os.getpid() % 40000, 65534):
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            return
        except OSError:
            continue
    raise OSError(errno.EPERM, "no unprivileged uid is available")


def _unshare() -> None:
    _linux()
    if _libc.unshare(_NEW_USER | _NEW_NET | _NEW_IPC | _NEW_UTS | _NEW_NS) != 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))


def _drop_bounding_set() -> None:
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break


def _drop_capabilities() -> None:
    _linux()
    _drop_bounding_set()
    header = struct.pack("<Ii", 0x20080522, 0)
    if _libc.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capset: " + os.strerror(ctypes.get_errno()))


def _prctl(option: int, value: int) -> None:
    _linux()
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: " + os.strerror(ctypes.get_errno()))


def _landlock() -> None:
    """Deny every file, TCP port and (from ABI 6) signal or abstract socket outside this process."""
    _linux()
    abi = syscall(_LANDLOCK_CREATE, 0, 0, 1)
    files = (1 << 13) - 1
    for since, right in ((2, 1 << 13), (3, 1 << 14), (5, 1 << 15)):
        files |= right if abi >= since else 0
    words = [files] + ([3] if abi >= 4 else []) + ([3] if abi >= 6 else [])
    attributes = ctypes.create_string_buffer(struct.pack(f"<{len(words)}Q", *words))
    ruleset = syscall(_LANDLOCK_CREATE, ctypes.addressof(attributes), 8 * len(words), 0)
    try:
        syscall(_LANDLOCK_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _seccomp() -> None:
    if not machine():
        raise NotImplementedError("no system call table for this machine")
    code = seccomp_program(machine())
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    if _libc.prctl(_PR_SET_SECCOMP, 2, ctypes.addressof(header), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp: " + os.strerror(ctypes.get_errno()))


def seccomp_program(arch: int) -> bytes:
    """Return the filter as classic BPF.

    It allows two pipes, anonymous memory that is not executable, and three kinds of advice on memory; it refuses some
    calls with EPERM, and kills the process for all others.
    """
    kill, allow, refuse = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    checked = CHECKED[arch]
    program = [(load, 0, 0, 4), (equal, 1, 0, arch), (give, 0, 0, kill), (load, 0, 0, 0)]
    # The x32 numbers of x86-64 would reach the same calls by another table.
    program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, kill)]
    for number in _ALLOWED[arch].values():
        program += [(equal, 0, 1, number), (give, 0, 0, allow)]
    for name, descriptor in (("read", 0), ("write", 1)):
        program += [
            (equal, 0, 4, checked[name]),
            (load, 0, 0, 16),
            (equal, 0, 1, descriptor),
            (give, 0, 0, allow),
            (give, 0, 0, refuse),
        ]
    map_anonymous, executable = 0x20, 0x4
    program += [
        (equal, 0, 6, checked["mmap"]),
        (load, 0, 0, 32),
        (any_bit, 3, 0, executable),
        (load, 0, 0, 40),
        (any_bit, 0, 1, map_anonymous),
        (give, 0, 0, allow),
        (give, 0, 0, refuse),
    ]
    # The third argument. Advice is an int, so the kernel ignores its upper half as well.
    program += [(equal, 0, 2 * len(ADVICE) + 2, checked["madvise"]), (load, 0, 0, 32)]
    for advice in ADVICE:
        program += [(equal, 0, 1, advice), (give, 0, 0, allow)]
    program += [(give, 0, 0, refuse)]
    for number in REFUSED[arch].values():
        program += [(equal, 0, 1, number), (give, 0, 0, refuse)]
    program += [(give, 0, 0, kill)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def die_with_the_lifeline(descriptor: int) -> None:
    """Make the kernel kill this process when the other end of the pipe `descriptor` closes.

    Unlike the parent-death signal it follows the parent process, not the thread that started the host.
    """
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        if hasattr(fcntl, "F_SETSIG"):
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)  # type: ignore[attr-defined]
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)


def _linux() -> None:
    if not sys.platform.startswith("linux"):
        raise NotImplementedError("Linux only")
