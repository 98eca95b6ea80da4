"""`methods`, and the parsers of `--with`, `--weight` and `--option`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rewardsmith.cli import screen


def register(app: typer.Typer) -> None:
    """Add `methods` to the application."""
    app.command()(methods)


def methods(
    name: Annotated[str | None, typer.Argument(help="A method, whose page is printed.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, json or csv.")] = "table",
) -> None:
    """List the methods and their options, or print the page of one.

    The column `--with` marks methods that can be added to another one.
    """
    if name is not None:
        _print_page(name, form)
        return
    from rewardsmith.offline.dry_run import describe_methods

    rows = describe_methods()
    shown = screen.table(None, [("method", "left"), ("--with", "left"), ("summary", "left"), ("options", "left")])
    for row in rows:
        shown.add_row(row["method"], "yes" if row["combines"] else "", row["summary"], " ".join(row["options"]))
    screen.emit(rows, form, shown)
    if form == "table":
        screen.next_command("rewardsmith run --task MiniGrid-DoorKey-6x6-v0 --method count")


def _print_page(name: str, form: str) -> None:
    from rewardsmith.errors import UsageError
    from rewardsmith.offline.method_pages import page_of

    if form != "table":
        raise UsageError("The page of a method is text.", "Leave --format out, or leave out the name.")
    screen.write(page_of(name))
    screen.next_command(f"rewardsmith run --task MiniGrid-DoorKey-6x6-v0 --method {name}")


def read_combined(names: list[str] | None) -> list[str]:
    """Return the method names of `--with a,b --with c`."""
    return [name.strip() for text in names or [] for name in text.split(",") if name.strip()]


def read_weights(changes: list[str] | None) -> dict[str, float]:
    """Return the weight of each channel named by `--weight NAME=NUMBER`. Raises UsageError."""
    from rewardsmith.errors import UsageError

    weights: dict[str, float] = {}
    for change in changes or []:
        name, _, text = change.partition("=")
        if name.strip() in weights:
            raise UsageError(f"--weight sets {name.strip()} twice.", "Leave one of the two out.")
        try:
            weights[name.strip()] = float(text)
        except ValueError:
            raise UsageError(
                f"--weight {change!r} is not a weight.", "Write --weight NAME=NUMBER, such as count=0.02."
            ) from None
    return weights


def read_transforms(changes: list[str] | None) -> dict[str, str]:
    """Return the change of each channel named by `--transform NAME=delta|outcome`. Raises UsageError."""
    from rewardsmith.errors import UsageError

    found: dict[str, str] = {}
    for change in changes or []:
        name, _, kind = (part.strip() for part in change.partition("="))
        if name in found:
            raise UsageError(f"--transform sets {name} twice.", "Leave one of the two out.")
        if kind not in ("delta", "outcome"):
            raise UsageError(
                f"--transform {change!r} is no change of a channel.",
                "Write --transform NAME=delta or NAME=outcome, such as dense=outcome.",
            )
        found[name] = kind
    return found


def read_options(changes: list[str] | None, method: str) -> dict[str, dict[str, Any]]:
    """Return the options of each method given by `--option [METHOD.]NAME=VALUE`; the default METHOD is `method`.

    Raises UsageError.
    """
    import yaml

    from rewardsmith.errors import UsageError

    options: dict[str, dict[str, Any]] = {}
    for change in changes or []:
        key, equals, text = change.partition("=")
        owner, dot, name = key.strip().rpartition(".")
        if not equals or not name or (dot and not owner):
            raise UsageError(
                f"--option {change!r} is not an option.",
                "Write --option NAME=VALUE or METHOD.NAME=VALUE; `rewardsmith methods` lists them.",
            )
        mine = options.setdefault(owner or method, {})
        if name in mine:
            raise UsageError(f"--option sets {owner or method}.{name} twice.", "Leave one of the two out.")
        try:
            mine[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"The value of --option {key} is not valid YAML: {text!r}.", "Quote the value.") from None
    return options
