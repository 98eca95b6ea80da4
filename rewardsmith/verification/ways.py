"""Ways to act on a task that has no planner: its reference, near misses of it, and behaviours that know no goal.

A way is played in an environment of its own, so that an episode that ends early costs no further steps. What a way
does next may depend on the state, unlike a script of actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.rollout import Rollout, record
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import BatchEnv, Task
from rewardsmith.tasks.capabilities import reference_of
from rewardsmith.tasks.reference import Reference, ReferencePlayer
from rewardsmith.verification.layouts import LAYOUTS
from rewardsmith.verification.scripts import Named, Played

Choose = Callable[[int, Any], Any]
"""The action at a step, given that of the reference (None after the reference's part)."""

_STEPS = 20_000
"""Environment steps on each of a job's three starts after which no further way is played."""

_RANDOM_WAYS, _BRANCHES = 4, 3
_MOST_PAIRS, _FIRST_PAIRS = 15, 3
_MOST_ENTRIES = 6  # entries of an action whose bounds are tried one by one
_PROBES = (0.25, 0.5, 0.75)
_MOST_COLUMNS, _SHARE = 8, 0.5  # numbers of the state that are falsified, and by which share of what they cover
_SLOW = 8  # steps of a slow oscillation's half


@dataclass(frozen=True)
class Way:
    """A way to act in one episode.

    Attributes:
        name: A short name for reports.
        choose: The action at each step.
        led: For how many steps `choose` is given the reference's action.
        drawn: Whether all actions after these are drawn at random.
        shift: Added to the state rows [W] that the reference is given; None for nothing.
    """

    name: str
    choose: Choose
    led: int = 0
    drawn: bool = False
    shift: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Rival:
    """Something else that acts in a task, such as an earlier policy. `player` puts it into a batch of one."""

    name: str
    player: Callable[[BatchEnv], ReferencePlayer]


def bank_steps(layouts: int, most: int | None = None, longest: int = 0) -> int:
    """Return the environment steps on one of `layouts` starts after which no further way is played.

    Args:
        layouts: The number of starts.
        most: The most steps on all starts together; None for no such limit.
        longest: The step limit of an episode, so that the last way does not exceed `most`.
    """
    usual = _STEPS * LAYOUTS // max(LAYOUTS, layouts)
    return usual if most is None else min(usual, max(0, most // layouts - longest))


@lru_cache(maxsize=64)
def played_ways(task: Task, layout: int, budget: int) -> Played | None:
    """Play the reference and other ways on one training layout.

    Args:
        task: A task with a reference.
        layout: The layout.
        budget: Environment steps after which no further way is played.

    Returns:
        The episodes, the reference's first; None if it does not succeed there.
    """
    reference = reference_of(task)
    assert reference is not None
    batch = reference.batch(1)
    try:
        first = _episode(task, batch, reference, layout, Way("reference", _reference, task.max_steps))
        if not first.success.any():
            return None
        kept = [(Way("reference", _reference), first)]
        used = len(first.starts)
        for way in _ways(task, reference, layout, first):
            if used >= budget:
                break
            kept.append((way, _episode(task, batch, reference, layout, way)))
            used += len(kept[-1][1].starts)
    finally:
        batch.close()
    return joined_episodes(kept)


def goalless_ways(task: Task, layout: int) -> Iterator[Way]:
    """Yield ways to act that know nothing of the goal: idling, random play, actions held, and pairs by turns."""
    space = task.actions
    idle, fixed = _idle(space), list(_constants(space))
    resting = _name(space, idle)
    yield Way(f"only {resting}", lambda step, led: idle)
    yield from (_random(space, layout, number + 1) for number in range(_RANDOM_WAYS))
    yield from (Way(f"only {name}", lambda step, led, held=held: held) for name, held in fixed if name != resting)
    pairs = list(combinations(fixed, 2))[:_MOST_PAIRS]
    yield from _by_turns(pairs, 1)
    yield from _by_turns(pairs, _SLOW)


def played_way(task: Task, batch: BatchEnv, layout: int, way: Way) -> Rollout:
    """Play a way that needs no reference, in a batch of one environment; return its episode [T, 1]."""
    steps = iter(range(task.max_steps))
    return _recorded(
        task, batch, layout, lambda rows, starts: np.array([_allowed(way.choose(next(steps), None), batch)])
    )


def played_rivals(task: Task, layout: int, budget: int, rivals: Sequence[Rival]) -> Played | None:
    """Play the reference and other policies on one training layout; None if the reference does not succeed there.

    budget: As in `played_ways`, whose episode of the reference is used.
    """
    bank, reference = played_ways(task, layout, budget), reference_of(task)
    if bank is None or reference is None:
        return None
    length = int(bank.length[0])
    kept = [(Way("reference", _reference), bank.rollout.chosen(slice(0, length), slice(0, 1)))]
    batch = reference.batch(1)
    try:
        for rival in rivals:
            player = rival.player(batch)
            kept.append((Way(rival.name, _reference), _recorded(task, batch, layout, player.actions)))
    finally:
        batch.close()
    return joined_episodes(kept)


def _reference(step: int, led: Any) -> Any:
    del step
    return led


def _episode(task: Task, batch: BatchEnv, reference: Reference, layout: int, way: Way) -> Rollout:
    player, steps = reference.player(batch), 0

    def choose(rows: NDArray[Any], starts: NDArray[np.bool_]) -> Any:
        nonlocal steps
        seen = rows if way.shift is None else rows + way.shift
        led = player.actions(seen, starts)[0] if steps < way.led else None
        chosen = _allowed(way.choose(steps, led), batch)
        steps += 1
        return np.array([chosen])

    return _recorded(task, batch, layout, choose)


def _allowed(action: Any, batch: BatchEnv) -> Any:
    """The action, or the next one that is allowed, where the environment allows only some."""
    if batch.masks is None or batch.masks[0][int(action)] or not batch.masks[0].any():
        return action
    order = (np.arange(batch.masks.shape[1]) + int(action)) % batch.masks.shape[1]
    return int(order[batch.masks[0][order]][0])


def _recorded(
    task: Task, batch: BatchEnv, layout: int, actions: Callable[[NDArray[Any], NDArray[np.bool_]], Any]
) -> Rollout:
    """One episode [T, 1] in a batch of one environment."""
    batch.play(layout)
    rows = task.schema.rows(1)

    def choose(t: int, starts: NDArray[np.bool_]) -> Any:
        batch.state_rows(rows)
        return actions(rows, starts & (t == 0))

    return record(batch, task, choose, task.max_steps, once=True)


def _ways(task: Task, reference: Reference, layout: int, solved: Rollout) -> Iterator[Way]:
    """Every way but the reference, the most telling first: a budget may end the list."""
    space, rng = task.actions, np.random.default_rng(layout)
    idle, fixed = _idle(space), list(_constants(space))
    resting = _name(space, idle)
    won = int(solved.success[:, 0].argmax())
    places = sorted({int(won * part) for part in _PROBES} | {max(won - 1, 0)}, reverse=True)
    places = [at for at in places if at > 0]
    yield Way(f"only {resting}", lambda step, led: idle)
    yield from (_random(space, layout, number + 1) for number in range(_RANDOM_WAYS))
    for name, action in fixed:
        if name != resting:
            yield Way(f"only {name}", lambda step, led, action=action: action)
    pairs = list(combinations(fixed, 2))[:_MOST_PAIRS]
    yield from _by_turns(pairs[:_FIRST_PAIRS], 1)
    yield from (
        Way(f"reference for {at} steps, then only {resting}", _then(at, lambda step: idle), at) for at in places
    )
    if reference.reads_state:
        yield from _mistaken(task, solved)
    for at in places:
        for number in range(1, _BRANCHES + 1):
            drawn = space.sample(rng, task.max_steps)
            choose = _then(at, lambda step, drawn=drawn: drawn[step])
            yield Way(f"reference for {at} steps, then random {number}", choose, at, drawn=True)
    for at in places:
        held = solved.actions[at - 1, 0]
        yield Way(f"reference for {at} steps, then that action held", _then(at, lambda step, held=held: held), at)
        if (back := _mirrored(space)) is not None:
            name = f"reference for {at} steps, then {_TO_AND_FRO} steps back and forth"
            yield Way(name, _to_and_fro(at, back), task.max_steps)
    yield from _by_turns(pairs[_FIRST_PAIRS:], 1)
    for at in places[1:2]:
        for (one, a), (other, b) in pairs:
            name = f"reference for {at} steps, then alternating {one} and {other}"
            yield Way(name, _then(at, lambda step, a=a, b=b: b if step % 2 else a), at)
    yield from _by_turns(pairs, _SLOW)


def _mistaken(task: Task, solved: Rollout) -> Iterator[Way]:
    """The reference with one number of the state falsified: it hovers over the goal, or stops beside it."""
    columns = [
        (f"{field.name}.{entry}" if entry else field.name, field.column + k)
        for field in task.schema
        if field.kind == "float" or (field.kind == "vector" and field.of == "float")
        for k, entry in enumerate(field.entries or map(str, range(field.length or 1)) if field.length else ("",))
    ]
    for name, column in columns[:_MOST_COLUMNS]:
        seen = solved.before[:, 0, column]
        size = _SHARE * float(np.ptp(seen)) or _SHARE * max(abs(float(seen[0])), 0.2)
        for offset in (-size, size):
            shift = np.zeros(task.schema.width)
            shift[column] = offset
            wrong = f"reads {name} {size:.3g} too {'low' if offset < 0 else 'high'}"
            yield Way(f"reference that {wrong}", _reference, task.max_steps, shift=shift)


def _by_turns(pairs: Sequence[tuple[tuple[str, Any], tuple[str, Any]]], steps: int) -> Iterator[Way]:
    """Two actions by turns, each for some steps."""
    for (one, a), (other, b) in pairs:
        times = "" if steps == 1 else f"{steps} steps "
        name = f"alternating {times}{one} and {times}{other}"
        yield Way(name, lambda step, led, a=a, b=b: b if step // steps % 2 else a)


_TO_AND_FRO = 10


def _then(at: int, choose: Callable[[int], Any]) -> Choose:
    return lambda step, led: led if step < at else choose(step)


def _to_and_fro(at: int, back: Callable[[Any], Any]) -> Choose:
    """The reference up to a step; from there its opposite and the reference by turns."""

    def choose(step: int, led: Any) -> Any:
        return back(led) if step >= at and (step - at) // _TO_AND_FRO % 2 == 0 else led

    return choose


def _mirrored(space: ActionSpace) -> Callable[[Any], Any] | None:
    """What turns an action of a bounded box into its opposite; None for other spaces."""
    if space.kind != "box":
        return None
    both = np.array(space.low) + np.array(space.high)
    return (lambda action: space.rounded(both - action)) if np.isfinite(both).all() else None


def _random(space: ActionSpace, layout: int, number: int) -> Way:
    rng = np.random.default_rng((layout, number))
    return Way(f"random {number}", lambda step, led: space.sample(rng), drawn=True)


def _constants(space: ActionSpace) -> Iterator[tuple[str, Any]]:
    """Actions to hold: each discrete one; the ends of all entries together, and of each one with the others idle."""
    if space.discrete:
        yield from ((name, number) for number, name in enumerate(space.names))
        return
    idle = _idle(space)
    low = np.array(space.low) if space.low else np.zeros(space.width)
    high = np.array(space.high) if space.high else np.array(space.counts or (2,) * space.width) - 1.0
    low, high = np.where(np.isfinite(low), low, -1.0), np.where(np.isfinite(high), high, 1.0)
    if space.width > 1:
        yield from (("the smallest values", low), ("the largest values", high))
    for entry in range(space.width if space.width <= _MOST_ENTRIES else 0):
        for end in (low, high):
            action = idle.copy()
            action[entry] = end[entry]
            if action[entry] != idle[entry]:
                yield f"{space.names[entry]} = {action[entry]:g}", action


def _idle(space: ActionSpace) -> Any:
    if space.discrete:
        return len(space) - 1 if space.idle is None else space.idle
    zeros = np.zeros(space.width)
    return space.rounded(np.clip(zeros, space.low, space.high)) if space.kind == "box" else zeros


def _name(space: ActionSpace, action: Any) -> str:
    return space.names[int(action)] if space.discrete else space.describe(action)


def joined_episodes(kept: Sequence[tuple[Named, Rollout]], *, led: bool = True) -> Played:
    """Return episodes of different lengths as the columns of one rollout; a shorter one is repeated.

    Args:
        kept: What was played, each [T, 1].
        led: As in `Played`.
    """
    steps = max(len(rollout.starts) for _, rollout in kept)
    length = np.array([len(rollout.starts) for _, rollout in kept])
    repeated = [rollout.chosen(np.arange(steps) % len(rollout.starts)) for _, rollout in kept]
    return Played.of(tuple(way for way, _ in kept), Rollout.joined(repeated), length, led=led)
