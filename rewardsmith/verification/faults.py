"""The check `fields`: values that cannot occur and fields that do not exist, as language models write them.

A finding fails if a milestone depends on it. This is tried, not guessed: the program is scored once more as if its
impossible conditions were met, on the same transitions, and what it pays more is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.impossible import Impossible, StaticFaults, static_faults
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks.base import Task
from sandbox.client import HostError, Scores

_NOTHING = 1e-9
_MOST_SHOWN = 6


@dataclass(frozen=True)
class FieldFaults:
    """What the check `fields` found.

    Attributes:
        failed: Findings that send a program back, in words.
        noted: Findings that do not.
        milestones: Components that pay only if a condition is met that no state can meet.
    """

    failed: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()
    milestones: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The findings as text for the designer, one a line."""
        if not self.failed and not self.noted:
            return "every field that is read exists, and every condition on one can be met"
        lines = [*self.failed, *(f"noted: {text}" for text in self.noted)]
        more = len(lines) - _MOST_SHOWN
        return "\n".join([*lines[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])])

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as plain data."""
        return {"failed": list(self.failed), "noted": list(self.noted), "milestones": list(self.milestones)}


def field_faults(problem: Problem, rollout: Rollout, scores: Scores) -> FieldFaults:
    """Look for values that cannot occur and fields that do not exist.

    Args:
        problem: The task, the reward and the learner's gamma.
        rollout: Transitions, best with successes among them.
        scores: The program's components on them.
    """
    faults = static_faults(
        problem.reward.source, problem.task.schema, problem.reward.functions, _meanings(problem.task)
    )
    if not faults.impossible and not faults.missing:
        return FieldFaults()
    unpaid = _unpaid(problem, rollout, scores, faults)
    failed, noted = [], []
    for each in faults.impossible:
        mine = sorted(name for name, causes in unpaid.items() if each in causes)
        if mine:
            failed.append(f"{each.text}. {_never(mine)}")
        else:
            noted.append(each.text)
    for each in faults.missing:
        line, names = each.node.lineno, ", ".join(each.names)
        text = f"line {line}: {each.where} has no field {each.node.attr!r}, so this line fails whenever it runs"
        failed.append(f"{text}; it has: {names}")
    return FieldFaults(tuple(dict.fromkeys(failed)), tuple(dict.fromkeys(noted)), tuple(sorted(unpaid)))


def _never(names: Sequence[str]) -> str:
    named = f"component {names[0]}" if len(names) == 1 else f"components {', '.join(names)}"
    return f"So the {named} can never pay what depends on this condition"


def _meanings(task: Task) -> dict[str, str]:
    """Descriptions of events, by name, where the task's facts have them."""
    found = task.interface().facts.get("events") or ()
    return {str(e["name"]): str(e.get("doc", "")) for e in found if isinstance(e, dict) and "name" in e}


def _unpaid(problem: Problem, rollout: Rollout, scores: Scores, faults: StaticFaults) -> dict[str, list[Impossible]]:
    """The components that would pay if impossible conditions were met, and these conditions.

    A component counts if it pays nothing as the program stands. One that pays elsewhere counts only if the nearest
    value that exists makes it pay more: a program may ask for one event by two names.
    """
    deciding = list(faults.deciding)
    paid = _paid(scores)
    met, corrected = faults.with_conditions_met(), faults.with_nearest_values()
    gains = _gains(paid, _scored(problem, rollout, met)) if met else {}
    near = _gains(paid, _scored(problem, rollout, corrected)) if corrected else {}
    names = {n for n in gains if not (paid.get(n, np.zeros(1)) > _NOTHING).any() or n in near}
    names |= {n for n in near if n in gains or not deciding}
    found: dict[str, list[Impossible]] = {}
    for name in names:
        causes = deciding or [each for each in faults.impossible if each.corrected is not None]
        if len(causes) > 1:
            causes = _causes(problem, rollout, faults, name, paid) or causes
        found[name] = causes
    return found


def _causes(
    problem: Problem, rollout: Rollout, faults: StaticFaults, name: str, paid: dict[str, NDArray[np.float64]]
) -> list[Impossible]:
    """The conditions without which a component would not pay although all others were met."""
    found = []
    deciding = list(faults.deciding)[:_MOST_SHOWN]
    every = _scored(problem, rollout, faults.with_conditions_met() or "")
    for each in deciding:
        others = tuple(replace(i, decides=i.decides and i is not each) for i in faults.impossible)
        source = replace(faults, impossible=others).with_conditions_met()
        without = _scored(problem, rollout, source) if source else paid
        if every is None or without is None or name not in every:
            return []
        if (every[name] > without.get(name, np.zeros_like(every[name])) + _NOTHING).any():
            found.append(each)
    return found


def _scored(problem: Problem, rollout: Rollout, source: str) -> dict[str, NDArray[np.float64]] | None:
    """The components of a changed program on the rollout; None if it fails."""
    try:
        scores = problem.with_reward(replace(problem.reward, source=source)).scores(rollout)
    except HostError:
        return None
    return None if scores is None else _paid(scores)


def _paid(scores: Scores) -> dict[str, NDArray[np.float64]]:
    found = {name: scores.values[:, :, i] for i, name in enumerate(scores.names)}
    return found if scores.phi is None else {**found, "potential": scores.phi}


def _gains(before: dict[str, NDArray[np.float64]], after: dict[str, NDArray[np.float64]] | None) -> set[str]:
    """Components that pay a positive amount after a change where they paid less, or nothing, before."""
    return {
        name
        for name, values in (after or {}).items()
        if (values > np.maximum(before.get(name, np.zeros_like(values)), 0.0) + _NOTHING).any()
    }
