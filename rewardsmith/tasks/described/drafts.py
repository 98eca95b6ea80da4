"""`tasks new`: writes the description of an environment as a commented YAML or Python file.

What a shipped description or a family says is written as it is; everything else is inferred. Comments say what random
play showed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.tasks.described import environments
from rewardsmith.tasks.described.candidates import Signal, signals, source_of
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.env_classes import named_environment
from rewardsmith.tasks.described.finding_grids import inferred_grid
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.inference import PLAYED, SECONDS, infer, require_playable
from rewardsmith.tasks.described.measured import RandomPlay, span
from rewardsmith.tasks.described.play import Shown, watch
from rewardsmith.tasks.described.spaces import fit
from rewardsmith.tasks.described.task import DescribedTask, known_description
from rewardsmith.tasks.described.writing import Comments, as_python, as_yaml

_TEXTS = 3  # values of an info that a comment shows
_MOST_INFOS = 40  # infos that a comment names


@dataclass(frozen=True)
class Draft:
    """A drafted description.

    Attributes:
        description: What the file says.
        why: How success was chosen, in a clause.
        folder: Where its modules are looked for.
        comments: The comments of the file.
        python: Whether the file is Python.
    """

    description: Description
    why: str
    folder: Path
    comments: Comments
    python: bool = False

    def with_description(self, description: Description) -> Draft:
        """The same draft with another description, such as one that a model has improved."""
        played = DescribedTask(description, self.folder, examined=True).random_play()
        seen = {name: played.range_of(name) for name in played.seen}
        return replace(self, description=description, comments=replace(self.comments, seen=seen))

    @property
    def text(self) -> str:
        """The text of the whole file."""
        return (as_python if self.python else as_yaml)(self.description, self.comments)


def draft(name: str, folder: Path, *, python: bool = False) -> Draft:
    """Make an environment, play it at random, and write its description.

    Args:
        name: Gymnasium's id; MODULE:ID or MODULE:CLASS of a module that is looked for in `folder`, too; or a Python
            file that defines one environment.
        folder: Where modules are looked for after Python's path.
        python: Whether to write Python instead of YAML.

    Raises:
        UsageError: If the environment cannot be made, or has spaces that no policy can read.
        TaskError: If it fails while it is played.
    """
    name, folder = named_environment(name, folder)
    known = known_description(name)
    if known is None and (grid := inferred_grid(name, folder)) is not None:
        return Draft(grid.description, grid.why, folder, grid.comments, python)
    if known is not None:
        shown, found = _watched(known, folder)
        description, why, notes = known, "success is as rewardsmith describes this environment", ()
    else:
        inferred = infer(name, folder, inspect=True)
        description, shown, notes = inferred.description, inferred.shown, inferred.notes
        found = inferred.signals[1:]
        why = inferred.signals[0].why
    require_playable(shown, name)
    played = DescribedTask(description, folder, examined=True).random_play()
    if known is None:
        description = description.model_copy(update={"env_reward": played.paid})  # of more steps than before
    told = ["Random play:", *(f"  {line}" for line in played.lines(scored=description.score_rule is not None))]
    comments = _comments(name, known is not None, shown, played, [*told, *_infos(shown), *_others(found), *notes])
    return Draft(description, why, folder, comments, python)


def _watched(description: Description, folder: Path) -> tuple[Shown, tuple[Signal, ...]]:
    """Random play of a described environment, and candidates of success."""
    env = environments.make_environment(description, folder)
    try:
        observation, actions = fit(env, description)
        with environments.generators_kept():
            guarded = GuardedEnv(lambda: env, description.id, observation)
            shown = watch(guarded, observation, actions, PLAYED, description.max_steps, SECONDS)
        mine = {key: getattr(description, key) for key in ("success", "score", "threshold")}
        others = tuple(each for each in signals(env, shown) if any(mine[k] != v for k, v in each.fields.items()))
    finally:
        environments.close(env)
    return shown, others


def _others(found: Iterable[Signal]) -> list[str]:
    """Lines on signs of success that were not taken."""
    kept = [each for each in found if each.fields != {"score": "return"}]
    return ["Other signs of success:", *(f"  {_told(each.fields)}: {each.why}" for each in kept)] if kept else []


def _told(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in fields.items())


def _comments(name: str, known: bool, shown: Shown, played: RandomPlay, tail: list[str]) -> Comments:
    how = "with rewardsmith's names" if known else f"inferred from its code and {shown.steps} steps of random play"
    head = [f"A description of {name}, {how}. It runs as it is."]
    if not known:
        head.append("Better: give each variable a name, a unit and one line, and say in `goal` what is to be achieved.")
    head.append("`# seen:` is what random play showed.")
    return Comments(tuple(head), {v: played.range_of(v) for v in played.seen}, tuple(tail))


def _infos(shown: Shown) -> Iterator[str]:
    if shown.infos:
        yield "A variable or `success` may also read env.ATTRIBUTE, and of the infos of steps:"
    for key, values in [*shown.infos.items()][:_MOST_INFOS]:
        yield f"  {source_of(key)} ({_kind(values)})"
    if (more := len(shown.infos) - _MOST_INFOS) > 0:
        yield f"  and {more:,} more"


def _kind(values: list[Any]) -> str:
    """The type of an info, and the values that were seen."""
    first = values[0]
    if all(isinstance(v, bool | np.bool_) for v in values):
        return f"bool, true on {np.mean([bool(v) for v in values]):.0%} of the steps"
    if all(isinstance(v, int | float | np.number) for v in values):
        kind = "int" if all(isinstance(v, int | np.integer) for v in values) else "float"
        return f"{kind}, {span(float(min(values)), float(max(values)))}"
    if all(isinstance(v, str) for v in values):
        texts = [*dict.fromkeys(re.sub(r"\s+", " ", v)[:40] for v in values)]
        return f"text, {', '.join(map(repr, texts[:_TEXTS]))}{' ...' if len(texts) > _TEXTS else ''}"
    if isinstance(first, np.ndarray):
        return f"array of shape {first.shape}"
    return type(first).__name__
