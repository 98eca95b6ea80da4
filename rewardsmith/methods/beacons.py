"""Words as Beacons (Ruiz-Gonzalez et al. 2024, arXiv 2410.08632): ordered subgoals, shown to the policy and paid.

    r = r_env + alpha * (1 - subgoal_steps / max_steps)   on the step that reaches the present subgoal

subgoal_steps counts from the subgoal before. A subgoal is an object to stand on or to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.errors import UsageError
from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.routing.beacon import SIZES, Encoding, Progress, Told
from rewardsmith.methods.routing.routes import ErringRoutes, PlannedRoutes, Routes, WrittenRoutes
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of, planner_of
from rewardsmith.tasks.policy_inputs import with_inputs
from rewardsmith.training.learner import Experience, Learner

_FUNCTION = "beacons"


class BeaconsOptions(Options):
    """Options of Words as Beacons.

    Attributes:
        source: "code": a designer writes a function that lists the subgoals of an episode. "oracle": the planner's.
        encoding: What the policy is told: the object's relative position, the object, or both.
        sight: "view": from when the agent's view has shown the object. "state": always, which is privileged.
    """

    source: Literal["code", "oracle"] = "code"
    accuracy: float = Field(
        default=1.0, ge=0, le=1, description="probability that a subgoal is right; others are random"
    )
    alpha: float = Field(default=0.2, ge=0, description="pay of a subgoal that is reached at once; 0.2 published")
    encoding: Encoding = "both"
    sight: Literal["view", "state"] = "view"
    null: float = Field(default=0.3, ge=0, lt=1, description="share of training episodes that are told nothing")
    expires: bool = Field(default=True, description="whether the next subgoal follows after max_steps / number of them")


@dataclass(frozen=True)
class BeaconInputs:
    """The policy inputs of a trial with this program."""

    options: BeaconsOptions
    program: str

    @property
    def size(self) -> int:
        """The number of inputs, by the encoding."""
        return SIZES[self.options.encoding]

    def tracker(self, task: Task, num_envs: int) -> Told:
        """Return the tracker of a batch of `task`."""
        chosen = self.options
        progress = progress_of(task, num_envs, chosen, self.program)
        return Told(task, progress, chosen.encoding, chosen.null, whole=chosen.sight == "state")


def progress_of(task: Task, num_envs: int, options: BeaconsOptions, source: str) -> Progress:
    """Return the progress of N environments along the routes that the options name."""
    if options.source == "oracle":
        routes: Routes = PlannedRoutes(task)
    else:
        routes = WrittenRoutes(task, source, _FUNCTION, num_envs)
    if options.accuracy < 1.0:
        routes = ErringRoutes(routes, task, options.accuracy, seed=0)
    return Progress(task, routes, num_envs, options.alpha, expires=options.expires)


class BeaconPay(Learner):
    """Pays for subgoals, whether the policy was told of them or not."""

    def __init__(self, setting: Setting) -> None:
        self._progress = progress_of(setting.task, setting.training.num_envs, setting.options, setting.reward.source)
        self._layout = setting.task.schema.field("walls").column
        self._reached = self._episodes = 0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return alpha * (1 - subgoal_steps / max_steps) where the present subgoal is reached, else 0, [T, N]."""
        rollout = seen.rollout
        paid = np.zeros(rollout.starts.shape)
        for t, starts in enumerate(rollout.starts):
            layouts = rollout.before[t, :, self._layout].astype(np.int64)
            self._progress.begin(rollout.before[t], layouts, seen.tables, starts)
            paid[t] = self._progress.step(rollout.before[t], rollout.after[t])
        self._reached += int((paid > 0).sum())
        self._episodes += int((rollout.terminated | rollout.truncated).sum())
        return {"beacons": paid}

    def telemetry(self) -> dict[str, Any]:
        """Subgoals reached per episode since the last call. No state is stored: a checkpoint ends all episodes."""
        told = {"subgoals_per_episode": self._reached / max(self._episodes, 1)}
        self._reached = self._episodes = 0
        return told

    def close(self) -> None:
        """Close the routes and their sandbox process."""
        self._progress.close()


class Beacons(Method):
    """The environment's reward, pay for subgoals in their order, and inputs that tell the policy of the present one."""

    name = "beacons"
    summary = "Words as Beacons: ordered subgoals shown to the policy and paid"
    recurrent = False
    Options = BeaconsOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has no objects and events as MiniGrid has, or no planner for the oracle."""
        if events_of(task) is None or "walls" not in task.schema or not task.view_cells:
            raise UsageError(
                f"Subgoals are objects of a grid, and {task.id} has none.", "Set --task to a MiniGrid or BabyAI task."
            )
        if options.source == "oracle" and planner_of(task) is None:
            raise UsageError(f"No planner solves {task.id}.", "Set --option beacons.source=code.")

    def contract(self, options: Any) -> Contract | None:
        """Return the function that lists the subgoals; None if the planner does."""
        return Contract("beacons", (_FUNCTION,)) if options.source == "code" else None

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return (): the program is not called on transitions, only at the start of an episode."""
        return ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the environment's reward; `bonuses` has the pay of subgoals."""
        return (ENV,)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `beacons`, whose values contain alpha."""
        return (Channel("beacons", kind="bonus"),)

    def combined_options(self, values: Any) -> Any:
        """Return the options with the planner's subgoals: with `--with` no designer writes any."""
        return BeaconsOptions.model_validate({"source": "oracle", **values})

    def observed(self, task: Task, options: Any, source: str) -> Task:
        """Return the task with the present subgoal at the end of each observation."""
        return with_inputs(task, BeaconInputs(options, source))

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that pays for subgoals."""
        return BeaconPay(setting)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Whether the planner lists the subgoals."""
        return options.source == "oracle"


METHOD = Beacons()
