"""The certificate: does the optimum of a reward solve the task? Decided by computing it, one layout at a time.

The claim is exact for each enumerated layout, for full-state policies and for one gamma (docs/check.md). It says
nothing of learning; difficulty.py does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks.base import Task

from .counterexample import CounterExample, find_counterexample, replay
from .difficulty import Difficulty, predict_difficulty
from .model import NotCertified, RewardModel, build_model, rescored
from .solving import END, Solution, distances, evaluate, finite_horizon, optimal_reach, solve

LAYOUTS = 3
LIMIT = 400_000
QUICK_LIMIT, QUICK_WORK = 30_000, 150_000
"""Limits of a check before training: seconds on DoorKey-8x8 and UnlockPickup, larger tasks are left uncertified."""

MOST_BACKWARD_WORK = 2_000_000_000
"""Transitions times steps that backward induction may look at; beyond that it is left out, and said so."""

VERDICTS = (
    "unsound", "horizon-dependent", "depends on time", "weakly sound", "dilatory", "not certified", "sound",
)  # fmt: skip
"""Worst first: the verdict over several layouts is the first that any of them has."""


@dataclass(frozen=True)
class Optimum:
    """One solution of a layout: V* and V*_ns at the start, D = V* - V*_ns, the error bound e.

    solves: D > 2e. may_solve: optimal actions alone can reach success, in `steps` actions (None if not).
    """

    value: float
    value_without_success: float
    error: float
    solves: bool
    may_solve: bool
    steps: int | None

    @property
    def margin(self) -> float:
        """D: what solving adds to the best that can be had without it."""
        return self.value - self.value_without_success


@dataclass(frozen=True)
class LayoutCertificate:
    """What was computed on one layout. Numbers are None where `verdict` is "not certified".

    low, high: the optimum where the environment pays 0.1 and 1.0 for a success (one and the same without that
    pay). shortest: fewest actions that solve. solution_return: discounted, of a shortest solution, paid as in `high`.
    idling, dying: discounted worth of the best action repeated forever, and of the shortest way to end the
    episode without success (None if there is none). horizon_solves: whether every optimal policy of the episode's
    real, finite length solves; None if that was not computed. cycle: actions that the best non-solving policy
    repeats, and cycle_gain its mean reward per step.
    """

    layout: int
    verdict: str
    reason: str
    coverage: float | None = None
    states: int = 0
    nodes: int = 0
    transitions: int = 0
    low: Optimum | None = None
    high: Optimum | None = None
    shortest: int | None = None
    solution_return: float | None = None
    horizon_solves: bool | None = None
    idling: float | None = None
    dying: float | None = None
    cycle: tuple[str, ...] = ()
    cycle_gain: float | None = None
    counterexample: CounterExample | None = None
    difficulty: Difficulty | None = None


@dataclass(frozen=True)
class Certificate:
    """The verdict over the layouts looked at, the worst first among VERDICTS."""

    task: str
    gamma: float
    layouts: tuple[LayoutCertificate, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """One of VERDICTS."""
        return min((each.verdict for each in self.layouts), key=VERDICTS.index)

    @property
    def worst(self) -> LayoutCertificate:
        """The first layout that has the verdict."""
        return next(each for each in self.layouts if each.verdict == self.verdict)

    @property
    def passed(self) -> bool:
        """Whether training may go ahead: the learner's own optimum, which is discounted, is not known to miss."""
        return not any(
            each.verdict in ("unsound", "horizon-dependent") and each.high is not None and not each.high.may_solve
            for each in self.layouts
        )

    @property
    def unsound_rate_below(self) -> float | None:
        """3 / n where none of n certified layouts is unsound: a 95 % bound of the rate; None otherwise."""
        certified = [each for each in self.layouts if each.verdict != "not certified"]
        return None if not certified or self.verdict == "unsound" else min(1.0, 3 / len(certified))

    @property
    def difficulty(self) -> float | None:
        """Mean predicted difficulty over the layouts that have one; smaller trains sooner."""
        found = [each.difficulty.score for each in self.layouts if each.difficulty is not None]
        return float(np.mean(found)) if found else None

    def message(self) -> str:
        """The verdict in words for a designer."""
        counts = Counter(each.verdict for each in self.layouts)
        tally = ", ".join(f"{v} on {counts[v]} of {len(self.layouts)} layouts" for v in VERDICTS if counts[v])
        text = f"{tally}. {self.worst.reason}"
        if self.worst.counterexample is not None:
            text += f" {self.worst.counterexample.text}"
        return " ".join([text, *self.notes])

    def as_dict(self) -> dict[str, Any]:
        """Plain data: JSON can hold it."""
        return {
            "task": self.task,
            "gamma": self.gamma,
            "verdict": self.verdict,
            "message": self.message(),
            "unsound_rate_below": self.unsound_rate_below,
            "difficulty": self.difficulty,
            "layouts": [asdict(each) for each in self.layouts],
            "notes": list(self.notes),
        }


