"""Write docs/api.md: the public functions and their results, from their signatures and docstrings.

.venv/bin/python -m scripts.make_api

The page is checked in; tests/test_api_page.py compares it with the docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import rewardsmith

TARGET = Path(__file__).parents[1] / "docs" / "api.md"
FUNCTIONS = ("design", "check", "train", "export", "load")
RESULTS = ("JobResult", "CandidateResult", "CurvePoint", "Claim", "Arm", "CheckResult", "CheckVerdict", "ExportResult")
ERRORS = ("RewardsmithError", "UsageError")
HEAD = """# The Python API

<!-- Made by scripts/make_api.py from the docstrings: edit these, then run `python -m scripts.make_api`. -->

Five functions do what the command line does. `import rewardsmith` loads nothing heavy; the first call does.

```python
import rewardsmith

result = rewardsmith.design("MiniGrid-DoorKey-8x8-v0", confirm=3)
result  # in a notebook: the claim, the candidates, the best program
result.claim.verdict  # "better", "not shown" or "worse"
result.to_records("curves")  # plain rows, for pandas.DataFrame or polars.DataFrame
result.to_json()
rewardsmith.export(result.job_id, "exported")
```

Complete programs are in [examples](../examples).
"""

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):")
_ENTRY = re.compile(r" {4}(\w+): (.*)")


def signature_of(function: Any) -> str:
    """A function's signature, with one argument per line if there are more than two."""
    found = inspect.signature(function)
    parts: list[str] = []
    for each in found.parameters.values():
        if each.kind is inspect.Parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        parts.append(_parameter(each))
    returned = "" if found.return_annotation is inspect.Signature.empty else f" -> {found.return_annotation}"
    inner = ", ".join(parts) if len(parts) <= 2 else "\n" + "".join(f"    {part},\n" for part in parts)
    return f"{function.__name__}({inner}){returned}"


def _parameter(found: inspect.Parameter) -> str:
    typed = "" if found.annotation is inspect.Parameter.empty else f": {found.annotation}"
    if found.default is inspect.Parameter.empty:
        return f"{found.name}{typed}"
    return f"{found.name}{typed}{' = ' if typed else '='}{found.default!r}".replace("'", '"')


def text_of(docstring: str) -> Iterator[str]:
    """A docstring as Markdown: its sections become lists."""
    section = ""
    for line in docstring.splitlines():
        if named := _SECTION.fullmatch(line):
            section = named[1]
            yield f"**{'Arguments' if section == 'Args' else section}**\n"
        elif section and (entry := _ENTRY.fullmatch(line)):
            yield f"- `{entry[1]}`: {entry[2]}"
        else:
            yield line.replace("        ", "  ", 1) if section and line.startswith("        ") else line.strip()


def part_of(name: str) -> str:
    """The Markdown section of a function or a class."""
    found = getattr(rewardsmith, name)
    doc = "\n".join(text_of(inspect.getdoc(found) or ""))
    if inspect.isfunction(found):
        return f"### `{name}`\n\n```python\n{signature_of(found)}\n```\n\n{doc}\n"
    methods = [
        f"- `{signature_of(method).replace('self, ', '').replace('self', '')}`: {_summary(method)}"
        for own, method in inspect.getmembers(found, inspect.isfunction)
        if is_dataclass(found) and not own.startswith("_")
    ]
    return f"### `{name}`\n\n{doc}\n" + ("\n**Methods**\n\n" + "\n".join(methods) + "\n" if methods else "")


def _summary(method: Any) -> str:
    return " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())


def api_text() -> str:
    """The text of docs/api.md."""
    groups = (("Functions", FUNCTIONS), ("Results", RESULTS), ("Errors", ERRORS))
    parts = (f"## {title}\n\n" + "\n".join(part_of(name) for name in names) for title, names in groups)
    return HEAD + "\n" + "\n".join(parts)


if __name__ == "__main__":
    TARGET.write_text(api_text(), encoding="utf-8")
