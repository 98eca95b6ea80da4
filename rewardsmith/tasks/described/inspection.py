"""Play a user's environment before a job uses it, and report every fault that a few episodes show.

The episodes run in a child process. If the environment hangs or ends the process, only the child ends.
"""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.faults import Fault, copied, flat, is_number, kind_of, outside, same_values
from rewardsmith.tasks.guarded import raised

STEPS = 40
"""Steps of each of the episodes that are compared."""

LONG = 360
"""Steps that are then played on, in whole episodes, for faults that come late."""

_SLOW = 10.0  # seconds after which an episode is cut short
_QUICK = 1.0  # seconds that an episode may take if LONG steps are to follow
_FEWEST = 5  # steps of an episode in any case
_COMPARED = 20  # steps after which an info that repeats the observation of the step before is no accident


class NotMade(UsageError):
    """The constructor of an environment hangs or ends the process, so it must not be called in this process."""


_CONSTRUCTOR = "its constructor"


def require_no_faults(make: Callable[[], Any], description: Description) -> list[Fault]:
    """Return the faults that deserve a warning. Raises UsageError with every severe one."""
    found = inspect(make, description.step_timeout)
    severe = [fault for fault in found if fault.severe]
    if severe:
        remedies = " ".join(dict.fromkeys(fault.remedy for fault in severe))
        kind = NotMade if any(fault.what.startswith(_CONSTRUCTOR) for fault in severe) else UsageError
        raise kind(
            f"The environment of {description.id} has faults: {'; '.join(fault.what for fault in severe)}.", remedies
        )
    return found


def inspect(make: Callable[[], Any], timeout: float = 60.0) -> list[Fault]:
    """Return the faults of the environment that `make` makes, which is played in a child process.

    Args:
        make: Makes a new environment.
        timeout: Seconds after which a call that has not returned counts as hanging.

    Returns:
        The faults found. A constructor that raises is none of them: the caller meets the same exception.
    """
    if not hasattr(os, "fork"):
        found: list[Fault] = []
        _look(make, lambda doing: None, found.append)
        return found
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(make, there), daemon=True)
    child.start()
    there.close()
    try:
        return _heard(here, child, timeout)
    finally:
        child.kill()
        child.join()
        here.close()


def _heard(here: Connection, child: BaseProcess, timeout: float) -> list[Fault]:
    """The faults that the child reports; its own hanging, or its end, is the last."""
    doing, found = _CONSTRUCTOR, []
    try:
        while here.poll(timeout):
            message = here.recv()
            if message is None:
                return found
            if isinstance(message, Fault):
                found.append(message)
            else:
                doing = message
    except EOFError:
        child.join(timeout)
        how = f"exit code {child.exitcode}"
        if child.exitcode is not None and child.exitcode < 0:
            how = f"signal {-child.exitcode}"
        ended = f"{doing} ends the process ({how})"
        return [*found, Fault(ended, "Raise an exception instead; check libraries that are not Python.")]
    hung = f"{doing} does not return (not for {timeout:g} seconds)"
    return [*found, Fault(hung, "Let it return, or raise `step_timeout` of the description if it is that slow.")]


def _child(make: Callable[[], Any], out: Connection) -> None:
    with suppress(BaseException):  # of the constructor: the parent makes the environment, too, and reports it
        _look(make, out.send, out.send)
    out.send(None)
    os._exit(0)


def _look(make: Callable[[], Any], doing: Callable[[str], None], tell: Callable[[Fault], None]) -> None:
    """Tell every fault once, as soon as it is found: the environment may end the process."""
    told: set[str] = set()

    def note(found: Iterable[Fault]) -> None:
        for fault in found:
            if (kind := fault.what.partition(":")[0]) not in told:
                told.add(kind)
                tell(fault)

    env = make()
    doing("reset()")
    if not _takes_seed(env):
        # Gymnasium's wrappers pass a seed on, so that such an environment cannot be played at all.
        note([Fault("reset() takes no `seed`", "Write reset(self, *, seed=None, options=None).")])
        return
    first = _Episode(env, doing)
    note(first.faults())
    if first.raised is not None:
        return
    again = _Episode(env, doing, len(first.rewards))
    note([*again.faults(), *_repeatable(first, again)])
    if not any(kind.startswith(_UNREPEATABLE) for kind in told):
        note(_separate(make, first, doing))
    note(_lagging(first))
    seed, left = 1, 0 if first.slow else LONG
    while left > 0 and not any(kind.startswith("it raised") for kind in told):
        longer = _Episode(env, doing, left, seed)
        note(longer.faults())
        seed, left = seed + 1, left - max(1, len(longer.rewards))


