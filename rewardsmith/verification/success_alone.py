"""Certificates without enumeration, for rewards that pay for success alone, apart from potentials."""

from __future__ import annotations

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import pay_of

from .plans import plan_of
from .verdicts import LayoutCertificate


def without_potentials(reward: TrainingReward) -> TrainingReward | None:
    """Return a reward without its potentials if these are all that its program computes; else None.

    A potential channel adds gamma * Phi(s') - Phi(s) with one number per visited state, so that its discounted sum is
    -Phi(start) whatever the policy does, and whatever the program remembers (Ng, Harada and Russell 1999). What the
    program returns is not trusted to have this form: the channel computes the difference.
    """
    if not reward.functions or set(reward.potentials) != set(reward.functions):
        return None
    return TrainingReward("", (), tuple(c for c in reward.channels if c.kind != "potential"))


def pays_success_alone(task: Task, reward: TrainingReward) -> bool:
    """Return whether every success has a positive reward, and nothing else has one."""
    channels = reward.channels
    return (
        pay_of(task) is not None
        and len(channels) == 1
        and channels[0].kind == "env"
        and channels[0].weight > 0
        and channels[0].gate == "none"
        and channels[0].cap is None
        and channels[0].bound == "none"
    )


def certified_by_plan(problem: Problem, layout: int) -> LayoutCertificate | None:
    """Certify a layout of a reward for success alone; None if no solution within an episode is known.

    What never solves earns nothing, and the solution something, so that every optimal policy solves. With a discount
    below 1, and a reward that does not grow with time, a shortest solution earns most.

    Args:
        problem: The task, the reward without potentials and the learner's gamma, below 1.
        layout: Index into the task's training pool.
    """
    plan, task = plan_of(problem.task, layout), problem.task
    if not plan or len(plan) > task.max_steps or not pays_success_alone(task, problem.reward):
        return None
    text = f"A solution takes {len(plan)} steps and earns something, and what never solves earns nothing. So every "
    text += "optimal policy solves the task. The layout was not enumerated."
    return LayoutCertificate(layout, "sound", text, coverage=0.0, episode=task.max_steps)
