"""What a host is set up with besides the program: what the program is called with, and how well it is locked in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .isolation import Isolation
from .protocol import Limits


@dataclass(frozen=True)
class HostSetup:
    """The task as a program sees it, what the program may spend, and what must protect the host.

    functions: names the program must define, called in this order: "potential" takes (state, memory), any
    other (prev, action, state, memory) unless it is given as "name(prev, action)". schema: see views. tables:
    name -> array or list of strings, fixed for the host's life. actions: names that become constants, FORWARD or
    Actions.FORWARD. action_width: 0 for discrete actions, else the length of a continuous one. allow: the weakest
    protection level to accept. without: layers to leave out, for tests.
    """

    functions: Sequence[str]
    schema: Mapping[str, Any]
    tables: Mapping[str, Any]
    actions: Sequence[str] = ()
    action_width: int = 0
    limits: Limits = field(default_factory=Limits)
    allow: Isolation = Isolation.KERNEL
    without: frozenset[str] = frozenset()