def _takes_seed(env: Any) -> bool:
    try:
        env.reset(seed=0)
    except TypeError as error:
        return "seed" not in str(error)
    return True


class _Episode:
    """One episode of seeded random actions, recorded as it was returned.

    Attributes:
        observations: The first one, and one of each step.
        raised: The fault that ended it, if the environment raised an exception or returned something of another form.
        slow: Whether it took so long that no more should be played than is compared.
    """

    def __init__(
        self, env: Any, doing: Callable[[str], None], steps: int | None = None, seed: int = 0, *, play: bool = True
    ) -> None:
        """Play it, unless `walk` is to do so. steps: the most; by default STEPS, or fewer in a slow environment."""
        self.env, self.most, self.seed, self.slow = env, steps, seed, False
        self.observations: list[Any] = []
        self.rewards: list[Any] = []
        self.infos: list[Any] = []
        self.flags: list[tuple[Any, Any]] = []
        self.raised: Fault | None = None
        self._form: Fault | None = None
        for _ in self.walk(doing) if play else ():
            pass

    def walk(self, doing: Callable[[str], None]) -> Iterator[None]:
        """Play it, with a stop after each step."""
        where = "reset()"
        with self._returns_watched():
            try:
                doing(where)
                space = copy.deepcopy(self.env.action_space)  # instances may share the space of their class
                space.seed(self.seed)
                observation, info = self.env.reset(seed=self.seed)
                self.observations.append(copied(observation))
                self.infos.append(dict(info))
                where = "step()"
                until, quick = time.monotonic() + _SLOW, time.monotonic() + _QUICK
                for step in range(STEPS if self.most is None else self.most):
                    self.slow = time.monotonic() > quick
                    if self.most is None and step >= _FEWEST and time.monotonic() > until:
                        return
                    doing(where)
                    observation, reward, terminated, truncated, info = self.env.step(_drawn(space, info))
                    self.observations.append(copied(observation))
                    self.rewards.append(reward)
                    self.flags.append((terminated, truncated))
                    self.infos.append(dict(info))
                    yield
                    if terminated or truncated:
                        return
            except (Exception, SystemExit) as error:
                when = f" on step {len(self.rewards) + 1} of an episode" if where == "step()" else ""
                # Later exceptions may be rare: a job meets them, names them, and continues once they are fixed.
                told = Fault(f"it {raised(error, where)}{when}", "Fix what raises it.", severe=not self.rewards)
                self.raised = self._form or told

    @contextmanager
    def _returns_watched(self) -> Iterator[None]:
        """Look at the bare environment's return values before a wrapper stumbles over them."""
        bare = self.env.unwrapped
        forms = {"reset": ("(observation, info)", 2), "step": ("(observation, reward, terminated, truncated, info)", 5)}

        def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            def called(*arguments: Any, **named: Any) -> Any:
                returned = call(*arguments, **named)
                form, count = forms[name]
                if not isinstance(returned, tuple) or len(returned) != count:
                    shown = f"a tuple of {len(returned)}" if isinstance(returned, tuple) else kind_of(returned)
                    self._form = Fault(f"{name}() returns {shown} in place of {form}", f"Return {form}.")
                elif not isinstance(returned[-1], dict):
                    shown = kind_of(returned[-1])
                    self._form = Fault(
                        f"{name}() returns {shown} as the info", "Return a dict, {} if there is nothing."
                    )
                return returned

            return called

        before: dict[str, Any] = {}
        for name in forms:
            call = getattr(bare, name)
            with suppress(AttributeError, TypeError):  # an object that takes no attributes is not watched
                own = vars(bare).get(name)
                setattr(bare, name, watched(name, call))
                before[name] = own
        try:
            yield
        finally:
            for name, own in before.items():
                delattr(bare, name)
                if own is not None:
                    setattr(bare, name, own)

    def faults(self) -> Iterator[Fault]:
        """The faults of the values that were returned, and of the episode's end."""
        if self.raised is not None:
            yield self.raised
        for observation in self.observations:
            yield from outside(self.env.observation_space, observation)
        for reward in self.rewards:
            if not is_number(reward):
                yield Fault(f"step() returns {kind_of(reward)} as the reward", "Return one number.")
            elif not math.isfinite(float(reward)):
                yield Fault("step() returns a reward that is not finite", "Return a finite number.")
        for flags in self.flags:
            for name, flag in zip(("terminated", "truncated"), flags, strict=True):
                if not isinstance(flag, bool | np.bool_):
                    harmless = isinstance(flag, int | np.integer) and flag in (0, 1)
                    what = f"step() returns {kind_of(flag)} as `{name}`"
                    yield Fault(what, f"Return `{name}` as a bool.", severe=not harmless)
        yield from self._masks()

    def _masks(self) -> Iterator[Fault]:
        """Masks of another length than there are actions, and those that allow none although another action follows."""
        count = int(getattr(self.env.action_space, "n", 0))
        for info, over in zip(self.infos, [(False, False), *self.flags], strict=False):
            mask = info.get("action_mask")
            if count == 0 or mask is None:
                continue
            if np.shape(mask) != (count,):
                what = f"an action_mask of shape {np.shape(mask)} is not read: there are {count} actions"
                yield Fault(what, f"Return an array of shape ({count},).", severe=False)
            elif not np.any(mask) and not any(isinstance(each, bool | int | np.bool_) and each for each in over):
                what = 'info["action_mask"] allows no action although the episode goes on'
                yield Fault(what, "Allow an action wherever another one follows.")

    def differs(self, other: _Episode) -> int | None:
        """The first observation in which two episodes differ; None if they are the same."""
        for step, (mine, theirs) in enumerate(zip(self.observations, other.observations, strict=False)):
            if not same_values(mine, theirs):
                return step
        return None if len(self.observations) == len(other.observations) else len(self.observations) - 1


