"""`run_item`: the one function that every executor calls to do a work item."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from rewardsmith.agents.models import ModelFailed, PersonAwaited
from rewardsmith.engine.advance import advance
from rewardsmith.engine.context import Context
from rewardsmith.engine.designing import run_analyse, run_check, run_design
from rewardsmith.engine.heartbeat import Heartbeat
from rewardsmith.engine.jobs import pause_job
from rewardsmith.engine.relay import run_ask
from rewardsmith.engine.served import NotServed, is_served
from rewardsmith.engine.supervise import Interrupted, TrialLost, has_room, supervise_trial
from rewardsmith.errors import DiskFull, LostItem
from rewardsmith.storage import queue, records
from rewardsmith.storage.database import read
from rewardsmith.storage.outage import is_outage
from rewardsmith.storage.queue import TRAINING_KINDS, Item
from sandbox.client import SandboxError

_HANDLERS = {"design": run_design, "check": run_check, "analyse": run_analyse, "ask": run_ask}
_ROOM_SECONDS, _ROOM_LOOK = 30.0, 0.5
"""How long a slot waits at most, and between looks, for room on its disk."""


def run_item(context: Context, item_id: int, owner: str, stopping: Callable[[], bool] = lambda: False) -> None:
    """Do a work item that `owner` has claimed, write its result, advance its job.

    An infrastructure failure gives the item back up to the attempt cap; a candidate's fault is a result and
    never arrives here as an exception. A model that cannot answer (a missing key, say) pauses the job.
    """
    item = queue.get(context.database, item_id)
    if item.state != "leased" or item.owner != owner:
        return
    try:
        if item.key.kind in TRAINING_KINDS:
            supervise_trial(context, item, stopping)
        else:
            with Heartbeat(context, item):
                _HANDLERS[item.key.kind](context, item)
    except LostItem:
        return
    except Interrupted:
        queue.give_back(context.database, item, None, context.settings.max_attempts, count=False)
        return
    except TrialLost as error:
        queue.give_back(context.database, item, error.cause, context.settings.max_attempts)
    except PersonAwaited as error:
        # Other items go on meanwhile.
        queue.wait(context.database, item, str(error), question=str(error.question), reply=str(error.reply))
        return
    except (ModelFailed, SandboxError, NotServed) as error:
        _stop_for(context, item, error)
        return
    except DiskFull as error:
        if not _served(context, item.key.job_id):
            _stop_for(context, item, error)
            return
        queue.give_back(context.database, item, error.cause, context.settings.max_attempts)
        _await_room(context, stopping)
    except DBAPIError as error:
        if not is_outage(error):
            raise
        queue.give_back(context.database, item, None, context.settings.max_attempts, count=False)
        return
    advance(context, item.key.job_id)


def _served(context: Context, job_id: str) -> bool:
    with read(context.database) as connection:
        return is_served(context, records.get_job(connection, job_id))


def _await_room(context: Context, stopping: Callable[[], bool]) -> None:
    """Hold this slot back while its disk is full, or it would lose item after item; other hosts may take them."""
    end = time.monotonic() + _ROOM_SECONDS
    while time.monotonic() < end and not stopping() and not has_room(context.settings.artifacts):
        time.sleep(_ROOM_LOOK)


def _stop_for(context: Context, item: Item, error: ModelFailed | SandboxError | NotServed | DiskFull) -> None:
    passing = isinstance(error, ModelFailed) and error.may_pass
    state = queue.give_back(context.database, item, str(error), context.settings.max_attempts, count=passing)
    if not passing or state == "lost":
        # A long outage pauses the job; when it is resumed, the item has its attempts again.
        queue.revive(context.database, item)
        pause_job(context, item.key.job_id, str(error))
