"""Any Gymnasium environment as a task, through a description in YAML or Python.

The description names the variables of the state and where each is read, the actions, and when an episode succeeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.scores import ScoreRule
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import BatchEnv, Interface, Schema, Tables, Task
from rewardsmith.tasks.capabilities import StateReader
from rewardsmith.tasks.described import environments, export, flattening, python_tasks
from rewardsmith.tasks.described.batch import FIRST_SEEDS
from rewardsmith.tasks.described.batches import batch_of, choose_stepping, guarded_env
from rewardsmith.tasks.described.captions import caption_of
from rewardsmith.tasks.described.description import (
    Description,
    Variable,
    described_ids,
    is_description_file,
    parse_description,
    read_built_in,
    read_file,
)
from rewardsmith.tasks.described.env_classes import named_environment
from rewardsmith.tasks.described.families import family_description
from rewardsmith.tasks.described.filming import FilmsItself
from rewardsmith.tasks.described.finding_grids import inferred_grid, is_grid
from rewardsmith.tasks.described.goals import GoalRelabeller
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.inference import infer
from rewardsmith.tasks.described.inspection import Fault, NotMade, require_no_faults
from rewardsmith.tasks.described.installed import open_installed
from rewardsmith.tasks.described.interface import interface_of
from rewardsmith.tasks.described.measured import RandomPlay, measure, shipped_play
from rewardsmith.tasks.described.mistakes import differences, wrong_condition
from rewardsmith.tasks.described.modules import require_task_files, serves_others
from rewardsmith.tasks.described.python_tasks import describe_file, describe_object, only_grids
from rewardsmith.tasks.described.references.opening import open_named, open_reference, require_success
from rewardsmith.tasks.described.references.playing import PlayedReference
from rewardsmith.tasks.described.setup import Setup, set_up
from rewardsmith.tasks.described.stepping import Stepping
from rewardsmith.tasks.described.tables import read_table
from rewardsmith.tasks.observations import ObservationSpace, RawObservations, leaves_of
from rewardsmith.tasks.transition_table import TransitionTable

if TYPE_CHECKING:
    from rewardsmith.tasks.described.grids import DescribedGrid

    UserTask: TypeAlias = "DescribedGrid | DescribedTask"

__all__ = ["DescribedTask", "Description", "Variable", "described_ids", "load_task"]


def load_task(name: str) -> Task:
    """The task of a built-in id, an installed distribution, a YAML or Python file, or MODULE:OBJECT.

    Raises KeyError if it is none of these.
    """
    if (known := known_description(name)) is not None:  # of no folder, so that workers of the service open it, too
        return DescribedTask(known, examined=True, played=shipped_play(name))
    if (installed := open_installed(name)) is not None:
        if not isinstance(installed, Description):
            return installed
        # Whoever submitted the job has examined it.
        return opened(installed, None, examined=True) if serves_others() else task_of(installed, None)
    if (read := read_user_description(name)) is not None:
        return task_of(*read)
    if (described := drafted(name)) is None:
        raise KeyError(name)
    return opened(described, Path.cwd(), examined=True)


def opened(
    description: Description,
    folder: Path | None,
    *,
    examined: bool = False,
    stored: bool = False,
    played: RandomPlay | None = None,
    processes: int | None = None,
) -> UserTask:
    """The task of a description, see DescribedTask; a MiniGridEnv has MiniGrid's state unless `state` says otherwise.

    Raises:
        UsageError: If a MiniGridEnv cannot be made.
    """
    if is_grid(description, folder):
        from rewardsmith.tasks.described.grids import DescribedGrid  # imports minigrid

        return DescribedGrid(description, folder, examined=examined)
    return DescribedTask(description, folder, examined=examined, stored=stored, played=played, processes=processes)


def drafted(name: str) -> Description | None:
    """The description of an environment that Gymnasium knows: its family's, or drafted; None if it knows none.

    Raises:
        UsageError: If the environment cannot be made, or has spaces that no policy can read.
    """
    if (found := known_description(name)) is not None:
        return found
    if ":" not in name and not environments.is_registered(name):
        return None
    return inferred(name, Path.cwd())


def inferred(name: str, folder: Path) -> Description:
    """The description of an environment as its spaces and play show it; a MiniGridEnv needs no names for its state.

    Raises:
        UsageError: If the environment cannot be made, or has spaces that no policy can read.
    """
    if (grid := inferred_grid(name, folder)) is not None:
        return grid.description
    return infer(name, folder, inspect=True).description


def known_description(name: str) -> Description | None:
    """The description that comes with rewardsmith, of an id or of its family; None if there is none."""
    return read_built_in(name) if name in described_ids() else family_description(name)


def read_user_description(name: str) -> tuple[Description, Path] | None:
    """The description that a file or MODULE:OBJECT holds, with the folder of its modules; None if `name` is neither.

    Raises:
        UsageError: If there is no such file, if it is wrong, or in a process that serves other people's jobs.
    """
    if is_description_file(name):
        require_task_files(name)
        path = Path(name)
        folder = path.absolute().parent
        if path.suffix == ".py":
            if only_grids(path):
                environment, folder = named_environment(name, folder)
                return inferred(environment, folder), folder
            return describe_file(path), folder
        return parse_description(read_file(path), name), folder
    if ":" in name:
        require_task_files(name)
        if (described := describe_object(name, Path.cwd())) is not None:
            return described, Path.cwd()
    return None


def task_of(description: Description, folder: Path | None) -> UserTask:
    """The task of a user's description, examined. Raises UsageError with all that is wrong."""
    task = opened(description, folder)
    try:
        task.require_sound()
    except UsageError as error:
        if not isinstance(task, DescribedTask):
            raise
        cause, remedy = error.cause, error.remedy
        if isinstance(error, NotMade):
            raise
        if (found := differences(description, folder)) is not None and found[0] not in cause:
            cause, remedy = f"{cause} Besides, {found[0]}", f"{remedy} {found[1]}"
        if (wrong := wrong_condition(description)) is not None and repr(description.condition) not in cause:
            cause, remedy = f"{cause} {wrong.cause}", f"{remedy} {wrong.remedy}"
        raise UsageError(cause, remedy) from error
    return task


