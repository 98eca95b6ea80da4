"""Goal-conditioned tasks: rewards, success and state rows as if an episode had had another goal.

The observation is a Dict with `achieved_goal` and `desired_goal`, and the environment has
`compute_reward(achieved_goal, desired_goal, info)`, as in Gymnasium-Robotics and in SB3's HerReplayBuffer.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.syntax import parse_expression
from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.batches import batch_of
from rewardsmith.tasks.described.conditions import Place, translate
from rewardsmith.tasks.described.reading import FUNCTIONS
from rewardsmith.tasks.described.setup import Setup
from rewardsmith.tasks.observations import Part

ACHIEVED, DESIRED = "achieved_goal", "desired_goal"
_COMPARED = 100  # steps of random play on which compute_reward and `goal_success` must agree with step()
_CLOSE = 1e-4  # relative; goals are kept as float32

Test = Callable[[NDArray[np.float64]], bool]


class GoalRelabeller:
    """Replaces the goal of recorded transitions.

    Attributes:
        unknown: Names of variables whose value under another goal is not known, because they are read from infos,
            attributes or a function.
    """

    def __init__(self, setup: Setup) -> None:
        """Make an environment whose compute_reward is called. Raises UsageError with all reasons why it cannot be."""
        self._setup, self._env = setup, setup.make()
        try:
            self._achieved, self._desired = self._goal_parts()
            self._compute = self._reward_function()
            self._succeeds = self._success_test()
            self.unknown = self._unknown()
            self._columns, self._entries = self._goal_columns()
            self._require_agreement()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the environment whose compute_reward is called."""
        environments.close(self._env)

    def _goal_parts(self) -> tuple[Part, Part]:
        parts = {part.path: part for part in self._setup.form.observation.parts}
        found = [parts.get((name,)) for name in (ACHIEVED, DESIRED)]
        achieved, desired = found
        if achieved is None or desired is None:
            raise UsageError(
                f"{self._setup.description.id} has no goals to replace: its observation has no entries `{ACHIEVED}` "
                f"and `{DESIRED}`.",
                "Leave `training.her` out, or return a Dict observation with both.",
            )
        if achieved.size != desired.size:
            raise UsageError(
                f"`{ACHIEVED}` has {achieved.size} numbers and `{DESIRED}` has {desired.size}.",
                "Return goals of one shape, or leave `training.her` out.",
            )
        return achieved, desired

    def _reward_function(self) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]:
        function: Callable[..., Any] | None = getattr(
            getattr(self._env, "unwrapped", self._env), "compute_reward", None
        )
        if function is None or not callable(function):
            raise UsageError(
                f"The environment of {self._setup.description.id} has no method `compute_reward`.",
                "Define compute_reward(achieved_goal, desired_goal, info), or leave `training.her` out.",
            )
        remedy = "Let compute_reward take arrays of goals and an empty info, or leave `training.her` out."

        def compute(achieved: NDArray[Any], desired: NDArray[Any]) -> NDArray[np.float64]:
            with environments.environment_blamed("compute_reward was called", remedy):
                if self._vectorised:
                    return np.asarray(function(achieved, desired, [{}] * len(achieved)), np.float64)
                pairs = zip(achieved, desired, strict=True)
                return np.array([float(function(one, other, {})) for one, other in pairs])

        self._vectorised = self._takes_arrays(function)
        return compute

    def _takes_arrays(self, function: Callable[..., Any]) -> bool:
        goals = np.zeros((3, self._achieved.size)) + np.arange(3.0)[:, None]
        try:
            found = np.asarray(function(goals, goals[::-1], [{}] * 3), np.float64)
            alone = [float(function(one, other, {})) for one, other in zip(goals, goals[::-1], strict=True)]
        except Exception:
            return False
        return found.shape == (3,) and bool(np.allclose(found, alone))

    def _success_test(self) -> Test | None:
        """The success of a state row, from the goals alone; None if the task has no success."""
        description = self._setup.description
        if description.score_rule is not None:
            return None
        text = description.goal_success or description.condition
        readable = {reader.name for reader in self._setup.variables if reader.flat is not None}
        if text is None or not _names(text) <= readable | FUNCTIONS.keys():
            raise UsageError(
                f"Whether a step of {description.id} succeeds is not known for another goal, because `success` reads "
                "more than the observation.",
                f'Add `goal_success`, a condition such as "distance({ACHIEVED}, {DESIRED}) < 0.05", or leave '
                "`training.her` out.",
            )
        fields = [field for field in self._setup.schema.as_dict()["fields"] if field["name"] in readable]
        entries = {f["name"]: f["entries"] if f["kind"] == "vector" else None for f in fields}
        places = {f["name"]: Place(f["column"], f.get("length", 0), f.get("values", ())) for f in fields}
        direct = translate(text, entries, [f["name"] for f in fields if f["kind"] == "bool"], places).direct
        assert direct is not None
        test, _ = direct.functions()
        return lambda row: bool(test(row, 0, 0.0, False, False, 0.0, {}, []))

    def _unknown(self) -> frozenset[str]:
        free = {v.name for v in self._setup.description.state if v.goal_free}
        return frozenset(r.name for r in self._setup.variables if r.flat is None and r.name not in free)

    def _goal_columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(columns of a state row that hold the desired goal, the number of the goal that each of them holds)."""
        first = self._desired.start
        found = [
            (reader.first + k, reader.flat + k - first)
            for reader in self._setup.variables
            if reader.flat is not None
            for k in range(reader.length)
            if first <= reader.flat + k < first + self._desired.size
        ]
        columns, entries = np.array(found, np.int64).reshape(-1, 2).T
        return columns, entries

    def raw(self, achieved: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return goals [B, G] in the environment's units, from achieved goals as a policy observes them."""
        return self._raw(self._achieved, achieved)

    def _raw(self, part: Part, observed: NDArray[np.float32]) -> NDArray[np.float64]:
        own, form = slice(part.start, part.start + part.size), self._setup.form
        return observed.reshape(len(observed), -1) * form.scale[own].astype(np.float64) + form.offset[own]

    def observed(self, goals: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return goals [B, G] as a policy observes its desired goal, float32 [B, G]."""
        part, form = self._desired, self._setup.form
        own = slice(part.start, part.start + part.size)
        return ((goals - form.offset[own]) / form.scale[own]).astype(np.float32)

    def rewards(self, achieved: NDArray[np.float64], goals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the environment's reward of steps that achieve `achieved` under `goals`, both [B, G]; float64 [B]."""
        return self._compute(achieved, goals)

    def rows(
        self, rows: NDArray[np.float64], goals: NDArray[np.float64], terminated: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return state rows under other goals, with the success test computed anew.

        Args:
            rows: State rows [B, W].
            goals: Goals in the environment's units, float64 [B, G].
            terminated: Whether the step that led to each row terminated the episode, bool [B].
        """
        found = rows.copy()
        found[:, self._columns] = goals[:, self._entries]
        if self._succeeds is None:
            return found
        begun = found[:, -3] > 0  # the start of an episode is no success
        solved = np.array([went and self._succeeds(row) for row, went in zip(found, begun, strict=True)], bool)
        found[:, -2], found[:, -1] = solved, terminated & ~solved
        return found

    def _require_agreement(self) -> None:
        """Compare compute_reward and the success test with random play. Raises UsageError if they differ."""
        setup, name = self._setup, self._setup.description.id
        batch, rng = batch_of(setup, 1, "train", 1), np.random.default_rng(0)
        row, seen = setup.schema.rows(1), setup.form.observation.rows(1)
        try:
            batch.reset(0)
            for _ in range(_COMPARED):
                batch.step(setup.form.actions.sample(rng, 1, allowed=batch.masks))
                batch.state_rows(row)
                batch.observe(seen)
                parts = setup.form.observation.structured(seen)
                goal = self._raw(self._desired, parts[DESIRED])
                paid = float(self.rewards(self.raw(parts[ACHIEVED]), goal)[0])
                told = float(batch.rewards[0])
                if abs(paid - told) > _CLOSE * max(1.0, abs(told)):
                    raise UsageError(
                        f"compute_reward of {name} gives {paid:.6g} for a step that paid {told:.6g}.",
                        "Let compute_reward return what step() pays, without `info`, or leave `training.her` out.",
                    )
                solved = self.rows(row, goal, batch.terminated)[0, -2]
                if self._succeeds is not None and solved != row[0, -2]:
                    raise UsageError(
                        f"`goal_success` of {name} is {bool(solved)} on a step on which `success` is "
                        f"{bool(row[0, -2])}.",
                        "Let both agree where the goal is the episode's own, or leave `training.her` out.",
                    )
                if batch.terminated[0] or batch.truncated[0]:
                    batch.restart(np.ones(1, bool))
        finally:
            batch.close()


def _names(condition: str) -> set[str]:
    return {node.id for node in ast.walk(parse_expression(condition)) if isinstance(node, ast.Name)}