def _drawn(space: Any, info: Any) -> Any:
    """A random action; one of those that an info allows, if it says so."""
    mask: Any = info.get("action_mask") if isinstance(info, dict) else None
    if hasattr(space, "n") and mask is not None and np.shape(mask) == (int(getattr(space, "n", 0)),) and np.any(mask):
        return space.sample(np.asarray(mask, dtype=np.int8))
    return space.sample()


_UNREPEATABLE = "the same seed"


def _repeatable(first: _Episode, again: _Episode) -> Iterator[Fault]:
    step = first.differs(again)
    remedy = "Call super().reset(seed=seed), and draw from self.np_random only."
    if step == 0:
        yield Fault(f"{_UNREPEATABLE} gives different first observations", remedy)
    elif step is not None:
        yield Fault(f"{_UNREPEATABLE} and actions give different observations from step {step} on", remedy)


def _separate(make: Callable[[], Any], first: _Episode, doing: Callable[[str], None]) -> Iterator[Fault]:
    """Two instances must have the same spaces, and played by turns each must do what it does alone."""
    mine, other = (_Episode(make(), doing, len(first.rewards), play=False) for _ in range(2))
    for name in ("observation_space", "action_space"):
        if any(getattr(each.env, name) != getattr(first.env, name) for each in (mine, other)):
            remedy = "Let the constructor's arguments alone decide the spaces; fill what varies up to one size."
            yield Fault(f"two instances differ in {name}", remedy)
            return
    walks = [mine.walk(doing), other.walk(doing)]
    while walks:
        walks = [walk for walk in walks if next(walk, _ENDED) is not _ENDED]
    if (step := first.differs(mine)) is not None:
        yield Fault(
            f"two instances share state: played by turns, one differs from step {step} on",
            "Keep all state in the instance: set it in __init__ or reset, not in the class or the module.",
        )


_ENDED = object()


def _lagging(episode: _Episode) -> Iterator[Fault]:
    """An info that always equals a number of the observation one step before, and not that of its own step."""
    rows = [flat(observation) for observation in episode.observations]
    if len(rows) <= _COMPARED or any(row is None or row.shape != rows[0].shape for row in rows):  # type: ignore[union-attr]
        return
    seen = np.array(rows)
    for key in episode.infos[-1]:
        values = [info.get(key) for info in episode.infos[1:]]
        if any(np.ndim(v) != 0 or not isinstance(v, int | float | np.number) for v in values):
            continue
        told = np.array(values, dtype=np.float64)
        if len(np.unique(told)) < _COMPARED // 2:
            continue  # what hardly moves agrees with much
        before, after = (np.isclose(told[:, None], part).all(axis=0) for part in (seen[:-1], seen[1:]))
        if before.any() and not after.any():
            yield Fault(
                f'info["{key}"] lags: on each step it is what the observation was one step before',
                "Build the info after the state has been updated.",
            )
