"""Making the real environment of a description; what its own code raises is told as the task's fault."""

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
_LONGEST = 400  # characters of an exception's own text that a message carries


def make_environment(description: Description, folder: Path | None) -> Any:
    """gymnasium.make on a description; its module is looked for in `folder`, too, after everywhere else.

    Raises UsageError for whatever keeps the environment from being made: an unknown id, a module that is not
    there, an exception of the module or of the constructor.
    """
    import gymnasium as gym

    name, kwargs = description.environment, description.env_kwargs
    with importable(folder):
        _import_module(name, folder)
        with environment_blamed(f"making {name}", f"Mend it, or check `env_id` and `env_kwargs` of {description.id}."):
            try:
                return gym.make(name, **kwargs)
            except gym.error.DependencyNotInstalled as error:
                raise UsageError(
                    f"{name} needs a package that is not installed: {_words(error)}", "Install it."
                ) from error
            except gym.error.UnregisteredEnv as error:
                raise _unknown(name, error) from error
            except gym.error.Error as error:
                cause = f"Gymnasium cannot make {name}: {_words(error)}"
                raise UsageError(cause, "Check `env_id` and `env_kwargs`.") from error
            except TypeError as error:
                if (fault := _wrong_arguments(name, kwargs, error)) is not None:
                    raise fault from error
                raise


@contextmanager
def environment_blamed(doing: str, remedy: str) -> Iterator[None]:
    """What the environment's own code raises while `doing` becomes a UsageError that names it and its line."""
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
    """Environments may draw from numpy's and Python's global generators; what follows finds those where they were."""
    drawn, drawn_by_python = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(drawn)
        random.setstate(drawn_by_python)


def close(env: Any) -> None:
    """Close an environment. Raises UsageError for what its own code raises."""
    with environment_blamed("it was closed", "Mend its close(), which also runs after every trial."):
        env.close()


def rehearse(env: Any, description: Description, first_action: int) -> None:
    """One reset and one step, so that an environment that cannot play is found before anything is built on it.

    Modules that it imports only when it plays are imported here, while its folder is on the path. Raises TaskError.
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
            f"There is no module {module!r}{beside}, which {name} names before the colon.",
            f"Put {module.replace('.', '/')}.py into the folder of the description, or install it.",
        )
    _require_one(module.partition(".")[0], file, folder)
    with environment_blamed(f"the module {module} was imported", "Mend the module; Python alone must import it."):
        importlib.import_module(module)


def _require_one(top: str, found: Path | None, folder: Path | None) -> None:
    """Raises UsageError where a module beside the description is hidden by another one of the same name."""
    if found is None or folder is None:
        return
    beside = next((p for p in (folder / f"{top}.py", folder / top / "__init__.py") if p.is_file()), None)
    if beside is None or beside.samefile(found) or beside.read_bytes() == found.read_bytes():
        return
    raise UsageError(
        f"There are two modules {top}: Python finds {found} before {beside}.",
        "Rename the one beside the description, in `env_id`, too.",
    )


def _unknown(name: str, error: Exception) -> UsageError:
    module = module_of(name)
    if module is not None:
        remedy = (
            f"Register it in {module}, as in gymnasium.register({name.partition(':')[2]!r}, ...), or correct `env_id`."
        )
    else:
        remedy = (
            f"For an environment of your own give `env_id: MODULE:{name}`, the module's file beside the description."
        )
    return UsageError(f"Gymnasium cannot make {name}: {_words(error)}", remedy)


def _wrong_arguments(name: str, kwargs: dict[str, Any], error: TypeError) -> UsageError | None:
    """What to say where `env_kwargs` do not fit the constructor; None if its signature is not at fault."""
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
        told = [*(f"`{key}` is no argument of it" for key in wrong), *(f"`{key}` is missing" for key in required)]
        hint = f"; did you mean {', '.join(f'`{n}`' for n in near)}?" if near else "."
        return UsageError(
            f"`env_kwargs` do not fit the constructor of {name}: {'; '.join(told)}.",
            f"It takes {', '.join(accepted) or 'no arguments'}{hint}",
        )
    return None


def _words(error: BaseException) -> str:
    return words_of(error, _LONGEST)


def _place(error: BaseException) -> str:
    """Where in the user's own code an exception came from, if it did."""
    import gymnasium

    libraries = (str(_OURS), str(Path(gymnasium.__file__).parent), str(Path(importlib.__file__).parent), "<frozen")
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    chain = error.__cause__ if isinstance(error, TypeError) and error.__cause__ is not None else error
    frames = [f for f in traceback.extract_tb(chain.__traceback__) if not f.filename.startswith(libraries)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
