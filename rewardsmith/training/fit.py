"""Which algorithms can train on a task. The engine imports it without torch."""

from __future__ import annotations

import difflib
import functools
from dataclasses import replace
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.programs.dependence import depends_on_the_episode, fields_mentioned
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import JobSpec, TrainingSpec, default_training
from rewardsmith.spec.training import ALGORITHMS, POLICY_ARGUMENTS
from rewardsmith.tasks.base import Interface, Task
from rewardsmith.tasks.capabilities import environment_id
from rewardsmith.tasks.goals import GoalConditioned, goals_of
from rewardsmith.tasks.stacking import stacked
from rewardsmith.training.curriculum import joined
from rewardsmith.training.horizon import require_milestones
from rewardsmith.training.starts import require_starts_within

_WORDS = {
    "discrete": "discrete actions", "box": "continuous actions", "multi-discrete": "several discrete actions at once",
    "multi-binary": "several binary actions at once",
}  # fmt: skip


def require_algorithm(task: Task, training: TrainingSpec) -> None:
    """Raise UsageError if the algorithm of `training` cannot train on `task`."""
    algorithm, kind = ALGORITHMS[training.algorithm], task.actions.kind
    if kind not in algorithm.kinds:
        able = ", ".join(name for name, each in ALGORITHMS.items() if kind in each.kinds)
        raise UsageError(
            f"{algorithm.title} cannot choose {_WORDS[kind]}, which {task.id} has.",
            f"Set `training.algorithm` to one of {able}.",
        )
    if task.masked and (training.algorithm not in ("ppo", "maskable-ppo") or training.memory != "none"):
        raise UsageError(
            f"{ALGORITHMS['recurrent-ppo'].title if training.memory != 'none' else algorithm.title} takes no action "
            f"masks, which {task.id} has.",
            "Set `training.algorithm` to maskable-ppo, or to ppo without memory, which is the same here.",
        )
    if training.algorithm == "maskable-ppo" and not task.masked:
        raise UsageError(
            f"{algorithm.title} needs action masks, and {task.id} has none.",
            "Set `training.algorithm` to ppo, or return `action_mask` in the environment's infos (docs/tasks.md).",
        )
    if training.sde and kind != "box":
        raise UsageError(
            f"State-dependent exploration needs continuous actions, and {task.id} has {_WORDS[kind]}.",
            "Leave `training.sde` at false.",
        )
    if training.her and training.reuse:
        raise UsageError(
            "`training.reuse` does not work with hindsight experience replay, which samples goals of its own episodes.",
            "Leave `training.reuse` or `training.her` at false.",
        )
    if training.her:
        _require_goals(task, training)
        if training.frame_stack > 1:
            raise UsageError(
                "HER replaces the goal of a single observation, and `training.frame_stack` joins several.",
                "Leave `training.frame_stack` at 1, or set `training.her` to false.",
            )
    stacked(task, training.frame_stack)
    if training.starts != "task":
        require_starts_within(task)
    if training.curriculum:
        if training.starts != "task":
            raise UsageError(
                "A curriculum and starts near the goal both choose where an episode begins.",
                "Set `training.starts` to task, or leave `training.curriculum` out.",
            )
        joined(task, training.curriculum)
    if training.horizon == "scheduled":
        require_milestones(task)
    _require_policy_arguments(training)
    ends = (*task.actions.low, *task.actions.high)
    if algorithm.off_policy and kind == "box" and not all(abs(end) < float("inf") for end in ends):
        raise UsageError(
            f"{algorithm.title} needs bounded actions, but {task.id} has unbounded ones.",
            "Bound them with Gymnasium's RescaleAction in `wrappers`, or set `training.algorithm` to ppo or a2c.",
        )


def _require_goals(task: Task, training: TrainingSpec) -> None:
    """Raise UsageError if hindsight experience replay cannot be used: for the first reason that is found."""
    goals = goals_of(task)
    if goals is None:
        raise UsageError(
            f"Hindsight experience replay needs goals, and {task.id} has none: its observation has no entries "
            "`achieved_goal` and `desired_goal`.",
            "Leave `training.her` out, or return a Dict observation with both.",
        )
    longest = task.max_steps * training.num_envs
    if training.buffer_size < 2 * longest:
        raise UsageError(
            f"A replay buffer of {training.buffer_size:,} transitions holds less than two episodes per environment, "
            "and hindsight experience replay samples complete ones.",
            f"Set `training.buffer_size` to at least {2 * longest:,}.",
        )
    goals.goal_relabeller().close()


