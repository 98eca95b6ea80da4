"""Observes a host from outside, by /proc and clocks: time used, whether it sleeps, layers in force. Trusted side."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

from . import lockdown
from .protocol import HostError, Limits

# Wall-clock seconds per allowed processor second: a host must not be killed because other processes use the processor.
PATIENCE = 10.0
_RECHECK_SECONDS = 0.005


class Deadline:
    """A limit of the host's processor time, so that an honest program does not fail on a busy machine.

    A host that sleeps instead of working, or that gets no processor for PATIENCE times its limit, is late as well.

    Args:
        pid: Process id of the host.
        cpu_seconds: The limit of this call.
        limits: The limits of the host's whole life.
        waited: Wall-clock seconds that the trainer has already waited for this host.
    """

    def __init__(self, pid: int, cpu_seconds: float, limits: Limits, waited: float = 0.0) -> None:
        self.pid, self.limit, self.limits, self.waited = pid, cpu_seconds, limits, waited
        self.began, self.cpu_began = time.monotonic(), seconds_used(pid) or 0.0
        self.waiting_since: float | None = None
        self._sent = False

    def sent(self) -> None:
        """Start the clock: the host has its request. Before, it may sleep, however long the trainer takes to write."""
        self.began, self._sent = time.monotonic(), True

    def wait_began(self) -> None:
        """Start to count the time that the trainer waits."""
        self.waiting_since = time.monotonic()

    def wait_so_far(self) -> float:
        """Return the wall-clock seconds that the trainer has waited, including this call."""
        return self.waited + (0.0 if self.waiting_since is None else time.monotonic() - self.waiting_since)

    def check(self) -> float:
        """Return the seconds until the next check is due. Raises HostError("timeout") if a limit is exceeded."""
        wall, total = time.monotonic() - self.began, seconds_used(self.pid)
        cpu = wall if total is None else total - self.cpu_began
        idles = self._sent and wall > self.limit and (total is None or is_waiting(self.pid))
        if cpu > self.limit or wall > PATIENCE * self.limit or idles:
            spent = f"{cpu:.3f} s of processor time in {wall:.3f} s"
            raise HostError(
                "timeout", f"the program took longer than {self.limit:.1f} s for one batch of transitions ({spent})"
            )
        if total is not None and total > self.limits.cpu_seconds:
            raise HostError("timeout", f"the program used up its {self.limits.cpu_seconds} s of processor time")
        if self.wait_so_far() > self.limits.wall_seconds:
            raise HostError("timeout", f"the trainer has waited {self.wait_so_far():.1f} s for the program in all")
        # One thread cannot use processor time faster than wall-clock time, so no limit can be exceeded until then.
        lasts = [
            self.limit - cpu,
            self.limits.cpu_seconds - (total or 0.0),
            self.limits.wall_seconds - self.wait_so_far(),
        ]
        lasts.append(self.limit - wall if wall < self.limit else _RECHECK_SECONDS)
        return max(0.001, min(lasts))


def milliseconds(seconds: float) -> int:
    """Convert seconds for poll(2), rounded up, so that the caller never polls in a busy loop."""
    return min(1000, math.ceil(1000 * seconds))


def seconds_used(pid: int) -> float | None:
    """Return the processor time of process `pid`; None if the system does not provide it."""
    try:
        # clock_getcpuclockid(3): the kernel's clock number of another process.
        return time.clock_gettime((~pid << 3) | 2) if sys.platform.startswith("linux") else None
    except OSError:
        return None


def is_waiting(pid: int) -> bool:
    """Return whether the process sleeps or has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZX"
    except OSError:
        return True


def innermost(pid: int) -> int:
    """Return the last process of a chain of only children: the host itself if a wrapper started it."""
    while True:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return pid
        if len(children) != 1:
            return pid
        pid = int(children[0])


def layers_not_contradicted(pid: int) -> set[str]:
    """Return the layers except those that /proc shows not to be in force."""
    layers: set[str] = set(lockdown.LAYERS)
    if not sys.platform.startswith("linux"):
        return {"rlimits"}
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {"rlimits"}
    seen = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    contradicted = {
        "seccomp": seen.get("Seccomp") != ["2"],
        "no_new_privs": seen.get("NoNewPrivs") != ["1"],
        "capabilities": any(int(seen[name][0], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")),
        "uid": "0" in seen["Uid"] or "0" in seen["Gid"],
    }
    return layers - {layer for layer, wrong in contradicted.items() if wrong}
