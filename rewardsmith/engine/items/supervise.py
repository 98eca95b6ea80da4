"""Supervises the process of a trial: starts it, renews its lease, enforces its limits, and ends it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, TrialProcess
from rewardsmith.engine.interpreter import SAFE_PATH, module_command
from rewardsmith.engine.items.heartbeat import Heartbeat
from rewardsmith.engine.jobs.task_files import require_same_task, task_key
from rewardsmith.engine.served import checked_snapshot
from rewardsmith.errors import DiskFull, LostItem, RewardsmithError
from rewardsmith.storage import queue
from rewardsmith.storage.database import read
from rewardsmith.storage.queue import Item

_GRACE = 2.0
_LOOK = 0.5  # seconds between looks at the database
DISK_FULL = 75
"""Exit code of a trial whose disk is full, which is neither a fault of the program nor a lost process."""
_CHECKPOINT_BYTES = 1_000_000
SERVED = "served"
"""Argument of a trial's process that works for the service: then every job counts as submitted."""


class TrialLost(RewardsmithError):
    """The trial's process ended without a result. This is an infrastructure failure, so the item is tried again."""


class Interrupted(RewardsmithError):
    """The executor is stopping. The item returns to the queue, and the attempt is not counted."""


def supervise_trial(context: Context, item: Item, stopping: Callable[[], bool]) -> None:
    """Run the trial of a leased item in a process of its own, and wait for its end. No process is left behind.

    Raises:
        TrialLost: The process ended without a result, or exceeded its time or memory.
        LostItem: The item was cancelled, or its lease expired.
        Interrupted: `stopping` returned true.
        DiskFull: The disk of the artifacts is full.
    """
    log = context.job_folder(item.key.job_id) / "logs" / f"item-{item.id}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        # The first trial of a warm parent waits until it has loaded, so the lease is renewed meanwhile.
        with Heartbeat(context, item):
            process = _launch(context, item, log)
    except OSError as error:
        raise _lost(context, log, f"could not be started: {error}") from error
    try:
        _watch(context, item, process, stopping, log)
    finally:
        end_group(process)


def _launch(context: Context, item: Item, log: Path) -> TrialProcess:
    with read(context.database) as connection:
        spec = checked_snapshot(context, connection, item.key.job_id).spec
    require_same_task(spec)
    mark = [SERVED] if context.served else []
    order = [str(item.id), str(item.owner), str(item.attempt), *mark], trial_environment(context.settings), log
    # A CUDA context does not survive a fork.
    if context.launch is None or spec.training.device != "cpu":
        return fresh_interpreter(*order)
    return context.launch(task_key(spec), *order)


def fresh_interpreter(arguments: list[str], environment: dict[str, str], log: Path) -> TrialProcess:
    """Start `python -P -m workers.trial` with `arguments` in a new interpreter; its output goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            module_command("workers.trial", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )


def trial_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a trial's process, or of a parent that forks trials: without API keys."""
    # A trial makes no calls and holds the reward host's pipes, so it gets no API keys. It needs the credentials of the
    # store, in which it puts its policy.
    store = ("AWS_SESSION_TOKEN",) if settings.store_url.startswith("s3") else ()
    secret = ("_API_KEY", "_TOKEN", "_SECRET")
    kept = {k: v for k, v in os.environ.items() if k in store or not k.endswith(secret)}
    return {
        **kept,
        **SAFE_PATH,
        "REWARDSMITH_HOME": str(settings.home.resolve()),
        "REWARDSMITH_DATABASE_URL": settings.url,
        "OMP_NUM_THREADS": "1",
        "REWARDSMITH_PARENT": str(os.getpid()),
    }


def _watch(context: Context, item: Item, process: TrialProcess, stopping: Callable[[], bool], log: Path) -> None:
    settings = context.settings
    began = renewed = looked = time.monotonic()
    while True:
        try:
            code = process.wait(context.trial_look)
        except subprocess.TimeoutExpired:
            code = None
        now = time.monotonic()
        if code != 0 and stopping():
            # Whatever stops this executor may also end its trials or their parent. That is not a lost trial.
            raise Interrupted("The executor is stopping.", "The trial will continue from its last checkpoint.")
        if code is not None:
            if code == DISK_FULL:
                raise _disk_full(context)
            if code != 0:
                raise _lost(context, log, f"ended with {_words(code)}: {_tail(log)}")
            return
        if now - began > settings.trial_seconds:
            raise TrialLost(
                f"The trial took more than {settings.trial_seconds:g} s.", "Raise REWARDSMITH_TRIAL_SECONDS."
            )
        if _resident_mb(process.pid) > settings.trial_memory_mb:
            raise TrialLost(
                f"The trial used more than {settings.trial_memory_mb} MiB of memory.",
                "Raise REWARDSMITH_TRIAL_MEMORY_MB.",
            )
        if now - renewed > settings.lease_seconds / 3:
            queue.heartbeat(context.database, item, settings.lease_seconds)
            renewed = now
        elif now - looked >= _LOOK:
            looked = now
            if queue.get(context.database, item.id).state != "leased":
                raise LostItem("The item was cancelled, or its lease expired.", "Nothing needs to be done.")


def has_room(place: Path) -> bool:
    """Return whether the disk of a path, which need not exist yet, has space for a checkpoint."""
    there = next(path for path in (place, *place.parents) if path.exists())
    return shutil.disk_usage(there).free >= _CHECKPOINT_BYTES


def _lost(context: Context, log: Path, what: str) -> RewardsmithError:
    if has_room(log):
        return TrialLost(f"The trial's process {what}", f"{log} contains its output.")
    return _disk_full(context)


def _disk_full(context: Context) -> DiskFull:
    return DiskFull(
        f"The disk of {context.settings.artifacts} is full.",
        "Free some space (`rewardsmith db gc` lists unused files); finished results are kept.",
    )


def end_group(process: TrialProcess) -> None:
    """End a process group: SIGTERM, then SIGKILL if it has not ended in time. Wait for its leader."""
    for sign, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        if process.poll() is None:
            try:
                os.killpg(process.pid, sign)
            except ProcessLookupError:
                break
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
    process.wait()


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _words(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "no output"
