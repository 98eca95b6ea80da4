"""The setup of a host besides the program: the program's arguments, limits and required protection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .isolation import Isolation
from .protocol import Limits


@dataclass(frozen=True)
class HostSetup:
    """The task as a program sees it, and the limits and protection of the host.

    Attributes:
        functions: Names of the functions that the program must define, in calling order. "potential" takes (state,
            memory); any other takes (prev, action, state, memory), unless it is given as "name(prev, action)".
        schema: The schema of the states, see views.py.
        tables: Arrays or lists of strings by name, fixed for the host's life.
        actions: Names of the actions, which become constants: FORWARD and Actions.FORWARD.
        action_width: 0 for discrete actions, otherwise how many numbers an action has.
        entries: Names of these numbers, or () for none.
        whole: Whether these numbers are ints.
        limits: The resources that the host may use.
        allow: The weakest sandbox level to accept.
        without: Layers to omit, for tests.
    """

    functions: Sequence[str]
    schema: Mapping[str, Any]
    tables: Mapping[str, Any]
    actions: Sequence[str] = ()
    action_width: int = 0
    entries: Sequence[str] = ()
    whole: bool = False
    limits: Limits = field(default_factory=Limits)
    allow: Isolation = Isolation.KERNEL
    without: frozenset[str] = frozenset()
