"""The definition of an attack, and the layers that may stop it.

The body of an attack is the body of a function that returns true if the attack succeeded. With `door` it starts with
the real modules (`os`, `sys`, `ctypes`, `libc`, `real` builtins, `use` = import), obtained through a back door that
every in-language sandbox has. Without `door` it starts as a language model's program does.

The test replaces the names in braces: {tmp} a folder open to every uid, {pid} the trainer, {other} the host of another
trial, {port} and {udp} loopback ports, {unix} an abstract socket, {shm} SysV shared memory.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

KERNEL = ("seccomp", "landlock", "namespaces", "uid", "capabilities", "rlimits")
"""Kernel layers, disabled by `without=`."""
SOFTWARE = ("gate", "facade", "descriptors", "seals", "validation", "deadline")
"""Software layers, disabled by the test: it skips the gate, or patches the host's start or the client."""

DOOR = """
for _c in ().__class__.__base__.__subclasses__():
    if _c.__name__ == "_wrap_close":
        sys = _c.__init__.__globals__["sys"]
os, ctypes, real = sys.modules["os"], sys.modules["ctypes"], sys.modules["builtins"]
use = real.__import__
sys._getframe().f_globals.update({n: v for n, v in real.vars(real).items() if n[0] != "_"})
libc = ctypes.CDLL(None, use_errno=True)
"""


@dataclass(frozen=True)
class Attack:
    """One hostile program.

    Attributes:
        name: name of the attack.
        body: body of its function.
        layers: layers that each stop the attack alone; with all of them disabled it succeeds.
        door: whether it starts with the real modules.
        alone: whether it ends or spoils its host, so that it cannot share one.
        kills: whether the system call filter ends its host, so that it cannot share one there.
        wins: the meaning of success: "true" (the body returned true), "accepted" (the client accepted the answer) or
            "escape" (a control character was shown).
    """

    name: str
    body: str
    layers: tuple[str, ...]
    door: bool = True
    alone: bool = False
    kills: bool = False
    wins: str = "true"


def attacks(
    layers: str,
    bodies: dict[str, str],
    *,
    door: bool = True,
    alone: bool = False,
    kills: bool = False,
    wins: str = "true",
) -> list[Attack]:
    """Attacks that are stopped by the same layers."""
    return [Attack(name, body, tuple(layers.split()), door, alone, kills, wins) for name, body in bodies.items()]


def program(batch: list[Attack], fill: dict[str, str]) -> str:
    """One program that runs attack number `prev.step`; 1.0 where it succeeded."""
    parts = [DOOR if batch[0].door else ""]
    for index, attack in enumerate(batch):
        body = attack.body
        for name, value in fill.items():
            body = body.replace("{" + name + "}", value)
        parts.append(f"def attack_{index}():\n" + textwrap.indent(textwrap.dedent(body).strip(), "    "))
    names = ", ".join(f"attack_{index}" for index in range(len(batch)))
    parts.append(
        f"ATTACKS = [{names}]\n"
        "def reward(prev, action, state, memory):\n"
        "    try:\n        return 1.0 if ATTACKS[prev.step % len(ATTACKS)]() else 0.0\n"
        "    except Exception as problem:\n        return 0.0"
    )
    return "\n\n".join(parts) + "\n"
