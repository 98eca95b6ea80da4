"""What /proc and the clocks say of a host from outside: time used, whether it waits, what locks it. Trusted side."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

from . import lockdown
from .protocol import HostError, Limits

# Wall-clock seconds per allowed processor second: on a busy machine a host must not die for its neighbours.
PATIENCE = 10.0
_RECHECK_SECONDS = 0.005


class Deadline:
    """A limit in the host's processor time, so that a busy machine does not fail an honest program.

    A host that waits instead of working, or that gets no processor for PATIENCE times its limit, is late as
    well. waited: wall-clock seconds that the trainer has already waited for this host.
    """

    def __init__(self, pid: int, cpu_seconds: float, limits: Limits, waited: float = 0.0) -> None:
        self.pid, self.limit, self.limits, self.waited = pid, cpu_seconds, limits, waited
        self.began, self.cpu_began = time.monotonic(), seconds_used(pid) or 0.0
        self.waiting_since: float | None = None

    def wait_began(self) -> None:
        """From here on the trainer does nothing else."""
        self.waiting_since = time.monotonic()

    def wait_so_far(self) -> float:
        """Wall-clock seconds the trainer has waited, this call included."""
        return self.waited + (0.0 if self.waiting_since is None else time.monotonic() - self.waiting_since)

    def check(self) -> float:
        """Seconds until the next check is due; raises HostError("timeout") when the time is over."""
        wall, total = time.monotonic() - self.began, seconds_used(self.pid)
        cpu = wall if total is None else total - self.cpu_began
        idles = wall > self.limit and (total is None or is_waiting(self.pid))
        if cpu > self.limit or wall > PATIENCE * self.limit or idles:
            spent = f"{cpu:.3f} s of processor time in {wall:.3f} s"
            raise HostError("timeout", f"the program took longer than {self.limit:.1f} s for one call ({spent})")
        if total is not None and total > self.limits.cpu_seconds:
            raise HostError("timeout", f"the program used up its {self.limits.cpu_seconds} s of processor time")
        if self.wait_so_far() > self.limits.wall_seconds:
            raise HostError("timeout", f"the trainer has waited {self.wait_so_far():.1f} s for the program in all")
        # One thread cannot use processor time faster than time passes, so nothing is missed until then.
        lasts = [
            self.limit - cpu,
            self.limits.cpu_seconds - (total or 0.0),
            self.limits.wall_seconds - self.wait_so_far(),
        ]
        lasts.append(self.limit - wall if wall < self.limit else _RECHECK_SECONDS)
        return max(0.001, min(lasts))


def milliseconds(seconds: float) -> int:
    """For poll(2): rounded up, so that a wait never turns into a spin."""
    return min(1000, math.ceil(1000 * seconds))


def seconds_used(pid: int) -> float | None:
    """Processor time of process `pid`; None where the system cannot say."""
    try:
        # clock_getcpuclockid(3): the kernel's clock number of another process.
        return time.clock_gettime((~pid << 3) | 2) if sys.platform.startswith("linux") else None
    except OSError:
        return None


def is_waiting(pid: int) -> bool:
    """Whether the process sleeps or is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SZX"
    except OSError:
        return True


def innermost(pid: int) -> int:
    """The last of a chain of only children: the host itself where a wrapper started it."""
    while True:
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return pid
        if len(children) != 1:
            return pid
        pid = int(children[0])


def layers_not_contradicted(pid: int) -> set[str]:
    """The layers that /proc does not contradict."""
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
