"""Batches of a described task: in this process, shared out among several, or in EnvPool."""

from __future__ import annotations

from dataclasses import replace

from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.batch import DescribedBatch
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.setup import Setup
from rewardsmith.tasks.described.stepping import FAST, FAST_POOL, Stepping, choose


def guarded_env(setup: Setup) -> GuardedEnv:
    """One real environment whose own errors are TaskErrors. Raises TaskError."""
    form, limit = setup.form, setup.description.step_timeout
    return GuardedEnv(setup.make, form.task_id, form.observation, limit, setup.named())


def batch_of(setup: Setup, num_envs: int, pool: str, processes: int = 1) -> BatchEnv:
    """N real environments, stepped by a number of processes, or of EnvPool's threads.

    Where there are fewer than two environments for each process, this one steps them all.
    """

    def here(count: int) -> DescribedBatch:
        return DescribedBatch([guarded_env(setup) for _ in range(count)], pool, setup.form)

    if setup.description.engine == "envpool":
        return _pool_batch(setup, num_envs, pool, processes)
    if processes == 1 or num_envs < 2 * processes:
        return here(num_envs)
    from rewardsmith.tasks.described.processes import ProcessBatch

    return ProcessBatch(here, setup.form, num_envs, pool, processes, setup.description.step_timeout)


def _pool_batch(setup: Setup, num_envs: int, pool: str, threads: int) -> BatchEnv:
    from rewardsmith.tasks.described.fit_for_pools import pool_id
    from rewardsmith.tasks.described.pools import PoolBatch, Pooled

    d = setup.description
    registered = environments.step_limit(d.environment, setup.folder)
    limit = d.max_steps if registered is None else min(d.max_steps, registered)
    return PoolBatch(setup.form, Pooled(pool_id(d), threads, limit, d.step_timeout), num_envs, pool)


def choose_stepping(setup: Setup) -> Stepping:
    """How many processes are to step the environments: as described, or as a short measurement finds faster."""
    d, pooled = setup.description, setup.description.engine == "envpool"
    found = choose(
        d.processes,
        lambda envs, count: batch_of(setup, envs, "train", count),
        setup.form.actions,
        fast=FAST_POOL if pooled else FAST,
    )
    if not pooled:
        return found
    threads = "1 thread" if found.processes == 1 else f"{found.processes} threads"
    why = found.why.replace("processes", "threads").replace("process ", "thread ")
    return replace(found, by=f"by EnvPool with {threads}", why=f"{why}; episodes differ from Gymnasium's")
