"""N real environments of a described task in several processes, by Gymnasium's AsyncVectorEnv.

Each process plays its share of them as one DescribedBatch, so that the state is read, and success is tested, where the
environment is stepped, before any reset. Rows and observations come back through shared memory. The process of the
batch draws the starts; so the same seeds give the same episodes as in one process, to the last bit.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from numpy.typing import NDArray

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described.batch import DescribedBatch, Form, Scaling, Seeds
from rewardsmith.tasks.guarded import task_error

_FLAGS = 4  # reward, terminated, truncated, success: columns behind those of a state row
_GRACE = 10.0  # seconds that a process has, beyond the limits of its calls, to report a call that hangs
_LOOK = 0.2  # seconds between two looks at the parent


def can_fork() -> bool:
    """Whether this system can step environments in several processes."""
    return "fork" in multiprocessing.get_all_start_methods()


class Share(gym.Env):
    """The environments of one process, as the one environment that AsyncVectorEnv has there.

    What they raise is not raised here, but told: as (cause, remedy) of a TaskError in the info.
    """

    def __init__(
        self, make: Callable[[], DescribedBatch], form: Form, count: int, most: int, index: int, parent: int
    ) -> None:
        """Describe the share of a process.

        Args:
            make: Makes the batch of its environments.
            form: What they have in common.
            count: Their number.
            most: The number in the largest share.
            index: Which share this is.
            parent: Id of the process that holds all shares together.
        """
        self._make, self._form, self._count, self._index = make, form, count, index
        self._batch: DescribedBatch | None = None
        self._parent = parent
        choices = 0 if form.mask is None else len(form.actions)
        kind: Any = np.uint8 if form.observation.dtype == "uint8" else np.float64
        self._told = {
            "rows": np.zeros((most, form.width + _FLAGS + choices)),
            "observed": np.zeros((most, form.observation.size), kind),
        }
        self.observation_space = spaces.Dict(
            {
                "rows": spaces.Box(-np.inf, np.inf, self._told["rows"].shape, np.float64),
                "observed": spaces.Box(
                    *((0, 255) if kind is np.uint8 else (-np.inf, np.inf)), self._told["observed"].shape, kind
                ),
            }
        )
        self.action_space = spaces.Box(-np.inf, np.inf, (most, max(form.actions.width, 1)), np.float64)

    def begin(self) -> dict[str, str]:
        """Make the environments, in the process that steps them."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told, and ends this process
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        threading.Thread(target=self._die_with_parent, daemon=True).start()
        # Environments that draw from the global generators must not draw the same numbers in all processes.
        drawn = int(np.random.randint(2**31))
        np.random.seed((drawn + self._index) % 2**32)
        random.seed(drawn + self._index)
        return self._guarded(self._open)

    def finish(self) -> dict[str, str]:
        """Close the environments of this share."""
        return {} if self._batch is None else self._guarded(self._batch.close)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the episodes that `options["starts"]` lists for this share: (environment, layout)."""
        assert self._batch is not None and options is not None
        starts = options["starts"][self._index]
        batch = self._batch
        return self._told, self._guarded(lambda: batch.start(starts)) or self._tell()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the environments of this share."""
        assert self._batch is not None
        chosen = action[: self._count]
        if self._form.actions.discrete:
            chosen = chosen[:, 0].astype(np.int64)
        batch = self._batch
        return self._told, 0.0, False, False, self._guarded(lambda: batch.step(chosen)) or self._tell()

    def _open(self) -> None:
        self._batch = self._make()

    def _guarded(self, work: Callable[[], None]) -> dict[str, str]:
        try:
            work()
        except (Exception, SystemExit) as error:
            told = task_error(self._form.task_id, "a process of its own", error)
            cause = told.cause if isinstance(told, TaskError) else str(told)
            return {"cause": cause, "remedy": told.remedy if isinstance(told, TaskError) else ""}
        return {}

    def _tell(self) -> dict[str, Any]:
        batch, width = self._batch, self._form.width
        assert batch is not None
        rows = self._told["rows"][: self._count]
        batch.state_rows(rows[:, :width])
        for k, column in enumerate((batch.rewards, batch.terminated, batch.truncated, batch.success)):
            rows[:, width + k] = column
        if batch.masks is not None:
            rows[:, width + _FLAGS :] = batch.masks
        self._told["observed"][: self._count] = batch.observed
        return {}

    def _die_with_parent(self) -> None:
        # Polled, because the parent's death signal follows the thread that made this process.
        while os.getppid() == self._parent:
            time.sleep(_LOOK)
        os._exit(3)


