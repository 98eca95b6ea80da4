"""Rewards named for their flaw, for the tests of verdicts."""

from __future__ import annotations

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV, TrainingReward

FOUR = "def reward(prev, action, state, memory):\n"


def free(body: str, *more: Channel, head: str = "") -> TrainingReward:
    """The environment's reward plus a program of these lines."""
    text = head + FOUR + "".join(f"    {line}\n" for line in body.splitlines())
    return TrainingReward(text, ("reward",), (ENV, Channel("reward"), *more))


def potential(body: str, **options) -> TrainingReward:
    """The environment's reward plus a potential of these lines."""
    text = 'USES = ["walk_distance"]\ndef potential(state, memory):\n'
    text += "".join(f"    {line}\n" for line in body.splitlines())
    return TrainingReward(text, ("potential",), (ENV, Channel("potential", kind="potential", **options)))


SUCCESS = free("return 1.0 if state.solved else 0.0")
PICKUP_EXPLOIT = free("return 0.5 if state.event == 'picked_up' else 0.0")
DOOR_EXPLOIT = free("return 0.2 if state.event in ('opened', 'unlocked') else 0.0")
OSCILLATION = free(
    "goal = next(o for o in state.objects if o.target)\n"
    "was = abs(goal.x - prev.agent.x) + abs(goal.y - prev.agent.y)\n"
    "now = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)\n"
    "return 0.3 if now < was else 0.0"
)
IDLE_PAY = free("return 0.1 if state.event == 'declared' else 0.0")
SUICIDE = free("return 2.0 if state.event == 'died' else 0.0")
HURRY_TO_DIE = free("return -1.0")
HOLDS_THE_KEY = free("return 0.1 if state.carrying is not None and state.carrying.kind == 'key' else 0.0")
NEVER_FIRES = free("return 1.0 if state.event == 'grabbed' else 0.0")
LATCHED = free(
    "if state.event == 'picked_up' and 'got' not in memory:\n    memory['got'] = True\n    return 0.5\nreturn 0.0"
)
DISTANCE_POTENTIAL = potential(
    "goal = next(o for o in state.objects if o.target)\n"
    "return -0.05 * goal.walk_distance if goal.walk_distance >= 0 else -1.0"
)
AWAY_POTENTIAL = potential(
    "goal = next(o for o in state.objects if o.target)\nreturn 1.0 * goal.walk_distance", weight=3.0
)
