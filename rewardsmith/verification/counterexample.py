"""Counter-examples: trajectories of policies that never solve the task, as text, as data, and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import record
from rewardsmith.tasks.base import Behaviour, Task
from rewardsmith.tasks.capabilities import ListedStarts, events_of, starts_of
from rewardsmith.tasks.subgoals import MOTION

from .model import RewardModel
from .solving import END

_NAME = "counter-example"
_SHOWN = 24  # most actions that are written out
_SAID_BY_THE_ACTION = MOTION | {"declared"}
"""Events that add nothing to the name of the action."""


@dataclass(frozen=True)
class CounterExample:
    """A behaviour on one training layout, and its return as computed from the enumerated model.

    Attributes:
        task: The task's id.
        behaviour: The actions: a prefix, then a cycle.
        seed: Seed of the environment's reset that gives this layout.
        gamma: The discount factor, in (0, 1).
        steps: Number of actions of the episode.
        claimed: Discounted return of these actions.
        undiscounted: Sum of their rewards.
        text: The counter-example in words.
    """

    task: str
    behaviour: Behaviour
    seed: int
    gamma: float
    steps: int
    claimed: float
    undiscounted: float
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as stored with a certificate; the inverse of `from_dict`."""
        acts = self.behaviour
        return {
            "task": self.task, "layout": acts.layout, "seed": self.seed, "gamma": self.gamma, "prefix": acts.prefix,
            "cycle": acts.cycle, "steps": self.steps, "claimed": self.claimed, "undiscounted": self.undiscounted,
            "text": self.text,
        }  # fmt: skip

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> CounterExample:
        """Read a stored counter-example, which `replay` can play. Raises KeyError or TypeError for other data."""
        v = values
        return CounterExample(
            v["task"], read_behaviour(v), v["seed"], v["gamma"], v["steps"], v["claimed"], v["undiscounted"], v["text"]
        )


def read_behaviour(values: Mapping[str, Any]) -> Behaviour:
    """Read the behaviour of a stored counter-example. Raises KeyError or TypeError for other data."""
    prefix = tuple(tuple(each) if isinstance(each, list) else each for each in values["prefix"])
    return Behaviour(_NAME, prefix, tuple(values["cycle"]), values["layout"])


def find_counterexample(
    problem: Problem,
    model: RewardModel,
    policy: NDArray[np.int8],
    *,
    ends: bool = True,
    paid: Replayed | None = None,
) -> CounterExample:
    """Follow a policy that never succeeds from the start of a layout.

    Args:
        problem: The task, the reward and the learner's gamma.
        model: The enumerated reward.
        policy: int8 [N], the action at every node.
        ends: Whether END always means the end of an episode; false for a model that is enumerated in part.
        paid: The replayed episode, whose return is used if the model's rewards are not exact.
    """
    task, gamma = problem.task, problem.gamma
    place: dict[int, int] = {}
    nodes: list[int] = []
    node = 0
    while node != END and node not in place:
        place[node] = len(nodes)
        nodes.append(node)
        node = int(model.successor[node, policy[node]])
    actions = [int(policy[n]) for n in nodes]
    first = len(nodes) if node == END else place[node]
    gains = [float(model.high[n, a]) for n, a in zip(nodes, actions, strict=True)]
    steps = len(nodes) if node == END else task.max_steps
    order = [k if k < len(nodes) else first + (k - first) % (len(nodes) - first) for k in range(steps)]
    claimed = sum(gamma**t * gains[k] for t, k in enumerate(order))
    plain = sum(gains[k] for k in order)
    if paid is not None:
        claimed, plain = paid.discounted, paid.undiscounted
    words = [
        _words(task, model.graph, int(model.state[n]), a, t >= min(first, len(nodes) - 1))
        for t, (n, a) in enumerate(zip(nodes, actions, strict=True))
    ]
    text = _text(words[:first], words[first:], model.graph.layout, steps, claimed, ends)
    acts = Behaviour(_NAME, tuple(actions[:first]), tuple(actions[first:]), model.graph.layout)
    return CounterExample(task.id, acts, _seed(task, model.graph.layout), gamma, steps, claimed, plain, text)


