"""The documentation page of a method, as `rewardsmith methods NAME` prints it."""

from __future__ import annotations

from pathlib import Path

from rewardsmith.files import read_text
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Method

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "_pages", _PACKAGE.parent / "docs" / "methods")  # of an installed wheel, of a checkout


def page_of(name: str) -> str:
    """Return the page of the method called `name` as Markdown; its summary and options if it has no page.

    Raises:
        UsageError: There is no such method.
    """
    method = get_method(name)
    for folder in _FOLDERS:
        path = folder / f"{method.page or method.name}.md"
        if path.is_file():
            return read_text(path)
    return _short_page(method)


def _short_page(method: Method) -> str:
    options = [
        f"- `{name}` (default {field.default}): {field.description or ''}".rstrip(" :")
        for name, field in method.Options.model_fields.items()
    ]
    listed = "\n".join(options) or "It has no options."
    return f"# {method.name}\n\n{method.summary}\n\n{listed}\n"
