"""From a description and its environment to the state's variables: where each is read, of what kind it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from rewardsmith.errors import UsageError
from rewardsmith.tasks.described.description import Description, Variable
from rewardsmith.tasks.described.names import COMMON, distinct, variable_name
from rewardsmith.tasks.described.python_tasks import Hooks
from rewardsmith.tasks.described.reading import NoValue, follow, split_path
from rewardsmith.tasks.observations import ObservationSpace, Part

PROBE_STEPS = 50
_MOST_ENTRIES = 512  # numbers of a part of the observation that becomes a variable unless a description names any
_XYZ = ("x", "y", "z")


@dataclass
class Probe:
    """The values of an environment in a few steps of random play.

    Attributes:
        values: For each source of `info` and `env`, and each variable of state(), the values that were seen.
        infos_seen: The keys of the infos of steps, in their order.
    """

    values: dict[str, list[Any]] = field(default_factory=dict)
    infos_seen: dict[str, Any] = field(default_factory=dict)
    steps: int = 0

    def look(self, env: Any, observation: Any, info: Mapping[str, Any], sources: Sequence[str], hooks: Hooks) -> None:
        """Note what the sources hold now, after a reset or a step."""
        bare = getattr(env, "unwrapped", env)
        self.infos_seen.update(info)
        roots = {"info": info, "env": bare, "observation": observation}
        for source in sources:
            root, steps = split_path(source)
            try:
                self.values.setdefault(source, []).append(follow(roots[root], steps, source))
            except NoValue:
                continue
        if hooks.state is not None:
            returned = hooks.state(env=bare, observation=observation, info=info)
            if not isinstance(returned, Mapping):
                cause = f"The description's function `state` returned a {type(returned).__name__}."
                raise UsageError(cause, "It must return a dict with the value of each variable by its name.")
            for name, value in returned.items():
                self.values.setdefault(name, []).append(value)


def resolve(description: Description, space: ObservationSpace, probe: Probe, hooks: Hooks) -> Description:
    """The description with every variable's source, kind and length filled in.

    Raises:
        UsageError: If a variable has no source that the environment shows, with what it does show.
    """
    variables = list(description.state)
    if hooks.state is not None:
        named = {v.name for v in variables}
        own = [name for name in probe.values if name not in named and "." not in name and "[" not in name]
        variables += [_own(name, description.id) for name in own]
    elif not variables:
        variables = list(_whole(space))
    faults: list[str] = []
    found, at = [], 0
    for variable in variables:
        try:
            if variable.source is None and hooks.state is None:
                variable, at = _next_entries(variable, space, at)
            found.append(_with_kind(variable, space, probe))
        except (NoValue, ValueError) as fault:
            faults.append(str(fault))
    if faults:
        raise UsageError(
            f"The state of {description.id} cannot be read: {'; '.join(faults)}.",
            f"There are {_shown_sources(space, probe)}; `rewardsmith tasks try` shows their values.",
        )
    return description.model_copy(update={"state": found})


def unnamed_variables(description: Description, space: ObservationSpace) -> list[Variable]:
    """A variable for each part of the observation that the variables of a resolved description do not cover.

    A reward may read all that the policy sees, except images and parts of more than 512 numbers.
    """
    covered = np.zeros(space.size, dtype=bool)
    for variable in description.state:
        if variable.source is not None and split_path(variable.source)[0] == "observation":
            covered[locate(space, variable.source)[1]] = True
    taken = {*COMMON, *(v.name for v in description.state)}
    added: list[Variable] = []
    for part, variable in zip(_readable(space), _whole(space), strict=True):
        if covered[part.start : part.start + part.size].all():
            continue
        name = variable.name if variable.name not in taken else f"seen_{variable.name}"[:32]
        if name in taken:
            continue  # the description uses both names
        taken.add(name)
        doc = f"{part.source} as the environment returns it"
        found = variable.model_copy(update={"name": name, "doc": doc})
        added.append(_with_kind(found, space, Probe()))
    return added


def _readable(space: ObservationSpace) -> list[Part]:
    return [part for part in space.parts if part.size <= _MOST_ENTRIES and not part.is_image]


def _own(name: str, task_id: str) -> Variable:
    """A variable that state() returns and the description does not mention. Raises UsageError for no name."""
    try:
        return Variable(name=name)
    except ValidationError:
        raise UsageError(
            f"state() of {task_id} returns {name!r}, which is no name for a variable.",
            "Use small letters, digits and underscores, at most 32.",
        ) from None


def _whole(space: ObservationSpace) -> Iterator[Variable]:
    """A variable for each part of the observation that is no image."""
    parts = _readable(space)
    for part, name in zip(parts, distinct([_name_of(part) for part in parts]), strict=True):
        yield Variable.model_validate({"name": name, "from": part.source})


def _name_of(part: Part) -> str:
    name = re.sub(r"\W+", "_", "_".join(str(key).lower() for key in part.path)).strip("_") or "observation"
    name = name if name[0].isalpha() else f"observation_{name}"
    return variable_name(name[:32].rstrip("_"))


def _next_entries(variable: Variable, space: ObservationSpace, at: int) -> tuple[Variable, int]:
    """A variable without a source takes the next numbers of the observation."""
    count = len(variable.entries) or variable.length or 1
    entries = [entry for entry, *_ in space.entries()]
    if at + count > len(entries):
        raise NoValue(f"{variable.name} comes after the {len(entries)} numbers of the observation")
    source = entries[at]
    if count > 1:
        source = f"{source.rpartition('[')[0]}[{at}:{at + count}]" if len(space.parts) == 1 else source
    return variable.model_copy(update={"source": source}), at + count


def _with_kind(variable: Variable, space: ObservationSpace, probe: Probe) -> Variable:
    """The variable with its kind and length as seen. Raises NoValue if its source was never there."""
    source = variable.source
    if source is not None and split_path(source)[0] == "observation":
        part, indices = locate(space, source)
        kind = variable.kind or _kind(np.dtype(getattr(part.leaf, "dtype", None) or np.float64))
        length = len(indices) if len(indices) > 1 or variable.entries else None
        return _named(variable, {"kind": kind, "length": length, "training_only": variable.training_only})
    values = probe.values.get(source or variable.name, [])
    if not values:
        if variable.kind is not None or variable.values:  # a person, or an earlier look, says what it is
            return variable
        raise NoValue(f"{source or variable.name} was not there in {probe.steps} random steps")
    # A function may compute from the observation alone: its description then says that a policy sees it.
    hidden = variable.training_only or "training_only" not in variable.model_fields_set
    if variable.values or all(isinstance(value, str) for value in values):
        seen = dict.fromkeys([*variable.values, *(v for v in values if isinstance(v, str))])
        return variable.model_copy(update={"values": list(seen), "training_only": hidden})
    arrays = [np.asarray(value) for value in values]
    if any(array.dtype.kind not in "biuf" for array in arrays):
        raise NoValue(f"{source or variable.name} holds {type(values[0]).__name__}, which is no number")
    kinds = {_kind(array.dtype) for array in arrays}
    kind = variable.kind or next(k for k in ("float", "int", "bool") if k in kinds)
    length = arrays[-1].size if arrays[-1].ndim or variable.entries else None
    return _named(variable, {"kind": kind, "length": length, "training_only": hidden})


def _named(variable: Variable, found: dict[str, Any]) -> Variable:
    length = found["length"]
    if length is not None and variable.entries and len(variable.entries) != length:
        raise NoValue(f"{variable.name} has {length} numbers, and names for {len(variable.entries)}")
    if length in (2, 3) and not variable.entries:
        found["entries"] = list(_XYZ[:length])
    return variable.model_copy(update=found)


def _kind(dtype: np.dtype) -> str:
    return {"b": "bool", "i": "int", "u": "int"}.get(dtype.kind, "float")


def locate(space: ObservationSpace, source: str) -> tuple[Part, NDArray[np.int64]]:
    """The part of an observation that a source leads into, and which numbers of the flattened one it names.

    Raises:
        NoValue: If it leads nowhere, or to several parts.
    """
    _, steps = split_path(source)
    for part in space.parts:
        depth = len(part.path)
        if [str(step) for step in steps[:depth]] != [str(key) for key in part.path]:
            continue
        shape = part.leaf.shape or ()
        numbers = np.arange(part.start, part.start + part.size).reshape(shape)
        try:
            found = np.ravel(follow(numbers, steps[depth:], source)) if steps[depth:] else np.ravel(numbers)
        except NoValue:
            raise NoValue(f"{source} leads outside of {part.source}, which has shape {tuple(shape)}") from None
        if not len(found):
            raise NoValue(f"{source} names no number of {part.source}, which has shape {tuple(shape)}")
        return part, found
    raise NoValue(f"there is no {source}")


def _shown_sources(space: ObservationSpace, probe: Probe) -> str:
    parts = [f"{part.source} {tuple(part.leaf.shape or ())}" for part in space.parts]
    infos = [f"info.{key}" if key.isidentifier() else f'info["{key}"]' for key in map(str, probe.infos_seen)]
    return ", ".join([*parts, *infos, "env.ATTRIBUTE"])
