"""The public functions of the trusted side: score with an untrusted program, check its text, replay modules."""

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
"""Number of messages after each of which a host checks for changed state: later the state may be restored."""


@dataclass(frozen=True)
class Observation:
    """The protection of a host on this machine.

    Attributes:
        level: The sandbox level reached.
        held: The layers in force.
        missing: (layer, reason, remedy) of each other layer.
    """

    level: Isolation
    held: tuple[str, ...]
    missing: tuple[tuple[str, str, str], ...]


def check_determinism(
    source: str, setup: HostSetup, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray
) -> HostError | None:
    """Score the same rollout in three fresh hosts and compare the results.

    The second host gets the environments in reverse order and the steps in small portions, which reveals state that
    leaks between environments or calls. The third gets only the last environment, step by step. Each host also checks
    whether the program changed anything except its memories, which is an error even if no result differs.

    Args:
        source: Text of the program.
        setup: Setup of the hosts.
        before: [T, N, width], the states before, in the schema's dtype.
        actions: int64 [T, N] or float64 [T, N, A].
        after: [T, N, width], the states after.
        starts: bool [T, N], whether an episode starts at this step.

    Returns:
        The first difference or failure; None if all hosts agree.
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
    # A different result is a better message than a changed state.
    different = _compared(scores[0], scores[1], slice(None, None, -1)) or _compared(scores[0], scores[2], ways[2][0])
    return different or next((changed for _, changed in found if changed is not None), None)


def _scored_in_portions(
    host: RewardHost, inputs: Sequence[np.ndarray], portion: int, *, settle: bool
) -> tuple[Scores | None, HostError | None]:
    """(the scores, or None if scoring stopped earlier; the error if the program changed more than its memories)."""
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
    """The difference between some environments of one run and those of another; None if either has no scores."""
    return None if whole is None or part is None else _difference(_lanes(whole, lanes), part)


def _lanes(scores: Scores, lanes: slice) -> Scores:
    phi, phi0 = (None if each is None else each[:, lanes] for each in (scores.phi, scores.phi0))
    return Scores(scores.names, scores.values[:, lanes], phi, phi0, scores.seconds)


def observe_level() -> Observation:
    """Start a host and observe its protection. Raises SandboxUnavailable if no host can be started."""
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
    """Run `replay(arrays)` of a module's text in a locked-down process.

    The module may import the modules of reward code, and also json and re.

    Args:
        source: Text of the module.
        arrays: Numeric arrays by name, read-only for the module.
        result_shape: Shape of the result.
        limits: The limits of the process; by default those of `Limits` with 60 s for loading.
        allow: The weakest sandbox level to accept.
        without: Layers to omit, for tests.

    Returns:
        float64 of `result_shape`; nan is allowed.

    Raises:
        HostError: The module failed.
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
    """Check a program's text in a locked-down process; an empty list means no findings.

    Args:
        source: Text of the program.
        functions: Names of the required functions, or "name(parameters)".
        uses_available: Feature of each costly field (views.costly_fields), or names of features equal to their fields.
        actions: The task's action names; None to not report undefined names.
        allow: The weakest sandbox level to accept.
        limits: The limits of the process.

    Raises:
        HostError: Checking the text takes too long or too much memory.
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
        raise HostError("protocol", f"the host sent malformed findings: {problem}") from None
    finally:
        process.close()


def _difference(first: Scores, second: Scores) -> HostError | None:
    """The first value that is not bit-equal; a component that a run lacks is 0 there."""
    pairs = [(name, _column(first, name), _column(second, name)) for name in sorted({*first.names, *second.names})]
    if first.phi is not None and second.phi is not None and first.phi0 is not None and second.phi0 is not None:
        pairs += [(STATE_ONLY, first.phi, second.phi), (STATE_ONLY, first.phi0, second.phi0)]
    for name, one, other in pairs:
        wrong = np.argwhere(_bits(one) != _bits(other))
        if len(wrong):
            t, n = (int(i) for i in wrong[0])
            message = (
                f"'{name}' is {one[t, n]:.17g} in one run and {other[t, n]:.17g} in another; "
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
