"""Options that several commands share. Options that are job settings are defined once, by the fields of the spec."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from rewardsmith.cli.options_generated import SETTINGS


def help_of(setting: str) -> str:
    """Return the help text of a setting's option."""
    return SETTINGS[setting].__metadata__[0].help


TaskOption = Annotated[str, typer.Option("--task", help=help_of("task"))]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any job setting as KEY=VALUE, such as training.entropy=0.01; may be repeated; see `rewardsmith schema`.",
    ),
]
SlotsOption = Annotated[
    int | None,
    typer.Option(
        "--slots", min=1, help="Number of parallel trials; one per core by default.", envvar="REWARDSMITH_SLOTS"
    ),
]


def takes_settings(*settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options for `settings` to a command whose last parameter is `**given`, after its own required options.

    `given` maps the name of each parameter (see `parameter_of`) to its value; None means that it was not given.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        made = [
            inspect.Parameter(
                parameter_of(name), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SETTINGS[name]
            )
            for name in settings
        ]
        keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in kept]
        required = [each for each in keywords if each.default is inspect.Parameter.empty]
        others = [each for each in keywords if each.default is not inspect.Parameter.empty]
        command.__signature__ = own.replace(parameters=[*required, *made, *others])  # type: ignore[attr-defined]
        return command

    return decorated


def parameter_of(setting: str) -> str:
    """Return the parameter name of a setting: budget_calls for budget.calls."""
    return setting.replace(".", "_")


def named(context: typer.Context, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the given values into those typed on the command line and those from environment variables, by setting."""
    of_parameter = {parameter_of(setting): setting for setting in SETTINGS}
    typed: dict[str, Any] = {}
    around: dict[str, Any] = {}
    for parameter, value in given.items():
        if value is not None and value != []:
            source = context.get_parameter_source(parameter)
            place = around if source is not None and source.name == "ENVIRONMENT" else typed
            place[of_parameter[parameter]] = value
    return typed, around
