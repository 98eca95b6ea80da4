"""Batches of a described task: in this process, or shared out among several."""

from __future__ import annotations

from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.batch import DescribedBatch
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.setup import Setup
from rewardsmith.tasks.described.stepping import Stepping, choose


def guarded_env(setup: Setup) -> GuardedEnv:
    """One real environment whose own errors are TaskErrors. Raises TaskError."""
    form, limit = setup.form, setup.description.step_timeout
    return GuardedEnv(setup.make, form.task_id, form.observation, limit, setup.named())


def batch_of(setup: Setup, num_envs: int, pool: str, processes: int = 1) -> BatchEnv:
    """N real environments, stepped by a number of processes.

    Where there are fewer than two environments for each process, this one steps them all.
    """

    def here(count: int) -> DescribedBatch:
        return DescribedBatch([guarded_env(setup) for _ in range(count)], pool, setup.form)

    if processes == 1 or num_envs < 2 * processes:
        return here(num_envs)
    from rewardsmith.tasks.described.processes import ProcessBatch

    return ProcessBatch(here, setup.form, num_envs, pool, processes, setup.description.step_timeout)


def choose_stepping(setup: Setup) -> Stepping:
    """How many processes are to step the environments: as described, or as a short measurement finds faster."""
    return choose(
        setup.description.processes, lambda envs, count: batch_of(setup, envs, "train", count), setup.form.actions
    )