def certify(
    task: Task,
    reward: TrainingReward,
    gamma: float,
    layouts: int = LAYOUTS,
    limit: int = LIMIT,
    work: int | None = None,
    allow: str = "kernel",
) -> Certificate:
    """Certify a reward on the first `layouts` layouts of the task's training pool.

    `limit`: most nodes (states, with the program's memory and the gates) per layout; a layout beyond it is "not
    certified", and no further one is tried. `work`: no further layout is begun once so many transitions were
    scored; not seconds, so that the same reward always gets the same certificate. Raises sandbox.HostError for
    the program's faults.
    """
    found: list[LayoutCertificate] = []
    for layout in range(layouts):
        if work is not None and sum(each.transitions for each in found) >= work:
            break
        try:
            found.append(certify_layout(task, reward, gamma, layout, limit, allow))
        except NotCertified as reason:
            found.append(LayoutCertificate(layout, "not certified", f"Not certified: {reason}."))
            break  # the other layouts are as large, and each try costs as much
    return Certificate(task.id, gamma, tuple(found), _notes(reward))


def _notes(reward: TrainingReward) -> tuple[str, ...]:
    shaped = [c.name for c in reward.channels if c.kind == "potential"]
    if not shaped:
        return ()
    text = (
        f"Potential channel {', '.join(shaped)}: gamma * Phi(s') - Phi(s) adds up to -Phi(start) on every path, so the "
        "optimum of the other channels is preserved, also for policies that see the state in part."
    )
    return (text,)


def certify_layout(
    task: Task, reward: TrainingReward, gamma: float, layout: int, limit: int = LIMIT, allow: str = "kernel"
) -> LayoutCertificate:
    """Certify one layout. Raises NotCertified, sandbox.HostError."""
    if gamma >= 1.0:
        raise NotCertified("gamma is 1, so values may be infinite")
    model = build_model(task, reward, gamma, layout, limit, allow)
    model = _over_steps(model, task, reward, gamma, allow)
    far = distances(model.successor, model.success)
    if far[0] < 0:
        raise NotCertified("no success can be reached on this layout")
    high, best, idle = _optimum(model, model.high, gamma)
    timed = bool((model.low != model.high).any())
    low = _optimum(model, model.low, gamma)[0] if timed else high
    verdict = _verdict(low, high, int(far[0]))
    horizon = _horizon_solves(model, task.max_steps, gamma, low)
    infinite = {"sound": True, "dilatory": True, "unsound": False}.get(verdict)
    if horizon is not None and infinite is not None and horizon != infinite:
        verdict = "horizon-dependent"
    example = None
    if not (low.solves or high.solves):
        example = find_counterexample(task, model, model.high, idle.policy, gamma)
        if not replay(task, reward, example, allow).confirms(example):
            raise NotCertified("the real environment does not pay for the counter-example what was computed")
    cycle, gain = _cycle(model, idle.policy, task)
    return LayoutCertificate(
        layout, verdict, _reason(verdict, low, high, int(far[0]), horizon, task), 1.0,
        len(model.graph.state), len(model), model.transitions, low, high, int(far[0]),
        _solution_return(model, far, gamma), horizon, _idling(model, gamma), _dying(model, gamma), cycle, gain,
        example, predict_difficulty(model, best, far, task.max_steps, gamma),
    )  # fmt: skip


