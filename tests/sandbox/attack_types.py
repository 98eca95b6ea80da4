"""The definition of an attack, and the layers that may stop it.

The body of an attack is the body of a function that returns true when it got what it wanted. With `door` it
starts with the real modules in hand (`os`, `sys`, `ctypes`, `libc`, `real` builtins, `use` = import), fetched
through a back door that every in-language sandbox has; without, it starts as a language model's program does.

Texts in braces are filled in by the test: {tmp} a folder open to every uid, {pid} the trainer, {other} the
host of another trial, {port} and {udp} loopback ports, {unix} an abstract socket, {shm} SysV shared memory.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

KERNEL = ("seccomp", "landlock", "namespaces", "uid", "capabilities", "rlimits")
"""Switched off by `without=`."""
SOFTWARE = ("gate", "facade", "descriptors", "seals", "validation", "deadline")
"""Switched off by the test: by not asking the gate, by patches in the host's start or in the client."""

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
    """One hostile program. layers: each of them alone stops it; with all of them off it succeeds.

    alone: it ends or spoils its host, so it shares none. kills: the filter ends its host, so there it shares none.
    wins: what counts as success: "true" (the body returned true), "accepted" (the client took the answer) or
    "escape" (a control character came through).
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
    """Attacks that the same layers stop."""
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
