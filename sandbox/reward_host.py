"""The trainer's interface to one reward host: submit transitions, receive numbers that keep the contract, or HostError.

Every reply is copied and then validated again, independently of the host's own checks. A host that breaks a rule is
killed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .arrays import Rollout, pack_tables
from .budget import seconds_used
from .process import HostProcess
from .protocol import MAX_NAMES, SCORE, STATE_ONLY, HostError, Reply, function_signature
from .setup import HostSetup
from .views import costly_fields


@dataclass(frozen=True)
class Scores:
    """A program's results for [T, N] transitions.

    Attributes:
        names: Names of the C components: "component" for the function `reward`, "function.component" for another
            function that returns a dict, "function" for one that returns a float.
        values: float64 [T, N, C], the components.
        phi: float64 [T, N], the potential of the state after; None if the program has no potential.
        phi0: float64 [T, N], the potential of the state before, if an episode starts there, nan elsewhere; None if the
            program has no potential.
        seconds: Wall-clock time that the caller spent in the calls.
    """

    names: tuple[str, ...]
    values: np.ndarray
    phi: np.ndarray | None
    phi0: np.ndarray | None
    seconds: float


class RewardHost:
    """One program in one locked-down process, with a separate memory for each environment. A context manager.

    Args:
        source: Text of the program.
        setup: Setup of the host.
        envs: Number of environments.
        capacity: Most transitions per message; longer rollouts are divided in time.
        wait: Whether to wait until the host has started. If false, `start` must be called before anything else.

    Raises:
        HostError: The program failed; the host is then closed.
        SandboxWeak: The machine does not reach the required sandbox level.
        SandboxUnavailable: The process cannot be started.
        ValueError: An argument is wrong.
    """

    def __init__(self, source: str, setup: HostSetup, envs: int, capacity: int, *, wait: bool = True) -> None:
        if envs < 1 or capacity < envs:
            raise ValueError(f"capacity ({capacity}) must hold one step of all {envs} environments")
        self.limits = setup.limits
        if not 1 <= self.limits.max_components <= MAX_NAMES:
            raise ValueError(f"max_components must be 1 to {MAX_NAMES}, not {self.limits.max_components}")
        self.names: tuple[str, ...] = ()
        self._envs, self._capacity = envs, capacity
        self._schema, self._action_width = setup.schema, setup.action_width
        self._functions = [function_signature(function)[0] for function in setup.functions]
        tables_described, blobs = pack_tables(setup.tables)
        sizes = Rollout(None, None, capacity, setup.schema, setup.action_width)
        config = {
            "mode": "score",
            "functions": list(setup.functions),
            "schema": setup.schema,
            "tables": tables_described,
            "envs": envs,
            "capacity": capacity,
            "actions": list(setup.actions),
            "action_width": setup.action_width,
            "entries": list(setup.entries),
            "whole": setup.whole,
        }
        self._process = HostProcess(
            config, blobs, (sizes.input_bytes, sizes.output_bytes), self.limits, setup.allow, frozenset(setup.without)
        )
        self.level, self.held, self.refusals = "", frozenset[str](), dict[str, str]()
        self._source = source
        self._rollout = Rollout(self._process.input, self._process.output, capacity, setup.schema, setup.action_width)
        self._asked: np.ndarray | None = None
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._seconds = 0.0
        self.uses: tuple[str, ...] = ()
        if wait:
            self.start()

    def start(self) -> None:
        """Wait until the host is locked down, and send the program.

        Raises HostError, SandboxWeak or SandboxUnavailable; the host is then closed.
        """
        self._process.greet()
        self.level, self.held, self.refusals = self._process.level, self._process.held, self._process.refusals
        self.uses = self._load(self._source)

    @property
    def greets(self) -> bool:
        """Whether a host made with wait=False has locked itself down (or died), so that `start` hardly waits."""
        return self._process.speaks()

    def __enter__(self) -> RewardHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the host, for supervision."""
        return self._process.pid

    @property
    def processor_seconds(self) -> float | None:
        """Processor time that the host has used so far; None if the system does not provide it."""
        return seconds_used(self.pid)

    def close(self) -> None:
        """End the host at once; safe to call twice."""
        self._rollout.release()
        self._process.close()

    def score(self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray) -> Scores:
        """Score a rollout, in time order within each environment.

        Args:
            before: [T, N, width], the states before, in the schema's dtype.
            actions: int64 [T, N] or float64 [T, N, A].
            after: [T, N, width], the states after.
            starts: bool [T, N], whether an episode starts at this step; its memory is then empty.

        Raises:
            HostError: The program failed; the host is then closed.
            ValueError: An array has a wrong shape.
        """
        self.submit(before, actions, after, starts)
        return self.finish()

    def submit(self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray) -> None:
        """Submit the next steps of a rollout, with arrays as in `score`, and return while the host scores them.

        Waits only for the steps submitted before. `finish` returns the scores of all. Raises as `score` does.
        """
        before, actions, after, starts = self._check_inputs(before, actions, after, starts)
        began = time.perf_counter()
        steps = self._capacity // self._envs
        for t in range(0, len(starts), steps):
            part = slice(t, t + steps)
            self._collect()
            self._process.require_alive()
            self._rollout.write(before[part], actions[part], after[part], starts[part])
            seconds = self.limits.call_seconds + self.limits.transition_us * 1e-6 * starts[part].size
            self._process.post(SCORE, len(starts[part]), self._envs, seconds)
            self._asked = starts[part]
        self._seconds += time.perf_counter() - began

    def finish(self) -> Scores:
        """Return the scores of all steps submitted since the last call.

        Raises HostError if the program failed, and ValueError if nothing was submitted.
        """
        began = time.perf_counter()
        self._process.require_alive()
        self._collect()
        if not self._parts:
            raise ValueError("nothing was submitted")
        values = np.concatenate([_widened(part[0], len(self.names)) for part in self._parts])
        phi = np.concatenate([part[1] for part in self._parts]) if STATE_ONLY in self._functions else None
        phi0 = np.concatenate([part[2] for part in self._parts]) if STATE_ONLY in self._functions else None
        seconds = self._seconds + time.perf_counter() - began
        self._parts, self._seconds = [], 0.0
        return Scores(self.names, values, phi, phi0, seconds)

    def settle(self) -> None:
        """Raise HostError if the program has changed anything except its memories since it was loaded.

        Waits for the submitted steps, whose scores `finish` still returns.
        """
        self._collect()
        with self._closing():
            self._accept_names(self._process.ask(SCORE, 0, self._envs, self.limits.call_seconds))

    def tend(self) -> bool:
        """Return whether `submit` would not have to wait. Call this between submit and finish; it takes microseconds.

        If the current request is over its deadline, the host is ended and HostError is raised.
        """
        with self._closing():
            return self._process.tend()

    def _load(self, source: str) -> tuple[str, ...]:
        try:
            uses = tuple(self._process.text(self._process.load(source)).split())
            if not set(uses) <= set(costly_fields(self._schema).values()):
                raise HostError("protocol", "the host announced features that the task does not have")
        except HostError:
            self.close()
            raise
        return uses

    def _collect(self) -> None:
        """Receive the reply to the last submission, if it has not been received yet."""
        if self._asked is None:
            return
        starts, self._asked = self._asked, None
        with self._closing():
            self._accept_names(self._process.collect())
            results = self._rollout.results(*starts.shape).copy()
            self._parts.append(self._accept_values(results, starts))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the host after a HostError, and count its step from the first submitted."""
        try:
            yield
        except HostError as problem:
            self.close()
            if problem.t is not None:
                problem.t += sum(len(part[0]) for part in self._parts)
            raise

    def _accept_names(self, reply: Reply) -> None:
        names = reply.names
        if names == self.names:
            return
        owners = {name.partition(".")[0] for name in names if "." in name}
        allowed = set(self._functions) - {STATE_ONLY, "reward"}
        plain = [name for name in names if "." not in name and name not in allowed]
        if names[: len(self.names)] != self.names or len(names) > self.limits.max_components:
            raise HostError("protocol", "the host changed its component names")
        if not owners <= allowed or (plain and "reward" not in self._functions):
            raise HostError("protocol", "the host named components of functions that do not exist")
        self.names = names

    def _accept_values(self, results: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = results[: len(self.names)]
        phi0, phi = np.where(starts, results[-2], np.nan), results[-1]
        checked = [values, phi, phi0[starts]] if STATE_ONLY in self._functions else [values]
        if not all((np.abs(part) <= self.limits.max_abs).all() for part in checked):
            raise HostError("protocol", "the host sent values that are not finite or too large")
        return values.transpose(1, 2, 0), phi, phi0

    def _check_inputs(
        self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        starts = np.asarray(starts, dtype=bool)
        states = (len(starts), self._envs, int(self._schema["width"]))
        taken = states[:2] + ((self._action_width,) if self._action_width else ())
        found = (np.shape(before), np.shape(actions), np.shape(after), starts.shape)
        if found != (states, taken, states, states[:2]) or not len(starts):
            raise ValueError(f"before, actions, after, starts have shapes {found}; wanted {states}, {taken}, ...")
        dtype = np.dtype(self._schema.get("dtype", "int32"))
        action_dtype = np.float64 if self._action_width else np.int64
        return np.asarray(before, dtype), np.asarray(actions, action_dtype), np.asarray(after, dtype), starts


def _widened(values: np.ndarray, components: int) -> np.ndarray:
    """float64 [T, N, c] with zeros for components that appeared later."""
    missing = components - values.shape[-1]
    return np.pad(values, ((0, 0), (0, 0), (0, missing))) if missing else values
