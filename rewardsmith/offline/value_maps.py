"""The picture of a check: the optimal values of the reward on the layout that its verdict is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.offline.check_reward import CheckedReward, CheckSettings, reward_of
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import state_limit_of
from rewardsmith.verification.model import NotCertified
from rewardsmith.verification.value_map import ValueMap, value_map
from sandbox.client import HostError


def map_of(checked: CheckedReward, source: str, settings: CheckSettings, limit: int | None) -> tuple[ValueMap, str]:
    """Return the values on the layout of the first counter-example, else on the first layout, and the verdict.

    Args:
        checked: The verdicts on the reward.
        source: Text of the program.
        settings: Settings of the check.
        limit: Largest number of states to enumerate; by default that of the task.

    Raises:
        UsageError: The layout cannot be enumerated, or the task draws no grids.
    """
    task = get_task(checked.task)
    problem = Problem(task, reward_of(source), checked.gamma, settings.isolation)
    layout, example = _shown(checked)
    try:
        found = value_map(problem, layout, state_limit_of(task) if limit is None else limit, example)
    except (NotCertified, HostError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"There is no picture of this reward: {reason}", "Check it without --picture.") from error
    told = [v for v in checked.checked.verdicts if v.kind in ("certificate", "battery")]
    failed = next((v for v in told if not v.passed), None)
    shown = failed or (told[-1] if told else None)
    return found, f"{checked.task}, layout {layout}. " + ("" if shown is None else f"{shown.kind}: {shown.message}")


def _shown(checked: CheckedReward) -> tuple[int, Mapping[str, Any] | None]:
    """Return the layout to show, and its counter-example if it has one."""
    certificate, battery = checked.verdict("certificate"), checked.verdict("battery")
    layouts = certificate.details["layouts"] if certificate is not None else []
    example = next((each["counterexample"] for each in layouts if each.get("counterexample")), None)
    if example is None and battery is not None:
        example = battery.details.get("counterexample")
    if example is not None:
        return int(example["layout"]), example
    return (int(layouts[0]["layout"]) if layouts else 0), None