def _over_steps(model: RewardModel, task: Task, reward: TrainingReward, gamma: float, allow: str) -> RewardModel:
    """Let low and high bound what a program pays for success at any step; nothing else may depend on the step."""
    if not model.reads_step.any():
        return model
    low, high = model.low.copy(), model.high.copy()
    for step in (task.max_steps // 2, task.max_steps):
        other = rescored(model, task, reward, gamma, step, allow)
        if (other.high != model.high)[~model.success].any():
            raise NotCertified("it depends on time: steps that do not succeed pay by the step count")
        low, high = np.minimum(low, other.low), np.maximum(high, other.high)
    return RewardModel(**{**vars(model), "low": low, "high": high})


def _optimum(model: RewardModel, reward: NDArray[np.float64], gamma: float) -> tuple[Optimum, Solution, Solution]:
    """(the optimum at the start, the solution, the solution without transitions that succeed)."""
    everything = np.ones(reward.shape, dtype=bool)
    best = solve(model.successor, reward, everything, gamma)
    idle = solve(model.successor, reward, ~model.success, gamma)
    error = max(best.error, idle.error)
    steps, *_ = optimal_reach(model.successor, reward, model.success, best.value, gamma, 2 * error)
    value, without = float(best.value[0]), float(idle.value[0])
    reached = int(steps) if steps > 0 else None
    return Optimum(value, without, error, value - without > 2 * error, reached is not None, reached), best, idle


def _verdict(low: Optimum, high: Optimum, shortest: int) -> str:
    """Infinite horizon alone. Sound at the lowest pay implies sound; unsound at the highest implies unsound."""
    if low.solves:
        steps = [o.steps for o in (low, high) if o.steps is not None]
        return "dilatory" if min(steps, default=0) > 2 * shortest else "sound"
    if not high.solves:
        return "weakly sound" if high.may_solve else "unsound"
    return "depends on time"


def _horizon_solves(model: RewardModel, steps: int, gamma: float, low: Optimum) -> bool | None:
    """Whether every optimal policy of an episode's real length solves; None where that is too much work."""
    largest = max(float(np.abs(model.high).max()), float(np.abs(model.low).max()))
    tail = gamma**steps * (largest / (1 - gamma) + float(np.abs(model.leftover).max(initial=0.0)))
    if low.margin > 2 * (tail + low.error):
        return True  # the two horizons differ by less than that margin
    if 2 * model.successor.size * steps > MOST_BACKWARD_WORK:
        return None
    arrays = (model.successor, model.low, model.high, model.success)
    best, idle = (
        finite_horizon(*arrays, allowed, model.leftover, gamma, steps)
        for allowed in (np.ones(model.success.shape, dtype=bool), ~model.success)
    )
    return bool(best - idle > 1e-9 * (1 + abs(best)))


def _solution_return(model: RewardModel, far: NDArray[np.int32], gamma: float) -> float:
    """Discounted return of a shortest solution, paid as in `high`."""
    node, total, weight = 0, 0.0, 1.0
    while True:
        row, wins = model.successor[node], model.success[node]
        ways = np.where(wins, 1, np.where(row == END, np.iinfo(np.int32).max, far[row] + 1))
        ways[(row != END) & (far[row] < 0)] = np.iinfo(np.int32).max
        action = int(np.argmin(ways))
        total += weight * float(model.high[node, action])
        weight *= gamma
        if wins[action]:
            return total
        node = int(row[action])


def _idling(model: RewardModel, gamma: float) -> float | None:
    """Worth of the best single action repeated from the start on, leaving out those that end the episode."""
    worth: list[float] = []
    for action in range(model.successor.shape[1]):
        policy = np.full(len(model), action, np.int8)
        ended = _chain_ends(model.successor, action)
        if not ended:
            worth.append(float(evaluate(model.successor, model.high, policy, gamma)[0]))
    return max(worth, default=None)


def _chain_ends(successor: NDArray[np.int32], action: int) -> bool:
    seen, node = set(), 0
    while node != END and node not in seen:
        seen.add(node)
        node = int(successor[node, action])
    return node == END


def _dying(model: RewardModel, gamma: float) -> float | None:
    """Discounted return of the shortest way to end the episode without success, or None if there is none."""
    if not model.died.any():
        return None
    free = np.zeros(model.high.shape)
    last = optimal_reach(model.successor, free, model.died, np.zeros(len(model)), 1.0, 0.0)
    steps, parent, taken, node, action = last
    if steps < 0:
        return None
    total = float(model.high[node, action])
    while parent[node] >= 0:
        action, node = taken[node], parent[node]
        total = float(model.high[node, action]) + gamma * total
    return total


def _cycle(model: RewardModel, policy: NDArray[np.int8], task: Task) -> tuple[tuple[str, ...], float | None]:
    """The cycle that a policy from the start ends in, as action names, and its mean reward; empty if it ends."""
    place: dict[int, int] = {}
    path, node = [], 0
    while node != END and node not in place:
        place[node] = len(path)
        path.append((node, int(policy[node])))
        node = int(model.successor[node, policy[node]])
    if node == END:
        return (), None
    around = path[place[node] :]
    gain = float(np.mean([model.high[n, a] for n, a in around]))
    return tuple(task.actions.names[a] for _, a in around), gain


def _reason(verdict: str, low: Optimum, high: Optimum, shortest: int, horizon: bool | None, task: Task) -> str:
    shown = low if verdict in ("sound", "dilatory") else high
    both = f"V* is {shown.value:.4g}, without ever succeeding {shown.value_without_success:.4g}"
    if verdict == "sound":
        return f"Every optimal policy solves: {both}; it takes {shown.steps} steps, the shortest {shortest}."
    if verdict == "dilatory":
        return f"The optimum solves, but only after {shown.steps} steps where {shortest} are enough: {both}."
    if verdict == "unsound":
        return f"The optimum never solves: {both}. Solving adds nothing to what can be earned without it."
    if verdict == "weakly sound":
        return f"Some optimal policy solves and another never does, which is as good: {both}."
    if verdict == "depends on time":
        return (
            "Whether the optimum solves depends on how late a success is paid: it does where success pays all "
            f"({both}) and does not where it pays a tenth."
        )
    words = ("solves", "does not") if horizon else ("does not solve", "does")
    return (
        f"Over the episode's {task.max_steps} steps the optimum {words[0]}, over an endless one it {words[1]}: {both}."
    )
