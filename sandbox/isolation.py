"""The sandbox levels of a host, by name, from the weakest to the strongest."""

from __future__ import annotations

from enum import StrEnum


class Isolation(StrEnum):
    """A sandbox level: observed in a process, or the weakest that is accepted. Each includes those before it."""

    NONE = "none"
    PROCESS = "process"
    SECCOMP = "seccomp"
    KERNEL = "kernel"
    NAMESPACES = "kernel+ns"

    def is_below(self, floor: Isolation) -> bool:
        """Return whether this level is weaker than `floor`. `<` compares names and must not be used."""
        levels = list(Isolation)
        return levels.index(self) < levels.index(floor)

    @classmethod
    def floor(cls, *, weak: bool) -> Isolation:
        """Return the weakest level under which programs may run: NONE if the user accepts weak protection (`weak`)."""
        return cls.NONE if weak else cls.KERNEL
