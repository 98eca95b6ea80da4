"""Make the real environment of a description; errors in its own code are reported as errors of the task."""

from __future__ import annotations

import difflib
import importlib
import inspect
import random
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.errors import RewardsmithError, UsageError, words_of
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.modules import find_module, importable, module_of
from rewardsmith.tasks.guarded import GuardedEnv

_OURS = Path(__file__).parents[1]
_LONGEST = 400  # characters of an exception's own text in a message


def make_environment(description: Description, folder: Path | None) -> Any:
    """Call gymnasium.make for a description.

    Args:
        description: The description; its `environment` is an id or MODULE:ID.
        folder: A folder in which the module is searched after all of Python's path; None for none.

    Raises:
        UsageError: If the id is unknown, the module does not exist, or the module or the constructor raises.
    """
    import gymnasium as gym

    name, kwargs = description.environment, description.env_kwargs
    with importable(folder):
        _import_module(name, folder)
        with environment_blamed(
            f"making {name}", f"Fix it, or check `env_id` and `env_kwargs` in the description of {description.id}."
        ):
            try:
                return gym.make(name, **kwargs)
            except gym.error.DependencyNotInstalled as error:
                raise UsageError(
                    f"{name} needs a package that is not installed: {_words(error)}", "Install it in this environment."
                ) from error
            except gym.error.UnregisteredEnv as error:
                raise _unknown(name, error) from error
            except gym.error.Error as error:
                cause = f"Gymnasium cannot make {name}: {_words(error)}"
                raise UsageError(cause, "Check `env_id` and `env_kwargs` in the description.") from error
            except TypeError as error:
                if (fault := _wrong_arguments(name, kwargs, error)) is not None:
                    raise fault from error
                raise


@contextmanager
def environment_blamed(doing: str, remedy: str) -> Iterator[None]:
    """Turn exceptions of the environment's own code into UsageErrors that name the exception and its line.

    Args:
        doing: What happens in the block, for the message, such as "it was closed".
        remedy: The remedy of the UsageError.
    """
    try:
        yield
    except RewardsmithError:
        raise
    except (Exception, SystemExit) as error:
        text = _words(error)
        cause = f"The task's environment failed while {doing}: {type(error).__name__}{': ' if text else ''}{text}"
        raise UsageError(f"{cause}{_place(error)}.", remedy) from error


@contextmanager
def generators_kept() -> Iterator[None]:
    """Restore the state of numpy's and Python's global generators afterwards: environments may draw from them."""
    drawn, drawn_by_python = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(drawn)
        random.setstate(drawn_by_python)


def close(env: Any) -> None:
    """Close an environment. Raises UsageError if its own code raises."""
    with environment_blamed("it was closed", "Fix its close(), which also runs after every trial."):
        env.close()


def rehearse(env: Any, description: Description, first_action: int) -> None:
    """Reset an environment and step it once, to find errors before anything else is built on it.

    Modules that it imports only while playing are imported here, because its folder is on the path now.
    Raises TaskError if it breaks its contract, see GuardedEnv.
    """
    guarded = GuardedEnv(lambda: env, description.id, [v.name for v in description.state])
    guarded.reset(0)
    guarded.step(first_action)


def _import_module(name: str, folder: Path | None) -> None:
    """Import the module of MODULE:ID, or MiniGrid for its ids. Raises UsageError."""
    module = module_of(name)
    if module is None:
        if name.startswith(("MiniGrid-", "BabyAI-")):
            importlib.import_module("minigrid")
        return
    file = find_module(module, folder)
    if file is None and module.partition(".")[0] not in sys.modules:
        beside = "" if folder is None else f", neither in {folder} nor on Python's path"
        raise UsageError(
            f"There is no module {module!r}{beside}; {name} names it before the colon.",
            f"Put {module.replace('.', '/')}.py into the folder of the description, or install the package.",
        )
    _require_one(module.partition(".")[0], file, folder)
    remedy = f"Fix the module until `python -c 'import {module}'` succeeds in its folder."
    with environment_blamed(f"the module {module} was imported", remedy):
        importlib.import_module(module)


def _require_one(top: str, found: Path | None, folder: Path | None) -> None:
    """Raises UsageError if another module of the same name hides the one beside the description."""
    if found is None or folder is None:
        return
    beside = next((p for p in (folder / f"{top}.py", folder / top / "__init__.py") if p.is_file()), None)
    if beside is None or beside.samefile(found) or beside.read_bytes() == found.read_bytes():
        return
    raise UsageError(
        f"There are two modules {top}: Python finds {found} before {beside}.",
        "Rename the one beside the description, and change `env_id` accordingly.",
    )


def _unknown(name: str, error: Exception) -> UsageError:
    module = module_of(name)
    if module is not None:
        remedy = (
            f"Register it in {module} with gymnasium.register({name.partition(':')[2]!r}, ...), or correct `env_id`."
        )
    else:
        remedy = (
            f"For an environment of your own, write `env_id: MODULE:{name}` and put the module beside the description."
        )
    return UsageError(f"Gymnasium cannot make {name}: {_words(error)}", remedy)


def _wrong_arguments(name: str, kwargs: dict[str, Any], error: TypeError) -> UsageError | None:
    """The error if `env_kwargs` do not fit the constructor; None if its signature is not the cause."""
    import gymnasium as gym
    from gymnasium.envs.registration import load_env_creator

    accepted: list[str] = []
    with suppress(Exception):
        spec = gym.spec(name.rpartition(":")[2])
        entry, given = spec.entry_point, {**spec.kwargs, **kwargs}
        creator = load_env_creator(entry) if isinstance(entry, str) else entry
        parameters = inspect.signature(creator).parameters.values()  # type: ignore[arg-type]
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            return None
        accepted = [p.name for p in parameters if p.name != "self"]
        required = [p.name for p in parameters if p.default is p.empty and p.name not in given]
        wrong = [key for key in kwargs if key not in accepted]
        if not wrong and not required:
            return None
        near = [n for key in wrong for n in difflib.get_close_matches(key, accepted, n=1)]
        told = [*(f"it has no argument `{key}`" for key in wrong), *(f"`{key}` is missing" for key in required)]
        hint = f"; did you mean {', '.join(f'`{n}`' for n in near)}?" if near else "."
        return UsageError(
            f"`env_kwargs` do not fit the constructor of {name}: {'; '.join(told)}.",
            f"It takes {', '.join(accepted) or 'no arguments'}{hint}",
        )
    return None


def _words(error: BaseException) -> str:
    return words_of(error, _LONGEST)


def _place(error: BaseException) -> str:
    """` (file.py, line 12)` of the innermost frame in the user's own code; empty if there is none."""
    import gymnasium

    libraries = (str(_OURS), str(Path(gymnasium.__file__).parent), str(Path(importlib.__file__).parent), "<frozen")
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    chain = error.__cause__ if isinstance(error, TypeError) and error.__cause__ is not None else error
    frames = [f for f in traceback.extract_tb(chain.__traceback__) if not f.filename.startswith(libraries)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
