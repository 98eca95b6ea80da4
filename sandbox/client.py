"""The trusted side as everything else uses it: score with an untrusted program, check its text, replay modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from .arrays import place_arrays, read_arrays
from .findings import Finding, parse_findings
from .isolation import Isolation
from .process import HostProcess
from .protocol import STATE_ONLY, TEXT_BYTES, HostError, Limits, SandboxError, SandboxUnavailable, SandboxWeak
from .reward_host import RewardHost, Scores
from .selftest import REMEDIES, level_of, missing_for
from .setup import HostSetup

__all__ = [
    "Finding",
    "HostError",
    "HostSetup",
    "Isolation",
    "Limits",
    "Observation",
    "RewardHost",
    "SandboxError",
    "SandboxUnavailable",
    "SandboxWeak",
    "Scores",
    "check_determinism",
    "gate",
    "observe_level",
    "replay_module",
]


_SETTLED_STEPS = 64
"""Messages after each of which a host is asked whether anything changed: a state may come back to what it was."""


@dataclass(frozen=True)
class Observation:
    """What protects a host on this machine: its level, the layers that hold, and (layer, why not, remedy) of others."""

    level: Isolation
    held: tuple[str, ...]
    missing: tuple[tuple[str, str, str], ...]


def check_determinism(
    source: str, setup: HostSetup, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray
) -> HostError | None:
    """Scores the same rollout in three fresh hosts and returns what differs, or what failed, or None.

    Arguments as of RewardHost and its `score`.

    The second host sees the environments in reverse order and the steps in small portions, so that state
    which leaks between environments or calls shows as well. The third sees the last environment alone, step by step.
    Each says whether the program changed anything but its memories, which is an error even where no result shows it.
    """
    steps, envs = np.shape(starts)

    def run(lanes: slice, portion: int) -> tuple[Scores | None, HostError | None]:
        width = len(range(envs)[lanes])
        with RewardHost(source, setup, width, portion * width) as host:
            inputs = [array[:, lanes] for array in (before, actions, after, starts)]
            return _scored_in_portions(host, inputs, portion, settle=width == 1)

    ways = (slice(None), steps), (slice(None, None, -1), max(1, steps // 3)), (slice(envs - 1, envs), 1)
    with ThreadPoolExecutor(len(ways)) as pool:
        runs = [pool.submit(run, *way) for way in ways]
        try:
            found = [each.result() for each in runs]
        except HostError as problem:
            return problem
    scores = [each for each, _ in found]
    # A result that differs says more than a state that changed.
    different = _compared(scores[0], scores[1], slice(None, None, -1)) or _compared(scores[0], scores[2], ways[2][0])
    return different or next((changed for _, changed in found if changed is not None), None)


def _scored_in_portions(
    host: RewardHost, inputs: Sequence[np.ndarray], portion: int, *, settle: bool
) -> tuple[Scores | None, HostError | None]:
    """(the scores, or None where they were not reached; what the program changed outside of its memories)."""
    scores = None
    try:
        for number, t in enumerate(range(0, len(inputs[0]), portion)):
            host.submit(*(array[t : t + portion] for array in inputs))
            if settle and number < _SETTLED_STEPS:
                host.settle()
        scores = host.finish()
        host.settle()
    except HostError as problem:
        if problem.cause != "nondeterministic":
            raise
        return scores, problem
    return scores, None


def _compared(whole: Scores | None, part: Scores | None, lanes: slice) -> HostError | None:
    """What differs between some environments of one run and those of another; nothing where either has no scores."""
    return None if whole is None or part is None else _difference(_lanes(whole, lanes), part)


def _lanes(scores: Scores, lanes: slice) -> Scores:
    phi, phi0 = (None if each is None else each[:, lanes] for each in (scores.phi, scores.phi0))
    return Scores(scores.names, scores.values[:, lanes], phi, phi0, scores.seconds)


def observe_level() -> Observation:
    """What a host started now would be protected by. Raises SandboxUnavailable where none can be started."""
    source = f"def {STATE_ONLY}(state, memory):\n    return 0.0\n"
    schema = {"name": "State", "width": 1, "fields": []}
    with RewardHost(source, HostSetup([STATE_ONLY], schema, {}, allow=Isolation.NONE), 1, 1) as host:
        held, refusals = host.held, host.refusals
    level = level_of(held)
    wanted = [(layer, refusals.get(layer) or "accepted, but its canary succeeded") for layer in missing_for(held=held)]
    return Observation(level, tuple(sorted(held)), tuple((layer, why, REMEDIES[layer]) for layer, why in wanted))


def replay_module(
    source: str,
    arrays: Mapping[str, np.ndarray],
    result_shape: tuple[int, ...],
    limits: Limits | None = None,
    allow: Isolation = Isolation.KERNEL,
    without: frozenset[str] = frozenset(),
) -> np.ndarray:
    """Runs `replay(arrays)` of a module's text in a locked-down process: float64 of `result_shape`, nan
    allowed.

    The module may import numpy, math, json, dataclasses and the like; its arrays are read-only. Raises
    HostError.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    placed, size = place_arrays(arrays)
    count = int(np.prod(result_shape))
    config = {"mode": "replay", "arrays": placed, "result_shape": list(result_shape)}
    limits = limits or Limits(load_seconds=60.0)
    room = TEXT_BYTES + 8 * max(count, 1)
    process = HostProcess(config, [], (size, room), limits, allow, frozenset(without))
    process.greet()
    try:
        for name, area in read_arrays(placed, process.input).items():
            area[...] = arrays[name]
        process.load(source)
        return np.frombuffer(process.output, np.float64, count, TEXT_BYTES).reshape(result_shape).copy()
    finally:
        process.close()


