"""The exported reward.py: the designed program, followed by the code that it needs to run without rewardsmith.

The support code is copied from the modules that rewardsmith itself runs (views, composition, MiniGrid's state tracker),
so there is no second implementation that could disagree.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import pprint
import re
import textwrap
from pathlib import Path
from typing import Any

from rewardsmith.errors import UsageError
from rewardsmith.plaintext import in_docstring
from rewardsmith.programs.reward import TrainingReward, top_level_names
from rewardsmith.programs.reward_file import BEGIN, END
from rewardsmith.syntax import parse_module
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import StateReader, exportable_of

_SUFFIX = "_of_rewardsmith"
# Names that the head of the file imports for the support code; a program may redefine them.
_IMPORTED = frozenset(
    "Any Callable Iterable Iterator Mapping Sequence asdict dataclass field json math np re".split()  # noqa: SIM905
)
_PARTS = Path(__file__).with_name("export_parts")


def standalone_reward(task: Task, reward: TrainingReward, gamma: float, title: str) -> str:
    """Return the text of reward.py.

    Args:
        task: The task, whose reader of the environment's state is copied.
        reward: The program and its channels.
        gamma: Discount factor of potential channels.
        title: First line of the file's docstring.

    Raises:
        UsageError: The task's state cannot be read without rewardsmith.
    """
    reader = reader_of(task)
    support = _support(task, reader, reward, gamma)
    support, kept = _without_collisions(support, reward.source)
    names = task.actions.names if task.actions.discrete else ()
    made = in_docstring(reader.making)
    notes = "\n".join(textwrap.fill(in_docstring(note), 110) for note in reader.notes)
    constants = "\n".join(f"{name.upper()} = {i}" for i, name in enumerate(names))
    head = f'''"""{in_docstring(title)}

The reward program comes first, as it was designed. Use it on the plain environment:

    import gymnasium, reward
    env = reward.wrap({made})

{notes}
The reward needs numpy, only wrap() needs gymnasium.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

# Actions, as the program names them.
{constants}


class Actions:
    """The same constants as attributes{"" if names else "; there are none, since an action is a vector"}."""

{chr(10).join(f"    {name.upper()} = {i}" for i, name in enumerate(names))}


'''
    if kept:
        head += f"# Kept under another name, because the program redefines them.\n{kept}\n\n\n"
    return f"{head}{BEGIN}\n{reward.source.strip()}\n{END}\n\n\n{support}"


def reader_of(task: Task) -> StateReader:
    """Return the code that reads a task's state without rewardsmith.

    Raises:
        UsageError: If the task has none.
    """
    exportable = exportable_of(task)
    if exportable is None:
        raise UsageError(
            f"The state of {task.id} cannot be read without rewardsmith.",
            "Use the reward in Python with rewardsmith.load(CANDIDATE) instead of exporting it.",
        )
    return exportable.state_reader()


def _support(task: Task, reader: StateReader, reward: TrainingReward, gamma: float) -> str:
    from rewardsmith.programs import composition
    from sandbox import grid, views

    channels = ",\n    ".join(_channel(c.as_dict()) for c in reward.channels)
    schema = pprint.pformat(_lean(task.schema.as_dict()), width=110, compact=True, sort_dicts=False)
    tables = tuple(field.table for field in task.schema if field.kind == "table")
    return "\n\n".join(
        [
            "# --- reading the state " + "-" * 56,
            _body(inspect.getsource(grid)) if views.is_grid(task.schema.as_dict()) else "GRID_METHODS: Any = {}",
            _body(inspect.getsource(views)),
            f"SCHEMA: dict[str, Any] = {schema}",
            "\n\n\n".join([*(_body(inspect.getsource(module)) for module in reader.modules), *reader.code]),
            "# --- from the program's numbers to the training reward " + "-" * 25,
            _body(inspect.getsource(composition)),
            f"CHANNELS = (\n    {channels},\n)\nFUNCTIONS = {tuple(reward.functions)!r}\nGAMMA = {gamma!r}\n"
            f"TABLES = {tables!r}\n{_actions(task)}",
            (_PARTS / "wrapper.py").read_text(encoding="utf-8"),
        ]
    )


def _actions(task: Task) -> str:
    entries = () if task.actions.discrete else task.actions.names
    return f"ACTION_ENTRIES = {entries!r}\nACTION_WHOLE = {task.actions.whole!r}\nFIRST_ACTION = {task.actions.first!r}"


def _channel(values: dict[str, Any]) -> str:
    from rewardsmith.programs.composition import Channel

    default = Channel(name="")
    given = {k: v for k, v in values.items() if v != getattr(default, k)}
    return f"Channel({', '.join(f'{k}={v!r}' for k, v in given.items())})"


def _lean(value: Any) -> Any:
    """Return a schema without its documentation."""
    if isinstance(value, dict):
        return {k: _lean(v) for k, v in value.items() if k not in ("doc", "unit", "low", "high")}
    return [_lean(v) for v in value] if isinstance(value, list) else value


def _body(source: str) -> str:
    """Return a module's text without its docstring and imports."""
    tree = parse_module(source)
    lines = source.splitlines()
    keep = [True] * len(lines)
    for index, node in enumerate(tree.body):
        doc = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if doc or isinstance(node, ast.Import | ast.ImportFrom):
            for line in range(node.lineno - 1, node.end_lineno or node.lineno):
                keep[line] = False
    text = "\n".join(line for line, kept in zip(lines, keep, strict=True) if kept).strip()
    return text.replace("NDArray[np.int32]", "Any")


def _without_collisions(support: str, program: str) -> tuple[str, str]:
    """Rename names of the support code that the program also defines at its top level.

    Returns the support code, and the lines to put before the program, which keep under another name the imports and
    builtins that it redefines.
    """
    own = top_level_names(support)
    kept = []
    for name in sorted(top_level_names(program) & set(re.findall(r"[A-Za-z_]\w*", support))):
        if name not in own and name not in _IMPORTED and not hasattr(builtins, name):
            continue  # an attribute or a parameter of that name is harmless
        if name not in own:
            kept.append(f"{name}{_SUFFIX} = {name}")
        support = re.sub(rf"(?<![\w.]){re.escape(name)}\b(?!\s*=[^=])", f"{name}{_SUFFIX}", support)
        if name in own:
            support = re.sub(rf"(?m)^{re.escape(name)}\b", f"{name}{_SUFFIX}", support)
    return support, "\n".join(kept)