class DescribedTask(FilmsItself):
    """A Gymnasium environment whose state, actions and success a description names.

    The environment is made, and looked at, when it is first needed.
    """

    engine = "real"
    cheap_steps = False
    view_cells = 0
    deterministic = False  # described variables need not be the whole state

    def __init__(
        self,
        description: Description,
        folder: Path | None = None,
        *,
        examined: bool = False,
        stored: bool = False,
        played: RandomPlay | None = None,
        processes: int | None = None,
    ) -> None:
        """Describe a task; nothing of the environment is made yet.

        Args:
            description: What the user, or a shipped file, says of the environment.
            folder: Where modules are looked for after Python's path.
            examined: Whether the description's bounds have been compared with what random play shows.
            stored: Whether a job has stored it, so that its interface is told with `played` as stored or without.
            played: Random play, measured earlier.
            processes: How many step the environments of a batch; as described unless given, one for `auto`.
        """
        self._folder, self._examined, self._stored, self._played = folder, examined, stored, played
        self._processes = processes or (description.processes if isinstance(description.processes, int) else 1)
        self.described, self.id, self.max_steps = description, description.id, description.max_steps
        self._faults: list[Fault] = []
        self.success_rule = _success_rule(description)

    @property
    def score_rule(self) -> ScoreRule | None:
        """The rule of an episode's score; None if the task has a success."""
        return self.described.score_rule

    def has_one_start(self) -> bool:
        """Return whether every episode starts in the same state: as described, or as resets with several seeds show."""
        return self.described.one_start or self._setup.one_start

    def require_sound(self) -> None:
        """Make and play the environment, and compare it with its description. Raises UsageError."""
        # Gymnasium's BipedalWalker differs from step 1 on when it is reset with the same seed; ids are not inspected.
        shipped = environments.is_gymnasiums(self.described.environment) and not self.described.wrappers
        if not self._examined and not shipped:
            hooks = python_tasks.hooks_of(self.described, self._folder)
            self._faults = require_no_faults(
                lambda: environments.make_environment(self.described, self._folder, hooks.make), self.described
            )
        _ = self._setup

    @cached_property
    def _setup(self) -> Setup:
        return set_up(self.described, self._folder, self._examined)

    @property
    def description(self) -> Description:
        """The description, with what the environment itself shows filled in."""
        return self._setup.description

    @property
    def setup(self) -> Setup:
        """The description compared with its environment."""
        return self._setup

    @property
    def environment_id(self) -> str:
        """Gymnasium's id of the environment."""
        return self.described.environment

    @property
    def actions(self) -> ActionSpace:
        """The actions, as reward code sees them."""
        return self._setup.form.actions

    @property
    def observation(self) -> ObservationSpace:
        """The observation space, as rows and as policies read it."""
        return self._setup.form.observation

    @property
    def observation_size(self) -> int:
        """The length D of an observation."""
        return self.observation.size

    @property
    def schema(self) -> Schema:
        """The meaning of each column of a state row."""
        return self._setup.schema

    @property
    def masked(self) -> bool:
        """Whether the environment says which actions are allowed."""
        return self._setup.form.mask is not None

    def make_env(self) -> Any:
        """One real environment. Raises UsageError if it cannot be made, cannot play or does not fit the description."""
        return self._setup.make()

    def guarded_env(self) -> GuardedEnv:
        """One real environment whose own errors are TaskErrors. Raises TaskError."""
        return guarded_env(self._setup)

    def order_warning(self) -> str | None:
        """Warn of names of a flattened Dict observation, and of faults that harm no job; None if there are none."""
        env = self.make_env()
        try:
            flattened = flattening.order_warning(env, self.described)
        finally:
            environments.close(env)
        mild = [f"{fault.what}. {fault.remedy}" for fault in self._faults]
        return " ".join([*([flattened] if flattened else []), *mild]) or None

    def batch(self, num_envs: int, pool: str) -> BatchEnv:
        """N real environments; start states of different pools come from disjoint seeds."""
        return batch_of(self._setup, num_envs, pool, self._processes)

    def choose_stepping(self) -> Stepping:
        """How many processes step its environments: as described, or measured."""
        return choose_stepping(self._setup)

    def unseen(self, pool: str) -> bool:
        """Start states are drawn from disjoint seeds; none recurs, unless there is only one."""
        return pool != "train" and not self.has_one_start()

    @cached_property
    def reference(self) -> PlayedReference | None:
        """The reference that the description names, or None. Raises UsageError if it cannot be opened."""
        return open_reference(self._setup)

    def referring_to(self, named: str) -> PlayedReference:
        """Open another reference than the description's, such as a policy file. Raises UsageError."""
        return open_named(self._setup, named)

    def require_reference(self) -> None:
        """Measure the reference, if there is one. Raises UsageError if it mostly fails, TaskError if it cannot play."""
        if self.reference is not None:
            require_success(self.reference, self._setup)

    def __eq__(self, other: object) -> bool:
        """Whether two tasks have the same description and folder: what is computed for one holds for the other."""
        if not isinstance(other, DescribedTask):
            return False
        return self.described == other.described and self._folder == other._folder

    def __hash__(self) -> int:
        return hash((self.id, self._folder))

    @cached_property
    def _table(self) -> TransitionTable:
        return read_table(self._setup)

    def transition_table(self) -> TransitionTable:
        """Every transition of an environment with a table `P`, compared with play. Raises NotTabular, TaskError."""
        return self._table

    def table_states(self, batch: BatchEnv) -> NDArray[np.int64]:
        """Return the state of each environment as the exact model counts states, int64 [N]."""
        first = int(getattr(self.observation.parts[0].leaf, "start", 0))
        observed: NDArray[Any] = getattr(batch, "observed")  # noqa: B009  (a batch in this process has it)
        return observed[:, 0].astype(np.int64) - first

    def table_seed(self, layout: int) -> int:
        """Return the seed that makes the environment's reset start on a training layout."""
        return FIRST_SEEDS["train"] + layout

    @property
    def has_goals(self) -> bool:
        """Whether the observation has an achieved and a desired goal, which hindsight experience replay replaces."""
        keys = {part.path for part in self.observation.parts}
        return {("achieved_goal",), ("desired_goal",)} <= keys

    def goal_relabeller(self) -> GoalRelabeller:
        """Return what scores transitions under other goals. Raises UsageError with the reason why there is none."""
        return GoalRelabeller(self._setup)

    def fill_features(self, rows: NDArray[Any], tables: Tables, uses: Sequence[str]) -> None:
        """These tasks have no costly features."""

    def interface(self) -> Interface:
        """The text that a designer receives: variables with units and ranges, actions, success, an example."""
        return interface_of(
            self._setup, self.success_rule, self._played if self._stored else self.random_play_if_sound()
        )

    def random_play_if_sound(self) -> RandomPlay | None:
        """The same; None if the environment fails while it is played, which a trial reports with its cause."""
        with suppress(TaskError):
            return self.random_play()
        return None

    def random_play(self) -> RandomPlay:
        """The results of random play: as stored, or measured once. Raises TaskError."""
        if self._played is None:
            batch = self.batch(1, "train")
            try:
                self._played = measure(batch, self.schema, self.actions)
            finally:
                batch.close()
        return self._played

    def caption(self, row: NDArray[Any], tables: Tables) -> str:
        """Return one state in words: each variable with its value."""
        del tables
        return caption_of(self.description.state, self._setup.variables, row)

    def raw_observations(self) -> RawObservations:
        """Return the offset and the scale of a policy's numbers, and whether a policy reads every part."""
        form, env = self._setup.form, self.make_env()
        complete = len(list(leaves_of(env.observation_space))) == len(form.observation.parts)
        env.close()
        return RawObservations(complete, form.offset, form.scale.astype(np.float64))

    def state_reader(self) -> StateReader:
        """The variables, the success test as a function, and what reads them from the plain environment."""
        return export.state_reader(self._setup)


def _success_rule(description: Description) -> str:
    if description.threshold is not None:
        least = "at least" if description.direction == "maximize" else "at most"
        return f"An episode succeeds if its return is {least} {description.threshold:g} when it ends."
    if (rule := description.score_rule) is not None:
        return rule.words
    if description.condition is not None:
        return f"An episode succeeds on a step where: {description.condition}."
    return "An episode succeeds on a step where the task's own function says so."
