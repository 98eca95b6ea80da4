"""`run_item`, which every executor calls to process a work item."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError, OperationalError

from rewardsmith.agents.models import ModelFailed, PersonAwaited
from rewardsmith.engine.context import Context
from rewardsmith.engine.items.analyse import run_analyse
from rewardsmith.engine.items.check import run_check
from rewardsmith.engine.items.design import run_design
from rewardsmith.engine.items.heartbeat import Heartbeat
from rewardsmith.engine.items.recheck import run_recheck
from rewardsmith.engine.items.supervise import Interrupted, TrialLost, has_room, supervise_trial
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.jobs.lifecycle import pause_job
from rewardsmith.engine.models.relayed import run_ask
from rewardsmith.engine.served import is_served
from rewardsmith.errors import DiskFull, LostItem, RewardsmithError, StorageError, TaskError
from rewardsmith.plaintext import plain
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.outage import is_outage
from rewardsmith.storage.queue import TRAINING_KINDS, Item
from sandbox.client import SandboxError

log = logging.getLogger(__name__)

_HANDLERS = {
    "design": run_design, "check": run_check, "recheck": run_recheck, "analyse": run_analyse, "ask": run_ask,
}  # fmt: skip
_SHOWN = 500  # characters of an unforeseen error that are kept
_ROOM_SECONDS, _ROOM_LOOK = 30.0, 0.5
"""Longest wait of a slot for space on its disk, and time between two looks, in seconds."""


def run_item(context: Context, item_id: int, owner: str, stopping: Callable[[], bool] = lambda: False) -> None:
    """Process a work item that `owner` has claimed, write its result, and advance its job.

    - A fault of a candidate is a result, not an exception.
    - An infrastructure failure or an unforeseen error returns the item to the queue, until its attempts are used up.
    - An error that the user can fix (a missing API key, a missing task file) pauses the job.
    - A failure of the task's environment ends the job.

    Args:
        context: The process's context.
        item_id: Id of the work item.
        owner: Name under which the caller holds the lease.
        stopping: Returns whether the executor is to stop.

    Raises:
        StorageError: The database cannot be used.
        OperationalError: The database cannot be used.
    """
    item = queue.get(context.database, item_id)
    if item.state != "leased" or item.owner != owner:
        return
    try:
        going_on = _attempt(context, item, stopping)
    except (StorageError, OperationalError):
        raise  # the database, not the item
    except Exception as error:
        _give_up(context, item, error)
        going_on = True
    except SystemExit as error:
        if threading.current_thread() is threading.main_thread():
            raise  # in the main thread this process is to end; elsewhere a library of the user has called sys.exit()
        _give_up(context, item, error)
        going_on = True
    if going_on:
        advance(context, item.key.job_id)


def _attempt(context: Context, item: Item, stopping: Callable[[], bool]) -> bool:
    """Process the item and handle the foreseen errors; return whether its job is to be advanced."""
    try:
        if item.key.kind in TRAINING_KINDS:
            supervise_trial(context, item, stopping)
        else:
            with Heartbeat(context, item):
                _HANDLERS[item.key.kind](context, item)
    except LostItem:
        return False
    except Interrupted:
        queue.give_back(context.database, item, None, context.settings.max_attempts, count=False)
        return False
    except TrialLost as error:
        queue.give_back(context.database, item, error.cause, context.settings.max_attempts)
    except PersonAwaited as error:
        # Only this item waits; other items are still processed.
        queue.wait(context.database, item, str(error), question=str(error.question), reply=str(error.reply))
        return False
    except TaskError as error:
        _fail_for(context, item, error)
    except DiskFull as error:
        if not _served(context, item.key.job_id):
            _stop_for(context, item, error)
            return False
        queue.give_back(context.database, item, error.cause, context.settings.max_attempts)
        _await_room(context, stopping)
    except StorageError:
        raise
    except (RewardsmithError, SandboxError) as error:
        _stop_for(context, item, error)
        return False
    except DBAPIError as error:
        if not is_outage(error):
            raise
        queue.give_back(context.database, item, None, context.settings.max_attempts, count=False)
        return False
    return True


def _give_up(context: Context, item: Item, error: BaseException) -> None:
    """Return the item to the queue after an unforeseen error. When its attempts are used up, it is lost."""
    # Not exc_info: the error's message may contain characters that the stream cannot write.
    told = plain("".join(traceback.format_exception(error)))
    log.error("item %d (%s) failed\n%s", item.id, item.key.kind, told)
    queue.give_back(context.database, item, _in_words(error), context.settings.max_attempts)


def _in_words(error: BaseException) -> str:
    words = " ".join(f"{type(error).__name__}: {error}".split())[:_SHOWN]
    # The database stores neither NULs nor lone surrogates, but a message may quote any text.
    return words.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _served(context: Context, job_id: str) -> bool:
    with read(context.database) as connection:
        return is_served(context, records.get_job(connection, job_id))


def _await_room(context: Context, stopping: Callable[[], bool]) -> None:
    """Wait while the disk is full, so that this slot does not lose items that other hosts could process."""
    end = time.monotonic() + _ROOM_SECONDS
    while time.monotonic() < end and not stopping() and not has_room(context.settings.artifacts):
        time.sleep(_ROOM_LOOK)


def _fail_for(context: Context, item: Item, error: TaskError) -> None:
    with contextlib.suppress(LostItem):
        context.write(lambda connection: queue.fail_for_task(connection, item, error))


def _stop_for(context: Context, item: Item, error: RewardsmithError | SandboxError) -> None:
    passing = isinstance(error, ModelFailed) and error.may_pass
    state = queue.give_back(context.database, item, str(error), context.settings.max_attempts, count=passing)
    if not passing or state == "lost":
        # A long outage pauses the job. When the job is resumed, the item has all its attempts again.
        queue.revive(context.database, item)
        pause_job(context, item.key.job_id, str(error))
