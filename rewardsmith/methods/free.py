"""Free form: one reward() with named components, added to the environment's own reward (as in Eureka)."""

from __future__ import annotations

from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV

METHOD = Method(
    name="free",
    summary="reward() with up to 16 named components, added to the environment's reward",
    functions=("reward",),
    channels=(ENV, Channel(name="reward", weight=1.0)),
)
