"""Canaries: forbidden operations that the host tries before it reads any untrusted text.

A layer counts as in force only if its canary was refused. The client also checks /proc from outside, and uses the
weaker of the two results.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
from collections.abc import Callable, Collection

from . import lockdown
from .isolation import Isolation

LEVELS = tuple(Isolation)
_NEEDS: dict[Isolation, tuple[str, ...]] = {
    Isolation.PROCESS: ("rlimits",),
    Isolation.SECCOMP: ("no_new_privs", "seccomp"),
    Isolation.KERNEL: ("uid", "capabilities", "dumpable", "landlock"),
    Isolation.NAMESPACES: ("namespaces",),
}
_UNPRIVILEGED = "run the service as a user other than root, or as root with CAP_SETUID, CAP_SETGID and CAP_SETPCAP"
REMEDIES: dict[str, str] = {
    "rlimits": "run on Linux or macOS, where processes can be limited",
    "no_new_privs": "use Linux 3.5 or newer",
    "seccomp": "use Linux on x86-64 or aarch64 with CONFIG_SECCOMP_FILTER; in a container keep seccomp RuntimeDefault",
    "uid": _UNPRIVILEGED,
    "capabilities": _UNPRIVILEGED,
    "dumpable": "use Linux",
    "landlock": "use Linux 5.13 or newer with landlock among its security modules (/sys/kernel/security/lsm)",
    "namespaces": "allow unprivileged user namespaces; container runtimes refuse them, which leaves level 'kernel'",
}
"""For each layer, what a person can do if it is not in force."""
# With these arguments no call can succeed: without the filter each gives an error other than EPERM.
FORBIDDEN: dict[str, tuple[int, ...]] = {
    "openat": (-1, 0, 0, 0),
    "socket": (-1, -1, -1),
    "execve": (0, 0, 0),
    "clone": (0x00010000, 0, 0, 0, 0),
    "kill": (0x3FFFFFFF, 0),
    "ptrace": (16, 0x3FFFFFFF, 0, 0),
    "connect": (-1, 0, 0),
    "process_vm_readv": (0x3FFFFFFF, 0, 0, 0, 0, 0),
}
_NAMESPACES = ("user", "net", "ipc", "uts", "mnt")


def level_of(held: Collection[str]) -> Isolation:
    """Return the highest level whose layers, and those of all lower levels, are in `held`."""
    reached = Isolation.NONE
    for level in LEVELS[1:]:
        if not set(_NEEDS[level]) <= set(held):
            break
        reached = level
    return reached


def missing_for(level: Isolation = LEVELS[-1], held: Collection[str] = ()) -> list[str]:
    """Return the layers that `level` needs and that are not in `held`."""
    wanted = [layer for step in LEVELS[1 : LEVELS.index(level) + 1] for layer in _NEEDS[step]]
    return [layer for layer in wanted if layer not in held]


def namespaces() -> dict[str, str]:
    """Return the identity of each of this process's namespaces; empty if the system has none."""
    if not sys.platform.startswith("linux"):
        return {}
    return {name: os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES}  # noqa: PTH115


def before_seccomp(original: dict[str, str]) -> set[str]:
    """Return the layers that were observed to be in force, tested while system calls still reach the kernel.

    Args:
        original: The namespaces before the lock, from `namespaces()`.
    """
    held = set()
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] == 0 and resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 16:
        held.add("rlimits")
    if not sys.platform.startswith("linux"):
        return held
    if os.getresuid().count(0) == 0 and not _succeeds(lambda: os.setuid(0)):
        held.add("uid")
    if _landlock_holds():
        held.add("landlock")
    if lockdown.prctl_value("no_new_privs") == 1:
        held.add("no_new_privs")
    if lockdown.prctl_value("dumpable") == 0:
        held.add("dumpable")
    if not _succeeds(lambda: lockdown.raw_unshare_mounts()):
        held.add("capabilities")
    if original and _all_different(original):
        held.add("namespaces")
    return held


def after_seccomp() -> set[str]:
    """Return {"seccomp"} if the filter refuses each forbidden call, recognised by its errno; else an empty set."""
    table = lockdown.REFUSED.get(lockdown.machine())
    if table is None:
        return set()
    refused = all(_errno_of(table[name], arguments) == errno.EPERM for name, arguments in FORBIDDEN.items())
    checked = lockdown.CHECKED[lockdown.machine()]
    # Descriptor 2 is open on /dev/null, so only the filter refuses this.
    pipes_only = _errno_of(checked["write"], (2, 0, 0)) == errno.EPERM
    not_executable = _errno_of(checked["mmap"], (0, 4096, 7, 0x22, -1, 0)) == errno.EPERM
    # Advice on an empty range, which has no effect if it is allowed: MADV_REMOVE, MADV_PAGEOUT.
    advised = all(_errno_of(checked["madvise"], (0, 0, advice)) == errno.EPERM for advice in (9, 21))
    return {"seccomp"} if refused and pipes_only and not_executable and advised else set()


def _landlock_holds() -> bool:
    # Every account may read these files: only Landlock refuses them, with EACCES.
    for path in ("/proc/self/cmdline", "/dev/null", "/"):
        try:
            os.close(os.open(path, os.O_RDONLY))
            return False
        except OSError as problem:
            if problem.errno != errno.EACCES:
                return False
    return True


def _all_different(original: dict[str, str]) -> bool:
    # Landlock does not restrict readlink, but the process is no longer dumpable: only its own links are readable.
    try:
        return all(now != original[name] for name, now in namespaces().items())
    except OSError:
        return False


def _succeeds(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _errno_of(number: int, arguments: tuple[int, ...]) -> int:
    try:
        lockdown.syscall(number, *arguments)
    except OSError as problem:
        return problem.errno or 0
    return 0
