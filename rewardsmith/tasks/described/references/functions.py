"""References that are Python: a function of the state, a class or object with memory, a method of a task's class."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.references.actions import accepted, room
from rewardsmith.tasks.described.references.playing import PlayedReference, SeenBatch
from rewardsmith.tasks.described.references.states import state_reader
from rewardsmith.tasks.described.watchdog import WATCHDOG
from rewardsmith.tasks.guarded import task_error
from rewardsmith.tasks.reference import ReferencePlayer

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

KNOWN = ("state", "observation", "info", "env", "step")
"""What a reference may ask for by name."""

REMEDY = "Correct the reference, or remove `reference:` from the description."


class FunctionReference(PlayedReference):
    """A reference that is the user's own Python.

    It is called once a step and returns the action. A class, or an object with `act` or `__call__`, may remember things
    within an episode: each episode has an instance, or a copy, of its own.
    """

    def __init__(self, name: str, setup: Setup, written: Any) -> None:
        """written: A function, class or object. Raises UsageError if it asks for a value that does not exist."""
        super().__init__(name, setup)
        self._written = written
        self._asks = _asked_for(name, _acting(written))

    @property
    def reads_state(self) -> bool:
        """Whether it acts on the state rows that `actions` is given."""
        return self._asks is None or "state" in self._asks

    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the reference at play in a batch that `batch` returned."""
        assert isinstance(batch, SeenBatch)
        return _Player(self, batch)

    def begin(self) -> Callable[..., Any]:
        """Return what acts in one episode, without memory of any other."""
        written = self._written
        if inspect.isclass(written):
            return _acting(written())
        if inspect.ismethod(written) and not inspect.isclass(written.__self__):
            return getattr(copy.deepcopy(written.__self__), written.__name__)
        if inspect.isroutine(written):
            return written
        fresh = copy.deepcopy(written)
        if callable(getattr(fresh, "reset", None)):
            fresh.reset()
        return _acting(fresh)

    def act(self, acting: Callable[..., Any], given: dict[str, Any]) -> Any:
        """Call what acts with what it asks for."""
        return acting(**given) if self._asks is None else acting(*(given[name] for name in self._asks))


class _Player:
    """A FunctionReference at play in one batch."""

    def __init__(self, reference: FunctionReference, batch: SeenBatch) -> None:
        self._reference, self._batch = reference, batch
        self._form, self._limit = reference.setup.form, reference.setup.description.step_timeout
        self._state = state_reader(reference.setup.schema)
        self._acting: list[Callable[..., Any] | None] = [None] * batch.num_envs
        self._steps = [0] * batch.num_envs

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the next actions: int64 [N], or float64 [N, A]."""
        chosen = room(self._form.actions, len(rows))
        where = f"the reference {self._reference.name}"
        WATCHDOG.begin(self._form.task_id, where, self._limit)
        try:
            for n, row in enumerate(rows):
                chosen[n] = self._one(n, row, bool(starts[n]))
        except _NoAction as error:
            raise TaskError(
                f"The reference {self._reference.name} of {self._form.task_id} returned no action: {error}.", REMEDY
            ) from None
        except (Exception, SystemExit) as error:
            raise task_error(self._form.task_id, self._reference.name, error, "reference", REMEDY) from error
        finally:
            WATCHDOG.end()
        return chosen

    def _one(self, n: int, row: NDArray[Any], starts: bool) -> Any:
        acting = self._acting[n]
        if acting is None or starts:
            acting = self._acting[n] = self._reference.begin()
            self._steps[n] = 0
        env = self._batch.seen[n]
        given = {"state": self._state(row), "observation": env.observation, "info": env.info,
                 "env": getattr(env.env, "unwrapped", env.env), "step": self._steps[n]}  # fmt: skip
        self._steps[n] += 1
        returned = self._reference.act(acting, given)
        try:
            return accepted(returned, self._form.actions)
        except ValueError as error:
            raise _NoAction(str(error)) from None


class _NoAction(Exception):
    """A reference returned what is no action."""


def _acting(written: Any) -> Callable[..., Any]:
    act = getattr(written, "act", None)
    if callable(act):
        return act
    return vars(written)["__call__"] if inspect.isclass(written) and "__call__" in vars(written) else written


def _asked_for(name: str, acting: Callable[..., Any]) -> tuple[str, ...] | None:
    """What a function asks for, in order; None if it takes everything by name. Raises UsageError."""
    parameters = [p for p in inspect.signature(acting).parameters.values() if p.name != "self"]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    needed = [
        p.name for p in parameters if p.kind is not p.VAR_POSITIONAL and (p.name in KNOWN or p.default is p.empty)
    ]
    if len(needed) == 1 and needed[0] not in KNOWN:
        return ("state",)  # whatever its author calls it
    if unknown := [each for each in needed if each not in KNOWN]:
        raise UsageError(
            f"The reference {name} asks for {', '.join(f'`{each}`' for each in unknown)}, which does not exist.",
            f"It may ask for {', '.join(KNOWN)} by name.",
        )
    return tuple(needed)