def played_counterexample(
    problem: Problem, graph: Any, steps: Sequence[tuple[int, int]], first: int
) -> tuple[CounterExample, Replayed]:
    """Make a counter-example of steps whose return is not computed but played.

    Args:
        problem: The task, the reward and the learner's gamma.
        graph: The state graph of the layout.
        steps: (state of the graph, action) of each step.
        first: The step at which the repeated part begins; the number of steps if none is repeated.

    Returns:
        The counter-example and the episode that was played.
    """
    task, layout = problem.task, graph.layout
    actions = [action for _, action in steps]
    acts = Behaviour(_NAME, tuple(actions[:first]), tuple(actions[first:]), layout)
    length = len(steps) if first == len(steps) else task.max_steps
    script = CounterExample(task.id, acts, _seed(task, layout), problem.gamma, length, 0.0, 0.0, "")
    played = replay(problem, script)
    words = [
        _words(task, graph, state, action, t >= min(first, len(steps) - 1)) for t, (state, action) in enumerate(steps)
    ]
    text = _text(words[:first], words[first:], layout, played.steps, played.discounted, True)
    claimed = replace(script, claimed=played.discounted, undiscounted=played.undiscounted, text=text)
    return claimed, played


def solution_script(problem: Problem, layout: int, actions: Sequence[int]) -> CounterExample:
    """Wrap actions that solve a layout for `replay`. Their return is not computed: `claimed` is 0."""
    acts = Behaviour("solution", tuple(actions), layout=layout)
    seed = _seed(problem.task, layout)
    return CounterExample(problem.task.id, acts, seed, problem.gamma, len(actions), 0.0, 0.0, "")


def _seed(task: Task, layout: int) -> int:
    return _starts(task).start_seed(layout)


def _starts(task: Task) -> ListedStarts:
    starts = starts_of(task)
    if starts is None:
        raise ValueError(f"the starts of {task.id} cannot be enumerated")
    return starts


def _words(task: Task, graph: Any, state: int, action: int, told: bool) -> str:
    """An action with its event; where a task has no events and it is `told`, with the state that it leads to."""
    row = graph.rows_after(np.array([state]))[0, action]
    name, events = task.actions.names[action], events_of(task)
    if events is None:
        return f"{name} (to {task.caption(row, graph.tables)})" if told else name
    event, kind = events.read_event(row)
    if event in _SAID_BY_THE_ACTION:
        return name
    return f"{name} ({event.replace('_', ' ')}{f' the {kind}' if kind else ''})"


def _text(prefix: list[str], cycle: list[str], layout: int, steps: int, worth: float, ends: bool) -> str:
    text = f"Counter-example on training layout {layout}: {_joined(prefix)}".rstrip()
    if cycle:
        text += f"{', then' if prefix else ''} repeat: {_joined(cycle)}"
        return f"{text}. This earns {worth:.4g} (discounted, {steps} steps) and never solves the task."
    if not ends:
        return f"{text}. Up to there it earns {worth:.4g} (discounted, {steps} steps) and does not solve the task."
    return f"{text}. This ends the episode without success and earns {worth:.4g} (discounted)."


def _joined(words: list[str]) -> str:
    runs = [(word, len(list(same))) for word, same in groupby(words[:_SHOWN])]
    text = ", ".join(word if count == 1 else f"{word} x{count}" for word, count in runs)
    return text + (f", ... ({len(words)} actions)" if len(words) > _SHOWN else "")


@dataclass(frozen=True)
class Replayed:
    """The result of a counter-example that was played in the real environment.

    Attributes:
        discounted: Discounted return.
        undiscounted: Sum of rewards.
        solved: Whether the episode succeeded.
        steps: Length of the episode.
        channels: Undiscounted sum of each channel.
        components: Undiscounted sum of each component.
    """

    discounted: float
    undiscounted: float
    solved: bool
    steps: int
    channels: dict[str, float] = field(default_factory=dict)
    components: dict[str, float] = field(default_factory=dict)

    def confirms(self, example: CounterExample, tolerance: float = 1e-6) -> bool:
        """Return whether the episode did not succeed and has the return that the model computed."""
        return not self.solved and abs(self.discounted - example.claimed) <= tolerance * (1 + abs(example.claimed))


def replay(problem: Problem, example: CounterExample) -> Replayed:
    """Play a counter-example in the real environment and score it as training does.

    The compiled engine is not used: states are read from the environment's own objects. Raises sandbox.HostError if the
    program fails.
    """
    task, layout = problem.task, example.behaviour.layout
    assert layout is not None, "a counter-example has a layout"
    batch = _starts(task).real_batch(1, "train")
    batch.play(layout)
    rollout = record(batch, task, lambda t, starts: [example.behaviour.action(t)], example.steps, once=True)
    batch.close()
    done = len(rollout.starts)
    scores = problem.scores(rollout)
    composed = problem.compose(rollout, scores)
    total = composed.total[:, 0]
    discounted = float((total * problem.gamma ** np.arange(done)).sum())
    channels = {name: float(part.sum()) for name, part in composed.parts.items()}
    sums = [] if scores is None else scores.values[:, 0].sum(axis=0).tolist()
    components = dict(zip(scores.names if scores else (), sums, strict=True))
    return Replayed(discounted, float(total.sum()), bool(rollout.success.any()), done, channels, components)
