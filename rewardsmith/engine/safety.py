"""What a sandboxed process of this machine observes, asked before a worker takes anybody's programs."""

from __future__ import annotations

from rewardsmith.errors import RewardsmithError
from sandbox.client import RewardHost, SandboxError

_PROGRAM = "def reward(prev, action, state, memory):\n    return 0.0\n"
_SCHEMA = {
    "name": "State",
    "dtype": "int32",
    "width": 1,
    "fields": [{"name": "step", "kind": "int", "column": 0, "unit": "steps"}],
}


def observed_level(floor: str) -> str:
    """The protection level that a program would have here. Raises RewardsmithError below `floor`."""
    try:
        with RewardHost(_PROGRAM, ["reward"], _SCHEMA, {}, envs=1, capacity=1, allow=floor) as host:
            return host.level
    except SandboxError as error:
        cause, _, remedy = str(error).partition("\n")
        raise RewardsmithError(cause, remedy or "See sandbox/README.md.") from error
