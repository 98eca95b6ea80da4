"""One reward host as the trainer sees it: hand over transitions, get numbers that keep the contract or a HostError.

Every answer is copied, then validated here again, whatever the host says it checked; a host that breaks a rule is
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
    """What a program returned for [T, N] transitions.

    names: "component" for the function `reward`, its own name for another function that returns a float,
    "function.component" for its dicts. values: float64 [T, N, C] in the order of names. phi: float64 [T, N],
    the potential of each state after; phi0: that of the state before where an episode starts, nan elsewhere;
    both None without a potential. seconds: wall clock that the caller spent in the calls.
    """

    names: tuple[str, ...]
    values: np.ndarray
    phi: np.ndarray | None
    phi0: np.ndarray | None
    seconds: float


class RewardHost:
    """One program in one locked-down process, with one memory per environment. A context manager.

    source: the program's text. envs: environments, each with a memory of its own. capacity: most transitions per
    message; longer rollouts are cut in time. wait: false leaves it starting, for a caller who has something else to
    do meanwhile; `start` must then be called before anything else.

    Raises HostError (the program's fault), SandboxWeak, SandboxUnavailable (nobody's), ValueError (the
    caller's). After a HostError the host is closed.
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
        """Waits until the host is locked in, and hands the program over. Raises HostError, SandboxWeak and
        SandboxUnavailable; the host is closed then."""
        self._process.greet()
        self.level, self.held, self.refusals = self._process.level, self._process.held, self._process.refusals
        self.uses = self._load(self._source)

    @property
    def greets(self) -> bool:
        """Whether a host that was made with wait=False has locked itself in (or died), so that `start` waits little."""
        return self._process.speaks()

    def __enter__(self) -> RewardHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The host's process id, for supervision."""
        return self._process.pid

    @property
    def processor_seconds(self) -> float | None:
        """Processor time that the host has used so far; None where the system cannot say."""
        return seconds_used(self.pid)

    def close(self) -> None:
        """Ends the host at once; safe to call twice."""
        self._rollout.release()
        self._process.close()

    def score(self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray) -> Scores:
        """Scores a rollout, in time order within each environment.

        before, after: [T, N, width]; actions: int [T, N] or float [T, N, A]; starts: bool [T, N], true where
        an episode starts with this transition (its memory is then empty). Raises HostError; ValueError for
        shapes.
        """
        self.submit(before, actions, after, starts)
        return self.finish()

    def submit(self, before: np.ndarray, actions: np.ndarray, after: np.ndarray, starts: np.ndarray) -> None:
        """Hands over the next steps of a rollout, shaped as in `score`, and returns while the host works on them.

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
        """The scores of all steps submitted since the last call. Raises HostError; ValueError without any."""
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
        """Raises HostError if the program has changed anything but its memories since it was loaded.

        Waits for the steps that were submitted, whose scores `finish` still returns.
        """
        self._collect()
        with self._closing():
            self._accept_names(self._process.ask(SCORE, 0, self._envs, self.limits.call_seconds))

    def tend(self) -> bool:
        """Whether `submit` would not have to wait; to be called between submit and finish.

        Takes microseconds. Ends the host when what it works on is over its deadline: raises HostError.
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
        """Takes the answer to the last submission, if one is due."""
        if self._asked is None:
            return
        starts, self._asked = self._asked, None
        with self._closing():
            self._accept_names(self._process.collect())
            results = self._rollout.results(*starts.shape).copy()
            self._parts.append(self._accept_values(results, starts))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """A HostError ends the host and counts its step from the first that was submitted."""
        try:
            yield
        except HostError as problem:
            self.close()
            if problem.t is not None:
                problem.t += sum(len(part[0]) for part in self._parts)
            raise

    def _accept_names(self, reply: Reply) -> None:
        names = reply.names
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
        return np.moveaxis(values, 0, -1), phi, phi0

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
    return np.pad(values, ((0, 0), (0, 0), (0, components - values.shape[-1])))
