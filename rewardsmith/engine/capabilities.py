"""What a worker can run, what a job needs, and the jobs that a worker leaves to others.

A worker states its capabilities when it registers, and claims no item that needs more. A job's needs are read from its
stored settings without validating them, so that a worker of an earlier version leaves alone what it does not know.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from rewardsmith.engine.context import Context
from rewardsmith.engine.interpreter import SAFE_PATH, code_command
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.storage import notifications, waiting
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import TRAINING_KINDS
from rewardsmith.storage.workers import STALE_SECONDS, read_workers
from rewardsmith.tasks import is_shipped
from rewardsmith.tasks.described.installed import installed_tasks
from rewardsmith.tasks.extras import extra_of, installed_extras

_GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
_PROBE_SECONDS = 120.0


@dataclass(frozen=True)
class Capabilities:
    """What one worker, or one job, has or needs.

    Attributes:
        algorithms: Values of `training.algorithm`.
        extras: Extras of rewardsmith, such as "mujoco".
        tasks: Names of tasks of installed distributions.
        devices: "cpu" and "cuda".
    """

    algorithms: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Capabilities | None:
        """Return stored capabilities; None for those of a version that stated none."""
        if stored is None:
            return None
        return cls(**{name: tuple(stored.get(name, ())) for name in cls.__dataclass_fields__})

    def as_json(self) -> dict[str, list[str]]:
        """Return them as plain data, for the database."""
        return {name: list(values) for name, values in asdict(self).items()}

    def lacking(self, needs: Capabilities) -> list[str]:
        """Return what of `needs` is missing here, in words such as "device cuda"."""
        words = {"algorithms": "algorithm", "extras": "extra", "tasks": "task", "devices": "device"}
        return [
            f"{words[name]} {value}"
            for name in self.__dataclass_fields__
            for value in getattr(needs, name)
            if value not in getattr(self, name)
        ]


def needs_of(spec: Mapping[str, Any], kinds: Collection[str] = TRAINING_KINDS) -> Capabilities:
    """Return what items of these kinds need, according to a job's stored settings.

    Every item but `ask` opens the task. Only training needs the algorithm and the device.
    """
    task, training = str(spec.get("task", "")), spec.get("training") or {}
    baseline = spec.get("baseline_training") or {}
    own = str(training.get("algorithm", "ppo"))
    algorithms = dict.fromkeys((own, str(baseline.get("algorithm", own))))
    trained, opened = bool(set(kinds) & set(TRAINING_KINDS)), set(kinds) != {"ask"}
    extra = extra_of(task)
    return Capabilities(
        algorithms=tuple(algorithms) if trained else (),
        extras=(extra,) if extra is not None and opened else (),
        tasks=(task,) if opened and extra is None and not is_shipped(task) else (),
        devices=("cuda",) if trained and training.get("device") == "cuda" else (),
    )


@lru_cache(maxsize=1)
def here() -> Capabilities:
    """Return the capabilities of this machine; found out once per process."""
    devices = ("cpu", "cuda") if _has_cuda() else ("cpu",)
    return Capabilities(tuple(ALGORITHMS), installed_extras(), tuple(installed_tasks()), devices)


def _has_cuda() -> bool:
    """Whether torch sees a GPU. A process of its own asks it, because a CUDA context does not survive a fork."""
    if not any(Path(file).exists() for file in _GPU_FILES):
        return False
    question = "import torch; print(torch.cuda.is_available())"
    command = code_command(question)
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_SECONDS, env=os.environ | SAFE_PATH
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.stdout.strip() == "True"


_NEEDS: dict[tuple[str, str], Capabilities] = {}
"""What jobs need, by job and the first kind of the queue's items. A job's task, algorithm and device never change."""


def jobs_for_others(context: Context, kinds: Sequence[str]) -> list[str]:
    """Return the running submitted jobs with queued items of these kinds that this machine cannot process.

    A task that no running worker has is not left to others: the worker that cannot open it pauses the job, with a note
    that says so. Items that another running worker can process are notified again within a second or two.
    """
    with read(context.database) as connection:
        jobs = waiting.jobs_with_queued(connection, kinds)
        for job in jobs:
            if (job, kinds[0]) not in _NEEDS:
                _NEEDS[job, kinds[0]] = needs_of(waiting.settings_of(connection, job), kinds)
        needs = {job: _NEEDS[job, kinds[0]] for job in jobs}
        left = [job for job in jobs if here().lacking(needs[job])]
        others = _stated(connection) if left else []
    elsewhere = [job for job in left if any(not other.lacking(needs[job]) for other in others)]
    if elsewhere:
        notifications.notify_soon(context.database, elsewhere, kinds, context.settings.notify_seconds)
    return [job for job in left if job in elsewhere or not needs[job].tasks]


def unmet_jobs(connection: Connection) -> list[tuple[str, list[str]]]:
    """Return the running submitted jobs that wait because no running worker has all that their training needs.

    Each comes with what the nearest worker lacks. The list is empty where no worker that trains is running.
    """
    stated, found = _stated(connection), []
    for job in waiting.jobs_with_queued(connection, TRAINING_KINDS) if stated else ():
        needs = needs_of(waiting.settings_of(connection, job))
        lacks = min((each.lacking(needs) for each in stated), key=len)
        found += [(job, lacks)] if lacks else []
    return found


def _stated(connection: Connection) -> list[Capabilities]:
    """Return the capabilities of the running workers that train."""
    rows = [row for row in read_workers(connection) if row["age"] < STALE_SECONDS and "train" in row["queues"]]
    return [found for row in rows if (found := Capabilities.from_json(row["capabilities"])) is not None]