class ProcessBatch:
    """N real environments, stepped by several processes at the same time."""

    def __init__(
        self,
        make: Callable[[int], DescribedBatch],
        form: Form,
        num_envs: int,
        pool: str,
        processes: int,
        timeout: float,
    ) -> None:
        """Start the processes.

        Args:
            make: Makes the batch of a number of environments.
            form: What they have in common.
            num_envs: The number N.
            pool: Where starts are drawn from.
            processes: Number of processes, at most N.
            timeout: Seconds that one call of an environment may take.

        Raises:
            TaskError: If an environment cannot be made.
        """
        counts = [len(part) for part in np.array_split(np.arange(num_envs), processes)]
        most = counts[0]
        self._form, self._seeds, self._first = form, Seeds(pool), np.cumsum([0, *counts])
        self._wait = most * timeout + _GRACE
        self._actions = np.zeros((processes, most, max(form.actions.width, 1)))
        self._whole = most * processes == num_envs
        self._at = np.concatenate([k * most + np.arange(count) for k, count in enumerate(counts)])
        shares = [self._share(make, count, most, k) for k, count in enumerate(counts)]
        self._envs = AsyncVectorEnv(
            shares, shared_memory=True, copy=False, context="fork", autoreset_mode=AutoresetMode.DISABLED
        )
        self.num_envs, self.observation_size = num_envs, form.observation.size
        self.tables: Mapping[str, Any] = {}
        self.rewards = np.zeros(num_envs)
        self.terminated, self.truncated, self.success = (np.zeros(num_envs, dtype=bool) for _ in range(3))
        self.layout = np.zeros(num_envs, dtype=np.int64)
        self.masks = None if form.mask is None else np.ones((num_envs, len(form.actions)), dtype=bool)
        self._rows, self._observed = np.zeros((num_envs, form.width)), np.zeros((0, 0))
        self._scaled = Scaling(form)
        self._closed = False
        self._ask(lambda: self._call("begin"), "its constructor")

    def _share(self, make: Callable[[int], DescribedBatch], count: int, most: int, index: int) -> Callable[[], Share]:
        parent = os.getpid()
        return lambda: Share(lambda: make(count), self._form, count, most, index, parent)

    def reset(self, seed: int) -> None:
        """Start everywhere; the seed decides all start states from here on."""
        self._seeds.begin(seed)
        self.restart(np.ones(self.num_envs, dtype=bool))

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start where `mask` is true."""
        self._start([(n, self._seeds.draw()) for n in mask.nonzero()[0].tolist()])

    def play(self, layout: int) -> None:
        """Start everywhere from the same state."""
        self._start([(n, layout) for n in range(self.num_envs)])

    def _start(self, chosen: list[tuple[int, int]]) -> None:
        ends = zip(self._first[:-1].tolist(), self._first[1:].tolist(), strict=True)
        starts = [[(n - low, layout) for n, layout in chosen if low <= n < high] for low, high in ends]
        for n, layout in chosen:
            self.layout[n] = layout
        self._ask(lambda: self._reset(starts), "reset()")
        self._read()

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every environment."""
        given = np.asarray(actions, np.float64).reshape(self.num_envs, -1)
        self._actions.reshape(-1, self._actions.shape[-1])[self._at] = given
        self._ask(self._step, "step()")
        self._read()

    def _reset(self, starts: list[Any]) -> Any:
        self._envs.reset_async(options={"starts": starts})
        return [self._envs.reset_wait(timeout=self._wait)[1]]

    def _step(self) -> Any:
        self._envs.step_async(self._actions)
        return [self._envs.step_wait(timeout=self._wait)[4]]

    def _call(self, name: str) -> Any:
        self._envs.call_async(name)
        return self._envs.call_wait(timeout=self._wait)

    def _ask(self, work: Callable[[], Any], where: str) -> None:
        """Let the processes work. Raises TaskError for what failed in one of them, after ending all."""
        try:
            told = work()
        except multiprocessing.TimeoutError:
            self._end()
            raise TaskError(
                f"The environment of {self._form.task_id} has not returned from {where} for {self._wait:g} seconds.",
                "Fix the environment, or raise `step_timeout` of the description if it is that slow.",
            ) from None
        except (EOFError, OSError) as error:
            codes = [process.exitcode for process in self._envs.processes if not _is_alive(process)]
            self._end()
            raise TaskError(
                f"A process that steps {self._form.task_id} ended in {where}{_words(codes)}.",
                "Fix the environment; `processes: none` in the description steps it in the process of the trial.",
            ) from error
        for info in told:
            if "cause" in info:
                cause, remedy = _first(info["cause"]), _first(info["remedy"])
                self._end()
                raise TaskError(cause, remedy)

    def _read(self) -> None:
        """Take what the processes have written into shared memory."""
        seen: Any = self._envs.observations
        rows = seen["rows"].reshape(-1, seen["rows"].shape[-1])
        observed = seen["observed"].reshape(-1, self.observation_size)
        if not self._whole:
            rows, observed = rows[self._at], observed[self._at]
        width = self._form.width
        self._rows, self._observed = rows[:, :width], observed
        self.rewards[:] = rows[:, width]
        for k, flags in enumerate((self.terminated, self.truncated, self.success), start=1):
            flags[:] = rows[:, width + k]
        if self.masks is not None:
            self.masks[:] = rows[:, width + _FLAGS :]

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Observations in the policy's scale; only rows where `mask` is true, if given."""
        self._scaled.write(self._observed, out, mask)

    def state_rows(self, out: NDArray[Any]) -> None:
        """The variables, then step count, success on this step, failure."""
        out[:] = self._rows

    def close(self) -> None:
        """Close the environments and end the processes."""
        if self._closed:
            return
        self._ask(lambda: self._call("finish"), "close()")
        self._closed = True
        self._rows, self._observed = self._rows.copy(), self._observed.copy()
        self._envs.close()

    def _end(self) -> None:
        """End the processes at once; one of them may hang."""
        self._closed = True
        for process in self._envs.processes:
            process.kill()
        for process in self._envs.processes:
            process.join()
        for pipe in self._envs.parent_pipes:
            if pipe is not None:
                pipe.close()
        self._envs.closed = True

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            self._end()


def _is_alive(process: Any) -> bool:
    process.join(timeout=1.0)
    return process.is_alive()


def _words(codes: list[int | None]) -> str:
    told = [signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes if code]
    return f" ({', '.join(told)})" if told else ""


def _first(told: Any) -> str:
    """The first message that a process sent."""
    return told if isinstance(told, str) else next(str(each) for each in told if each)
