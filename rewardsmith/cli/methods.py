"""`methods`, and how `--with`, `--weight` and `--option` are read."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(methods)


def methods(form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table") -> None:
    """List the methods: what each is, whether `--with` combines it, its options."""
    from rewardsmith.offline.dry_run import describe_methods

    rows = describe_methods()
    shown = screen.table(None, [("method", "left"), ("--with", "left"), ("what it is", "left"), ("options", "left")])
    for row in rows:
        shown.add_row(row["method"], "yes" if row["combines"] else "", row["summary"], " ".join(row["options"]))
    screen.emit(rows, form, shown)
    if form == "table":
        screen.next_command("rewardsmith run --task MiniGrid-DoorKey-6x6-v0 --method count")


def read_combined(names: list[str] | None) -> list[str]:
    """Names out of `--with a,b --with c`."""
    return [name.strip() for text in names or [] for name in text.split(",") if name.strip()]


def read_weights(changes: list[str] | None) -> dict[str, float]:
    """Weights by channel out of `--weight NAME=W` texts. Raises UsageError."""
    from rewardsmith.errors import UsageError

    weights: dict[str, float] = {}
    for change in changes or []:
        name, _, text = change.partition("=")
        if name.strip() in weights:
            raise UsageError(f"The weight of {name.strip()} is given twice.", "Leave one of the two out.")
        try:
            weights[name.strip()] = float(text)
        except ValueError:
            raise UsageError(f"{change!r} is no weight.", "Write NAME=NUMBER, such as --weight count=0.02.") from None
    return weights


def read_options(changes: list[str] | None, method: str) -> dict[str, dict[str, Any]]:
    """Options by method out of `--option [METHOD.]NAME=VALUE` texts; `method` is meant where none is named.

    Raises UsageError.
    """
    import yaml

    from rewardsmith.errors import UsageError

    options: dict[str, dict[str, Any]] = {}
    for change in changes or []:
        key, equals, text = change.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if not equals or not name or (dot and not owner):
            raise UsageError(f"{change!r} is no option.", "Write NAME=VALUE or METHOD.NAME=VALUE; see `methods`.")
        mine = options.setdefault(owner or method, {})
        if name in mine:
            raise UsageError(f"The option {owner or method}.{name} is given twice.", "Leave one of the two out.")
        try:
            mine[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"The value of {key} cannot be read: {text!r}", "Quote it as YAML.") from None
    return options