def gate(
    source: str,
    functions: Sequence[str],
    uses_available: Mapping[str, str] | Iterable[str] = (),
    actions: Sequence[str] | None = None,
    allow: Isolation = Isolation.KERNEL,
    limits: Limits | None = None,
) -> list[Finding]:
    """The static findings on a program, made in a locked-down process; empty means clean.

    uses_available: field -> feature (views.costly_fields), or feature names that are their own fields.
    actions: the task's action names; given, names that nothing defines are found too. Raises HostError when
    even looking at the text takes too long or too much memory.
    """
    features = dict(uses_available) if isinstance(uses_available, Mapping) else {name: name for name in uses_available}
    config = {
        "mode": "gate",
        "functions": list(functions),
        "uses": features,
        "actions": None if actions is None else list(actions),
    }
    process = HostProcess(config, [], (1, TEXT_BYTES), limits or Limits(), allow, frozenset())
    process.greet()
    try:
        return parse_findings(process.text(process.load(source)))
    except ValueError as problem:
        raise HostError("protocol", f"the host's findings are not findings: {problem}") from None
    finally:
        process.close()


def _difference(first: Scores, second: Scores) -> HostError | None:
    """What differs, bit for bit; a component that one run never named is 0 there."""
    pairs = [(name, _column(first, name), _column(second, name)) for name in sorted({*first.names, *second.names})]
    if first.phi is not None and second.phi is not None and first.phi0 is not None and second.phi0 is not None:
        pairs += [(STATE_ONLY, first.phi, second.phi), (STATE_ONLY, first.phi0, second.phi0)]
    for name, one, other in pairs:
        wrong = np.argwhere(_bits(one) != _bits(other))
        if len(wrong):
            t, n = (int(i) for i in wrong[0])
            message = (
                f"'{name}' was {one[t, n]:.17g} in one run and {other[t, n]:.17g} in the next; "
                "keep all state in memory and use no randomness"
            )
            return HostError("nondeterministic", message, None, name, t, n)
    return None


def _column(scores: Scores, name: str) -> np.ndarray:
    if name not in scores.names:
        return np.zeros(scores.values.shape[:2])
    return scores.values[..., scores.names.index(name)]


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.int64)
