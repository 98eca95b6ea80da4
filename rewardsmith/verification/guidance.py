"""The checks `components` and `direction`: components that pay nothing, and those that pay for the opposite.

Both read the plain data of a certificate, and the episodes of a task's reference where there is no certificate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rewardsmith.verification.direction import Direction, Guidance, rank_correlation
from rewardsmith.verification.model import POTENTIAL
from rewardsmith.verification.scripts import Played
from sandbox.client import Scores

_FALLS = -0.9
_NOTHING = 1e-9


@dataclass(frozen=True)
class Told:
    """The result of one check: whether it passed, in words, and as plain data."""

    passed: bool
    message: str
    details: dict[str, Any]


def dead_components(
    played: Mapping[str, Mapping[str, float]], transitions: int, found: Sequence[Guidance]
) -> Told | None:
    """Name the components that pay nothing on any transition; fail if none pays anything. None without components.

    Args:
        played: Statistics of each component on the transitions played, see `sample.component_statistics`.
        transitions: Number of transitions played.
        found: What the reward says on each layout that was enumerated.
    """
    names = sorted({*played, *(name for each in found for name in each.pays)})
    if not names:
        return None
    pays = {name: sum(each.pays.get(name, 0) for each in found) for name in names}
    dead = [name for name in names if not pays[name] and not played.get(name, {}).get("fires", 0.0)]
    whole = [each for each in found if each.complete]
    scored = sum(each.transitions for each in found)
    where = f"on {transitions:,} played transitions"
    if found:
        parts = "whole" if len(whole) == len(found) else "in part"
        where += f" and {scored:,} of {len(found)} layout{'s' if len(found) > 1 else ''}, enumerated {parts}"
    details = {
        "dead": dead, "pays": pays, "played": transitions, "scored": scored, "complete": len(whole), "noted": [],
    }  # fmt: skip
    if not dead:
        return Told(True, f"every component pays something {where}", details)
    text = "; ".join(f"{name} {'is the same everywhere' if name == POTENTIAL else 'pays nothing'}" for name in dead)
    if len(dead) < len(names):
        return Told(True, f"noted: {text} ({where})", {**details, "noted": [f"{text} ({where})"]})
    return Told(
        False, f"no component pays anything: {text} ({where}). Check the conditions under which it pays", details
    )


def directions_told(found: Sequence[tuple[int, Guidance]]) -> Told | None:
    """Say how the rewards follow progress; fail if a component has, on every layout, a stage with the wrong sign.

    Args:
        found: (layout, what the reward says on it).
    """
    if not found:
        return None
    leads = float(np.mean([each.leads_on for _, each in found]))
    correlation = float(np.mean([each.correlation for _, each in found]))
    text = (
        f"on {100 * leads:.0f} % of the steps of shortest solutions only actions that lead on are paid best; rank "
        f"correlation of rewards with exact progress {correlation:.2f}"
    )
    every = _worst_stages(found)
    wrong = {name: cases for name, cases in every.items() if len(cases) == len(found)}
    noted = [_suspected(case, len(found)) for case in every.items() if case[0] not in wrong]
    details = {
        "leads_on": leads,
        "correlation": correlation,
        "wrong": {name: [_plain(layout, each) for layout, each in cases] for name, cases in wrong.items()},
        "noted": noted,
    }
    lines = [*map(_accused, wrong.items()), *(f"noted: {each}" for each in noted), text]
    return Told(not wrong, "\n".join(lines), details)


def _worst_stages(found: Sequence[tuple[int, Guidance]]) -> dict[str, list[tuple[int, Direction]]]:
    """Per component, its worst stage on each layout that has a stage in which its sign is wrong."""
    worst: dict[str, list[tuple[int, Direction]]] = {}
    for layout, each in found:
        for name in {d.component for d in each.directions if d.wrong}:
            mine = [d for d in each.directions if d.wrong and d.component == name]
            worst.setdefault(name, []).append((layout, max(mine, key=lambda d: d.steps)))
    return worst


def _accused(case: tuple[str, list[tuple[int, Direction]]]) -> str:
    name, cases = case
    what = "The potential rises" if name == POTENTIAL else f"The component {name} pays"
    return (
        f"{what} for moving away from success, on each of the {len(cases)} layouts looked at. {_evidence(*cases[0])}. "
        "Turn its sign round: pay the distance before minus the distance after, or let a potential rise as the "
        "distance falls."
    )


def _suspected(case: tuple[str, list[tuple[int, Direction]]], layouts: int) -> str:
    name, cases = case
    what = "the potential rises" if name == POTENTIAL else f"the component {name} pays"
    return (
        f"{what} for moving away from success on {len(cases)} of {layouts} layouts. {_evidence(*cases[0])}. It may "
        "measure a distance through walls, or to an object that the stage does not need"
    )


def _evidence(layout: int, worst: Direction) -> str:
    return (
        f"On training layout {layout}, in stage {worst.stage} of a shortest solution ({worst.steps} steps), its sign "
        f"is that of progress on only {100 * worst.agrees:.0f} % of the paid transitions that change the distance "
        f"(rank correlation {worst.correlation:.2f})"
    )


def _plain(layout: int, each: Direction) -> dict[str, Any]:
    return {"layout": layout, "stage": each.stage, "steps": each.steps, "agrees": each.agrees,
            "correlation": each.correlation, "paid": each.paid}  # fmt: skip


def trends_along(played: Played, scores: Scores | None) -> dict[str, tuple[float, bool]] | None:
    """Return per component its trend along the reference's way to success, and whether it pays above 0 before one.

    The trend is the rank correlation of the component's sum, or of the potential, with the step; None if the reference
    does not succeed.
    """
    if scores is None or not played.led or not len(played.solved) or not played.solved[0]:
        return None
    last = played.success_step(0)
    # A cost of each step with a bonus for success has no wrong sign.
    inside = (np.arange(len(played.rollout.starts))[:, None] < played.length) & ~played.rollout.success
    found = {
        name: (_trend(np.cumsum(values[:last, 0])), bool((values[inside] > _NOTHING).any()))
        for name, values in ((name, scores.values[:, :, i]) for i, name in enumerate(scores.names))
    }
    return found if scores.phi is None else {**found, POTENTIAL: (_trend(scores.phi[:last, 0]), True)}


def along_reference(trends: Sequence[Mapping[str, tuple[float, bool]]]) -> Told | None:
    """Compare the components with the reference's way to success; None without one.

    A component has the wrong sign if its sum, or the potential, falls all along the way from every start, although it
    pays something positive elsewhere.

    Args:
        trends: What `trends_along` found, one per start.
    """
    if not trends:
        return None
    names = sorted({name for each in trends for name in each})
    means = {name: float(np.mean([each[name][0] for each in trends if name in each])) for name in names}
    wrong = [
        name
        for name in names
        if all(name in each and each[name][0] <= _FALLS for each in trends) and any(each[name][1] for each in trends)
    ]
    shown = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    text = f"rank correlation of each component's sum with the steps of the reference's way to success: {shown}"
    details = {"reference": means, "wrong": {name: [] for name in wrong}}
    if not wrong:
        return Told(True, text, details)
    accused = f"Along the reference's way to success, from each of {len(trends)} starts, {', '.join(wrong)} only falls"
    return Told(False, f"{accused}. Turn its sign round.\n{text}", details)


def _trend(values: np.ndarray) -> float:
    return rank_correlation(values, np.arange(len(values))) if len(values) > 2 else 0.0
