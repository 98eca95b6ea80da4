"""Which component makes a reward unsound: the verdict is repeated with each component left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from sandbox.client import HostError, Scores
from sandbox.protocol import function_signature

MOST = 8
"""Most components that are left out by turns; a certificate of one layout is computed for each."""

_WRAPPED = """

_paid_in_full = {name}


def {name}({parameters}):
    paid = _paid_in_full({parameters})
    if isinstance(paid, dict):
        return {{part: value for part, value in paid.items() if part != {part!r}}}
    return 0.0
"""


def scores_without(scores: Scores, component: str) -> Scores:
    """Return the scores with one component at 0."""
    values = scores.values.copy()
    values[:, :, scores.names.index(component)] = 0.0
    return replace(scores, values=values)


def margins_without(scores: Scores | None, margin: Callable[[Scores], float]) -> dict[str, float]:
    """Return the battery's margin of one layout with each paying component left out.

    Args:
        scores: The components of the layout's scripts.
        margin: Computes the margin from scores.
    """
    if scores is None or len(scores.names) < 2:
        return {}
    paying = [name for i, name in enumerate(scores.names) if np.any(scores.values[:, :, i])]
    return {name: margin(scores_without(scores, name)) for name in paying[:MOST]}


def reward_without(reward: TrainingReward, component: str) -> TrainingReward:
    """Return the reward with a program that leaves one component out."""
    owner, _, part = component.rpartition(".")
    names = {function_signature(f)[0]: function_signature(f)[1] for f in reward.functions}
    if not owner:
        owner, part = (component, "") if component in names and component != "reward" else ("reward", component)
    wrapped = _WRAPPED.format(name=owner, parameters=", ".join(names[owner]), part=part)
    return replace(reward, source=reward.source + wrapped)


def verdicts_without(problem: Problem, components: Sequence[str], judge: Callable[[Problem], bool]) -> dict[str, bool]:
    """Return for each component whether the reward passes without it.

    Args:
        problem: The task and the reward.
        components: Names of the components, as the program returns them.
        judge: Whether a reward passes; it may raise HostError, which counts as not passing.
    """
    found: dict[str, bool] = {}
    for name in components[:MOST] if len(components) > 1 else ():
        try:
            found[name] = judge(problem.with_reward(reward_without(problem.reward, name)))
        except HostError:
            found[name] = False
    return found


def guilty_words(passes: Mapping[str, bool], what: str) -> str:
    """Say which components are guilty; "" if nothing was left out."""
    if not passes:
        return ""
    guilty = [name for name, passed in passes.items() if passed]
    if not guilty:
        return f"Leaving out any one component does not change the verdict of the {what}."
    if len(guilty) == 1:
        return f"Guilty is the component {guilty[0]}: without it the {what} passes."
    return f"Without any one of the components {', '.join(guilty)} the {what} passes."
