"""N environments of a described task that EnvPool steps, in C++, in place of Gymnasium.

EnvPool draws other random numbers than Gymnasium, and takes seeds only when it makes environments. So `reset` and
`play` make them anew, with one seed each; an episode that follows another one continues the random numbers of its
environment. Source: EnvPool (Weng et al., 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described.batch import Form, Scaling, Seeds
from rewardsmith.tasks.described.columns import as_slice
from rewardsmith.tasks.described.guard import LARGEST
from rewardsmith.tasks.described.variables import locate
from rewardsmith.tasks.described.watchdog import WATCHDOG
from rewardsmith.tasks.guarded import task_error

REMEDY = "Leave out `engine: envpool`, so that Gymnasium steps the environment."


def make_pool(name: str, seeds: Sequence[int], limit: int, threads: int = 1) -> Any:
    """A pool of environments with a seed each; `limit`: the step on which EnvPool truncates an episode."""
    import warnings

    import envpool  # pyright: ignore[reportMissingImports]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its spaces, whose bounds nothing here reads
        made = envpool.make(
            name, env_type="gymnasium", num_envs=len(seeds), env_seed=list(seeds), num_threads=threads,
            max_episode_steps=limit,
        )  # fmt: skip
        _ = made.observation_space, made.action_space  # made at the first look, which warns
    return made


def leaf_of(observation: Any, path: Sequence[Any]) -> NDArray[Any]:
    """The array of one leaf of what EnvPool returns for all environments, [N, ...]."""
    for key in path:
        observation = observation[key]
    return observation


@dataclass(frozen=True)
class Pooled:
    """How EnvPool makes and steps environments.

    Attributes:
        name: EnvPool's id.
        threads: The most threads that step the environments.
        limit: Step limit of an episode.
        timeout: Seconds that a call may take.
    """

    name: str
    threads: int
    limit: int
    timeout: float


class PoolBatch:
    """N environments of EnvPool.

    An environment whose episode has ended stays as it is until `restart`: EnvPool would begin the next episode by
    itself on the next step.
    """

    def __init__(self, form: Form, pooled: Pooled, num_envs: int, pool: str) -> None:
        """Describe the batch; `reset` or `play` makes the environments.

        Args:
            form: What the environments have in common; every variable is part of the observation.
            pooled: How EnvPool makes and steps them.
            num_envs: The number N.
            pool: Where starts are drawn from.
        """
        self._form, self._name, self._limit, self._timeout = form, pooled.name, pooled.limit, pooled.timeout
        self._seeds, self._threads = Seeds(pool), min(pooled.threads, num_envs)
        self._envs: Any = None
        self.num_envs, self.observation_size = num_envs, form.observation.size
        self.tables: Mapping[str, Any] = {}
        self.masks: NDArray[np.bool_] | None = None
        self.rewards = np.zeros(num_envs)
        self.terminated, self.truncated, self.success = (np.zeros(num_envs, dtype=bool) for _ in range(3))
        self.layout = np.zeros(num_envs, dtype=np.int64)
        kind: Any = np.uint8 if form.observation.dtype == "uint8" else np.float64
        self._observed = np.zeros((num_envs, form.observation.size), kind)
        self._rows = np.zeros((num_envs, form.width))
        self._row, self._returns = list(self._rows), np.zeros(num_envs)
        self._columns = as_slice([v.first + k for v in form.variables for k in range(v.length)])
        self._flat = as_slice([int(k) for v in form.variables for k in locate(form.observation, v.source)[1]])
        self._judge = form.judge([None] * num_envs)
        self._scaled = Scaling(form)
        self._waiting: set[int] = set()  # whose episodes have ended
        self._all = np.arange(num_envs, dtype=np.int32)

    def reset(self, seed: int) -> None:
        """Start everywhere; the seed decides all start states from here on."""
        self._seeds.begin(seed)
        self._make([self._seeds.draw() for _ in range(self.num_envs)])

    def play(self, layout: int) -> None:
        """Start everywhere from the same state."""
        self._make([layout] * self.num_envs)

    def restart(self, mask: NDArray[np.bool_]) -> None:
        """Start where `mask` is true. `layout` stays: the random numbers of an environment go on from its seed."""
        if (chosen := mask.nonzero()[0].astype(np.int32)).size:
            self._start(chosen)

    def _make(self, layouts: list[int]) -> None:
        self.close()
        self.layout[:] = layouts
        seeds = [self._seeds.of(layout) for layout in layouts]
        try:
            # One step more than the limit: EnvPool calls an end on its last step truncated, whatever it was.
            self._envs = make_pool(self._name, seeds, self._limit + 1, self._threads)
        except Exception as error:
            raise task_error(self._form.task_id, "envpool.make()", error) from error
        self._start(self._all)

    def _start(self, chosen: NDArray[np.int32]) -> None:
        seen, info = self._call("reset()", lambda: self._envs.reset(chosen))
        self._take("reset()", seen, info["env_id"])
        self._rows[chosen, -3:] = 0.0
        self._returns[chosen] = 0.0
        self._waiting.difference_update(chosen.tolist())
        for flags in (self.terminated, self.truncated, self.success):
            flags[chosen] = False
        for n in chosen.tolist():
            self._judge.start(n)

    def step(self, actions: NDArray[Any]) -> None:
        """One step of every environment whose episode goes on."""
        if self._envs is None:
            self.reset(0)
        given = self._form.actions.batch_in_environment(actions)
        playing = self._all
        if self._waiting:
            playing = np.array([n for n in range(self.num_envs) if n not in self._waiting], np.int32)
            self.rewards[[*self._waiting]] = 0.0
            given = given[playing]
            if not len(playing):
                return
        seen, paid, terminated, truncated, info = self._call("step()", lambda: self._envs.step(given, playing))
        at = self._take("step()", seen, info["env_id"])
        self.rewards[at] = paid
        total = np.add.reduce(paid)
        if not abs(total) < LARGEST and not np.isfinite(paid).all():
            raise TaskError(f"EnvPool's {self._name} returned the reward {total:g} (in step()).", REMEDY)
        self._rows[at, -3] += 1.0
        self._rows[at, -2] = 0.0
        self._returns[at] += paid
        over = terminated | truncated | (self._rows[at, -3] >= self._limit)
        ended: list[int] = []
        if over.any():
            self.terminated[at] = terminated
            self.truncated[at] = over & ~terminated
            ended = playing[over].tolist()
            self._waiting.update(ended)
        if ended or not self._judge.at_end:
            self._test(ended if self._judge.at_end else playing.tolist())

    def _test(self, chosen: list[int]) -> None:
        """Test the success of the episodes, as far as it can be true on this step."""
        for n in chosen:
            row, terminated = self._row[n], bool(self.terminated[n])
            paid, returned = float(self.rewards[n]), float(self._returns[n])
            after = int(row[-3]), paid, terminated, bool(self.truncated[n]), returned, {}
            if self._judge.holds(n, row, after, None):
                self.success[n] = True
                row[-2] = 1.0
            row[-1] = terminated and not self.success[n]

    def _call(self, where: str, work: Any) -> Any:
        WATCHDOG.begin(self._form.task_id, where, self._timeout)
        try:
            return work()
        except Exception as error:
            raise task_error(self._form.task_id, where, error) from error
        finally:
            WATCHDOG.end()

    def _take(self, where: str, seen: Any, ids: NDArray[np.int32]) -> Any:
        """Write what the environments `ids` observe; returns an index of their rows."""
        at: Any = slice(None) if len(ids) == self.num_envs and (ids == self._all).all() else ids
        for part in self._form.observation.parts:
            numbers = leaf_of(seen, part.path).reshape(len(ids), part.size)
            total = np.add.reduce(numbers, axis=None)  # the cheapest test of them all
            if not abs(total) < LARGEST and not (np.abs(numbers) < LARGEST).all():
                raise TaskError(
                    f"EnvPool's {self._name} returned NaN or infinity in {part.source} (in {where}).", REMEDY
                )
            self._observed[at, part.start : part.start + part.size] = numbers
        self._rows[:, self._columns] = self._observed[:, self._flat]  # where nothing was stepped, it is the same
        return at

    def observe(self, out: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> None:
        """Observations in the policy's scale; only rows where `mask` is true, if given."""
        self._scaled.write(self._observed, out, mask)

    def state_rows(self, out: NDArray[Any]) -> None:
        """The variables, then step count, success on this step, failure."""
        out[:] = self._rows

    def close(self) -> None:
        """Close the environments, if there are any yet."""
        if self._envs is not None:
            self._envs.close()
        self._envs = None
