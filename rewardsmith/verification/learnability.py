"""The check `learnability`: whether a reward will hardly be learned from, and why. It tells, and never fails.

`guidance_checks` runs it with the checks components and direction, which read the same enumerated states.

docs/check.md (Learnability) describes the reasons. The prediction is that of difficulty.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rewardsmith.verification.difficulty import Difficulty
from rewardsmith.verification.direction import Direction, Guidance
from rewardsmith.verification.guidance import Told, along_reference, dead_components, directions_told
from rewardsmith.verification.model import POTENTIAL
from rewardsmith.verification.verdicts import LayoutCertificate

_HARDLY = 0.05  # mean success of the rehearsals below which learning is unlikely
_MISLED, _UNRELATED, _RARE = 0.1, 0.1, 0.1
_FEWEST_STEPS = 3
_SPARSE = 0.01


def guidance_checks(
    found: Sequence[LayoutCertificate],
    components: Mapping[str, Mapping[str, float]],
    played: int,
    actions: Sequence[str],
    trends: Sequence[Mapping[str, tuple[float, bool]]],
    *,
    pays: bool = True,
) -> list[tuple[str, Told]]:
    """Run the checks components, direction and learnability; those without anything to judge are left out.

    Args:
        found: The certificates of layouts of which it is known what the reward says there.
        components: Statistics of each component on the transitions played, see `sample.component_statistics`.
        played: Number of transitions played.
        actions: Names of the task's actions.
        trends: What `guidance.trends_along` found, one per start of a reference.
        pays: Whether a channel pays the components. Otherwise they have no sign that could point away from success.
    """
    guided = [(each.layout, each.guidance) for each in found if each.guidance is not None]
    both = [(each.difficulty, each.guidance) for each in found]
    known = [(difficulty, guidance) for difficulty, guidance in both if difficulty and guidance]
    told = (
        ("components", dead_components(components, played, [each for _, each in guided])),
        ("direction", (directions_told(guided) or along_reference(trends)) if pays else None),
        ("learnability", learnability_told(known, components, actions)),
    )
    return [(kind, each) for kind, each in told if each is not None]


def learnability_told(
    found: Sequence[tuple[Difficulty, Guidance]],
    components: Mapping[str, Mapping[str, float]],
    actions: Sequence[str],
) -> Told | None:
    """Say whether the reward will hardly be learned from, and for which reasons; None without enumerated states.

    Args:
        found: The predicted difficulty, and what the reward says about the way to success, of each layout.
        components: Statistics of each component on the transitions played, see `sample.component_statistics`.
        actions: Names of the task's actions.
    """
    if not found:
        return None
    success = float(np.mean([difficulty.success for difficulty, _ in found]))
    details = {"success": success, "hardly": success < _HARDLY, "reasons": [], "noted": []}
    rehearsed = f"a rehearsal of learning on the enumerated states succeeds in {100 * success:.0f} % of its episodes"
    if success >= _HARDLY:
        return Told(True, rehearsed, details)
    guidance = [each for _, each in found]

    def because(names: Sequence[str]) -> list[str]:
        return [
            *_wrong_signs(guidance),
            *_misleading(guidance),
            *_freezing([each for each, _ in found], components, names),
            *_silent([each for each, _ in found]),
        ]

    def said(reasons: Sequence[str]) -> str:
        why = "; ".join(reasons) or "no single cause was found"
        return f"PPO will hardly learn from this reward: {rehearsed}. {why[:1].upper()}{why[1:]}"

    reasons = because(actions)
    # A designer from whom the planner is hidden must not be told which actions a solution needs.
    unnamed = said(because(["an action"] * len(actions)))
    text = said(reasons)
    told = {"reasons": reasons, "noted": [text], "noted_without_actions": [unnamed]}
    return Told(True, f"noted: {text}", {**details, **told})


def _wrong_signs(found: Sequence[Guidance]) -> Iterator[str]:
    wrong = sorted({d.component for each in found for d in each.directions if d.wrong})
    if wrong:
        yield f"{_named(wrong)} for moving away from success in a stage of the solution"


def _misleading(found: Sequence[Guidance]) -> Iterator[str]:
    share = float(np.mean([each.misleads for each in found]))
    if share < _MISLED:
        return
    vague = sorted({d.component for each in found for d in each.directions if _unrelated(d)})
    text = f"on {100 * share:.0f} % of the steps of shortest solutions, no action that leads on is paid best"
    if vague:
        text += f"; in a stage of the solution, {_named(vague)} for closeness that is not progress"
    yield f"{text} (a distance may lead through walls, or to an object that is not needed yet)"


def _unrelated(d: Direction) -> bool:
    """Whether a component pays often in a stage, but as much for going away from success as for coming closer."""
    return (
        d.rewards and not d.wrong and d.paid >= _RARE and d.steps >= _FEWEST_STEPS and abs(d.correlation) < _UNRELATED
    )


def _freezing(
    found: Sequence[Difficulty], components: Mapping[str, Mapping[str, float]], actions: Sequence[str]
) -> Iterator[str]:
    rarest: dict[int, float] = {}
    for each in found:
        for action, chance in each.avoided:
            rarest[action] = min(chance, rarest.get(action, 1.0))
    if not rarest:
        return
    named = ", ".join(f"{actions[a]} ({100 * chance:.1f} %)" for a, chance in sorted(rarest.items()))
    text = (
        f"before its first success, the policy learns to avoid actions that the solution needs: {named}, each "
        f"{100 / len(actions):.0f} % in random play"
    )
    costs = sorted(
        (n for n, c in components.items() if c["max"] <= 0.0 > c["min"]), key=lambda n: components[n]["mean"]
    )
    yield f"{text}; components that only take: {', '.join(costs)}" if costs else text


def _silent(found: Sequence[Difficulty]) -> Iterator[str]:
    density = float(np.mean([each.density for each in found]))
    if density < _SPARSE:
        yield f"only {100 * density:.2g} % of random steps are rewarded"


def _named(components: Sequence[str]) -> str:
    names = ["the potential" if name == POTENTIAL else f"the component {name}" for name in components]
    if names == ["the potential"]:
        return "the potential rises"
    return f"{' and '.join(names)} {'pays' if len(names) == 1 else 'pay'}"