def baseline_training(task: Task, spec: JobSpec) -> dict[str, Any]:
    """Return the training settings of a job's baseline that differ from the job's.

    On a task with goals the environment's own reward is usually sparse, and an algorithm without hindsight experience
    replay learns little from it. There the baseline is SAC if the job's algorithm is SAC, else TQC, or DQN for discrete
    actions, with hindsight experience replay. Elsewhere it has the job's settings.

    Raises UsageError for settings in `spec.baseline_training` that do not fit.
    """
    if spec.baseline_training is not None:
        require_algorithm(task, spec.training.changed(spec.baseline_training))
        return spec.baseline_training
    if spec.training.her or goals_of(task) is None:
        return {}
    kind = task.actions.kind
    algorithm = "dqn" if kind == "discrete" else "sac" if spec.training.algorithm == "sac" else "tqc"
    kept = ("eval_episodes", "final_episodes", "device")
    usual = TrainingSpec.model_validate(
        {**default_training(environment_id(task), algorithm), "algorithm": algorithm, "her": True}
    )
    own = spec.training.model_dump(mode="json")
    changes = {k: v for k, v in usual.model_dump(mode="json").items() if k not in kept and v != own[k]}
    try:
        require_algorithm(task, spec.training.changed(changes))
    except UsageError:
        return {}
    return changes


_HINDSIGHT = (
    "Training replays transitions with other goals (hindsight experience replay). Each transition is scored alone, and "
    "`desired_goal` is then a goal that the episode achieved later. So a program must not use `memory`; it may "
    "read prev, action and state only."
)


def interface_for(task: Task, training: TrainingSpec) -> Interface:
    """Return the task's interface, with what the training settings demand of a program."""
    interface = task.interface()
    if not training.her:
        return interface
    return replace(interface, text=f"{interface.text.rstrip()}\n\nTraining:\n  - {_HINDSIGHT}\n")


def require_hindsight(task: Task, reward: TrainingReward) -> None:
    """Raise UsageError if a reward cannot score transitions one by one under other goals, with the reason."""
    why = depends_on_the_episode(reward)
    if why is not None:
        raise UsageError(
            f"Hindsight experience replay scores transitions one by one under other goals, but {why}.",
            "Compute the reward from prev, action and state alone, or leave `training.her` out.",
        )
    goals = goals_of(task)
    if goals is None or not reward.source:
        return
    unknown = sorted(_unknown_under_goals(goals) & fields_mentioned(reward.source))
    if unknown:
        raise UsageError(
            f"The value of {', '.join(unknown)} under another goal is not known, because it is not read from the "
            "observation; hindsight experience replay needs it.",
            "Leave it out of the reward; or add `goal_free: true` to it in the description, if it depends on no goal.",
        )


@functools.lru_cache(maxsize=8)  # a relabeller makes an environment, and every candidate of a job is asked about
def _unknown_under_goals(goals: GoalConditioned) -> frozenset[str]:
    """Names of the variables whose value under another goal is not known."""
    relabeller = goals.goal_relabeller()
    relabeller.close()
    return relabeller.unknown


def fits(task: Task, algorithm: str) -> bool:
    """Return whether an algorithm, with its own defaults, can train on `task`."""
    try:
        require_algorithm(task, TrainingSpec.model_validate({"algorithm": algorithm}))
    except UsageError:
        return False
    return True


def _require_policy_arguments(training: TrainingSpec) -> None:
    """Raise UsageError if the algorithm's policy class does not have an argument of `policy_kwargs`."""
    if not training.policy_kwargs:
        return
    from rewardsmith.training.policies import arguments_of  # imports torch, which few jobs need here

    known = arguments_of(training)
    wrong = [name for name in training.policy_kwargs if name not in known]
    if not wrong:
        return
    able = sorted(known & POLICY_ARGUMENTS.keys())
    near = [close[0] for name in wrong if (close := difflib.get_close_matches(name, able, n=1, cutoff=0.5))]
    remedy = f"`training.policy_kwargs` may contain {', '.join(able)}." if able else "Leave `policy_kwargs` out."
    raise UsageError(
        f"The policy of {ALGORITHMS[training.algorithm].title} has no argument {' and no '.join(map(repr, wrong))}.",
        f"Did you mean {' and '.join(near)}? {remedy}" if near else remedy,
    )
