"""Write rewardsmith/cli/options_generated.py: the options of a command that are settings of a job, from their fields.

.venv/bin/python -m scripts.make_options

The file is checked in, so that `rewardsmith --help` needs no pydantic; tests/cli/test_options.py compares it with the
fields.
"""

from __future__ import annotations

import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rewardsmith.spec import JobSpec
from rewardsmith.spec.setting import Flag

TARGET = Path(__file__).parents[1] / "rewardsmith" / "cli" / "options_generated.py"
HEAD = '''"""Options that are settings of a job, by the setting's name; budget.calls is the field `calls` of `budget`.

Made by scripts/make_options.py from the fields of rewardsmith/spec/job.py: edit these, then make the file anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SETTINGS: dict[str, Any] = {
'''


def flagged(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo, Flag]]:
    """(setting, field, flag) of each field with a Flag, in a model and the models within it."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from flagged(field.annotation, f"{prefix}{name}.")
        for flag in field.metadata:
            if isinstance(flag, Flag):
                yield f"{prefix}{name}", field, flag


def type_of(annotation: Any, flag: Flag) -> str:
    """The type of an option's value, as text; the spec checks the value itself."""
    if flag.file:
        return "Path"
    if "/" in (flag.name or ""):
        return "bool"  # --name/--no-name; the setting may have further values, such as auto
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    if get_origin(annotation) in (Union, types.UnionType):
        return type_of(kinds[0], flag) if len(kinds) == 1 else "str"
    if get_origin(annotation) is Literal:
        return "str"
    return "list[str]" if get_origin(annotation) in (tuple, dict) else annotation.__name__


def help_of(field: FieldInfo, flag: Flag) -> str:
    """The field's description as a sentence, with the form of its value in brackets."""
    text = field.description or ""
    return f"{text[:1].upper()}{text[1:]}{f' ({flag.written})' if flag.written else ''}."


def option_of(setting: str, field: FieldInfo, flag: Flag) -> str:
    """The source line of an option."""
    name = flag.name or "--" + setting.split(".")[-1].replace("_", "-")
    more = f", envvar={flag.envvar!r}" if flag.envvar else ""
    kind = type_of(field.annotation, flag)
    return f"{setting!r}: Annotated[{kind} | None, typer.Option({name!r}, help={help_of(field, flag)!r}{more})],\n"


def options_text() -> str:
    """The text of options_generated.py."""
    lines = (option_of(*found) for found in flagged(JobSpec))
    text = HEAD + "".join(lines) + "}\n"
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    TARGET.write_text(options_text(), encoding="utf-8")
