"""How well a program is isolated: the levels, by name, from the weakest to the strongest."""

from __future__ import annotations

from enum import StrEnum


class Isolation(StrEnum):
    """A protection level, as observed in a process or as the least that is accepted. Each includes those before it."""

    NONE = "none"
    PROCESS = "process"
    SECCOMP = "seccomp"
    KERNEL = "kernel"
    NAMESPACES = "kernel+ns"

    def is_below(self, floor: Isolation) -> bool:
        """Whether this level is weaker than `floor`. Names do not sort by strength, so `<` would be wrong."""
        levels = list(Isolation)
        return levels.index(self) < levels.index(floor)

    @classmethod
    def floor(cls, *, weak: bool) -> Isolation:
        """The least that programs may run under; `weak`: the user accepts a machine that protects itself less."""
        return cls.NONE if weak else cls.KERNEL
