"""The `rewardsmith` command. This package only parses and prints; it has one file per group of commands."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from rewardsmith.cli import (
    calibrate,
    check,
    database,
    doctor,
    ensemble,
    export,
    inspect,
    interruption,
    methods,
    pages,
    run,
    screen,
    service,
    steer,
    tasks,
    tune,
    verifier,
)
from rewardsmith.errors import RewardsmithError, missing_extra, of_system
from rewardsmith.former_names import take_former_options
from rewardsmith.plaintext import indented, plain

app = typer.Typer(
    name="rewardsmith",
    help="Design, check and train reward functions for sparse-reward reinforcement learning.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        screen.write(f"rewardsmith {version('rewardsmith')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Print the traceback of an error."),
    home: str | None = typer.Option(
        None,
        help="Folder of the database and artifacts; .rewardsmith in the current folder by default.",
        envvar="REWARDSMITH_HOME",
    ),
    version: bool = typer.Option(False, "--version", callback=_say_version, is_eager=True, help="Print the version."),
) -> None:
    if home is not None:
        os.environ["REWARDSMITH_HOME"] = home
    if debug:
        os.environ["REWARDSMITH_DEBUG"] = "1"


run.register(app)
methods.register(app)
verifier.register(app)
calibrate.register(app)
inspect.register(app)
steer.register(app)
export.register(app)
check.register(app)
tune.register(app)
ensemble.register(app)
service.register(app)
pages.register(app)
doctor.register(app)
app.add_typer(tasks.app, name="tasks")
app.add_typer(database.app, name="db")


# Typer carries its own copy of click in newer versions; its UsageError is reached through a subclass.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def main() -> None:
    """Run the command. An error prints a cause and a remedy on stderr and exits with 1, or with 2 for wrong usage."""
    interruption.allow()
    try:
        _take_keys()
        take_former_options(screen.say)
        code = app(standalone_mode=False)
    except RewardsmithError as error:
        _report(error.cause, error.remedy)
        code = error.exit_code
    except _UsageError as error:
        code = _wrong_usage(error)
    except typer.Exit as error:
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        print("Interrupted.\nFinished work is kept; run the same command again to resume.", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except Exception as error:
        if (missing := missing_extra(error)) is not None:
            _report(missing.cause, missing.remedy)
            sys.exit(missing.exit_code)
        code = _unforeseen(error)
    sys.exit(code or 0)


def _take_keys() -> None:
    """Put API keys of a .env file into the environment; trials and reward programs do not receive them."""
    from rewardsmith.place import announce_env_file, read_env_file

    announce_env_file()
    for name, value in read_env_file().items():
        if name.endswith("_API_KEY"):
            os.environ.setdefault(name, value)


def _wrong_usage(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        try:
            print(plain(error.format_message()), flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    command = error.ctx.command_path if error.ctx else "rewardsmith"
    near = getattr(error, "possibilities", None)
    hint = f"Did you mean {near[0]}? " if near else ""
    _report(str(error.format_message()).splitlines()[0], f"{hint}See `{command} --help`.")
    return 2


def _report(cause: str, remedy: str) -> None:
    if os.environ.get("REWARDSMITH_DEBUG") and sys.exc_info()[1] is not None:
        import traceback

        print(plain(traceback.format_exc()), end="", file=sys.stderr)
    print(f"error: {indented(cause)}\n{indented(remedy)}", file=sys.stderr)


def _unforeseen(error: Exception) -> int:
    from rewardsmith.agents.models import ModelFailed

    if isinstance(error, ModelFailed):
        _report(error.cause, error.remedy)
    elif type(error).__module__.startswith("sqlalchemy") and "permission denied" in str(error):
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        _report(f"This database role lacks a permission: {reason}.", "docs/service.md lists the rights of each role.")
    elif isinstance(error, OSError):
        explained = of_system(error)
        _report(explained.cause, explained.remedy)
    elif type(error).__module__.startswith("sandbox"):
        cause, _, remedy = str(error).partition("\n")
        _report(cause, remedy or "See sandbox/README.md.")
    else:
        _report(
            f"{type(error).__name__}: {error}",
            "This is a bug in rewardsmith; run the command again with --debug and report the traceback.",
        )
    return 1


if __name__ == "__main__":
    main()
