"""Make the real environment of a description; errors in its own code are reported as errors of the task."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import random
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.errors import RewardsmithError, UsageError, words_of
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.described.description import Description, Wrapper
from rewardsmith.tasks.described.functions import allowed
from rewardsmith.tasks.described.guard import GuardedEnv
from rewardsmith.tasks.described.modules import find_module, importable, module_of
from rewardsmith.tasks.observations import ObservationSpace

_OURS = Path(__file__).parents[2]
_LONGEST = 400  # characters of an exception's own text that a message carries


def make_environment(description: Description, folder: Path | None, make: Callable[..., Any] | None = None) -> Any:
    """The environment of a description in its wrappers; modules are looked for in `folder` after everywhere else.

    make: The user's own constructor, called with `env_kwargs`; without it, gymnasium.make on the description's id.

    Raises:
        UsageError: For whatever keeps the environment from being made: an unknown id, a module that is not there, an
            exception of the module, the constructor or a wrapper.
    """
    import gymnasium as gym

    with importable(folder):
        env = _by_gymnasium(description, folder) if make is None else _by_user(description, make)
        for named in description.wrappers:
            wrapper = Wrapper(wrapper=named) if isinstance(named, str) else named
            with environment_blamed(f"wrapping in {wrapper.wrapper}", "Correct `wrappers` of the description."):
                module, _, name = wrapper.wrapper.partition(":")
                env = getattr(importlib.import_module(module), name)(env, **wrapper.kwargs)
    if not isinstance(env, gym.Env):
        raise UsageError(
            f"The environment of {description.id} is a {type(env).__name__}, not a gymnasium.Env.",
            "Derive it from gymnasium.Env, or wrap it in a class that is.",
        )
    return env


def step_limit(name: str, folder: Path | None) -> int | None:
    """The step limit that an id, or MODULE:ID, is registered with; None if it has none. Raises UsageError."""
    import gymnasium as gym

    with importable(folder):
        _import_module(name, folder)
        if unregistered(name) is not None:
            return None
        try:
            return gym.spec(name.rpartition(":")[2]).max_episode_steps
        except gym.error.Error as error:
            raise _unknown(name, error) from error


def class_of(name: str) -> type | None:
    """The environment's class that MODULE:CLASS names, of an imported module; None if it is no class, or an id."""
    import gymnasium as gym

    module, _, attribute = name.partition(":")
    found = getattr(sys.modules.get(module), attribute, None) if attribute and attribute not in gym.registry else None
    return found if inspect.isclass(found) and issubclass(found, gym.Env) else None


def unregistered(name: str) -> Callable[..., Any] | None:
    """The class or function that MODULE:NAME names, once its module is imported; None if Gymnasium knows the name."""
    import gymnasium as gym

    module, colon, attribute = name.partition(":")
    if not colon or attribute in gym.registry:
        return None
    found = getattr(sys.modules.get(module), attribute, None)
    return found if callable(found) else None


def creator_of(name: str, folder: Path | None) -> Callable[..., Any] | None:
    """The class or function that makes an environment, imported; None for an id that Gymnasium does not know.

    Raises:
        UsageError: If the module cannot be imported.
    """
    import gymnasium as gym
    from gymnasium.envs.registration import load_env_creator

    with importable(folder):
        _import_module(name, folder)
        if (found := unregistered(name)) is not None:
            return found
        spec = gym.registry.get(name.rpartition(":")[2])
        if spec is None or spec.entry_point is None:
            return None
        if not isinstance(spec.entry_point, str):
            return spec.entry_point
        with environment_blamed(f"{spec.entry_point} was imported", "Fix the module, or install what it needs."):
            return load_env_creator(spec.entry_point)


def is_gymnasiums(name: str) -> bool:
    """Whether an id is one of Gymnasium's own environments, rather than a user's or another package's."""
    import gymnasium as gym

    spec = gym.registry.get(name)
    return spec is not None and str(spec.entry_point).startswith("gymnasium.envs.")


def is_registered(name: str) -> bool:
    """Whether Gymnasium knows an environment of this id."""
    import gymnasium as gym

    register(name)
    return name in gym.registry


def registered_version(name: str) -> str | None:
    """The newest id that Gymnasium knows of the same name in another version; None if there is none."""
    import gymnasium as gym

    bare = re.sub(r"-v\d+\Z", "", name)
    found = [spec for key, spec in gym.registry.items() if key != name and re.sub(r"-v\d+\Z", "", key) == bare]
    return max(found, key=lambda spec: spec.version or 0).id if found else None


def _by_user(description: Description, make: Callable[..., Any]) -> Any:
    with environment_blamed("it was made", f"Fix it, or correct `env_kwargs` of {description.id}."):
        return make(**description.env_kwargs)


def _by_gymnasium(description: Description, folder: Path | None) -> Any:
    import gymnasium as gym

    name, kwargs = description.environment, description.env_kwargs
    _import_module(name, folder)
    if (creator := unregistered(name)) is not None:
        return _by_user(description, creator)
    with environment_blamed(f"making {name}", f"Fix it, or check `env_id` and `env_kwargs` of {description.id}."):
        try:
            # Gymnasium's checker looks at every step; a job looks once, before it begins.
            return gym.make(name, max_episode_steps=description.max_steps, disable_env_checker=True, **kwargs)
        except gym.error.DependencyNotInstalled as error:
            raise UsageError(
                f"{name} needs a package that is not installed: {_words(error)}", f"Install it: {_extra(name)}."
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


def _extra(name: str) -> str:
    """The command that installs the packages of an environment of Gymnasium."""
    import gymnasium as gym

    spec = gym.registry.get(name.rpartition(":")[2])
    place = str(spec.entry_point) if spec is not None else ""
    extras = {"gymnasium_robotics": "robotics", "box2d": "box2d", "mujoco": "mujoco"}
    found = next((extra for part, extra in extras.items() if part in place), None)
    return f"pip install 'rewardsmith[{found}]'" if found else "see the documentation of the environment"


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


def rehearse(env: Any, task_id: str, space: ObservationSpace, actions: ActionSpace) -> None:
    """One reset and one step, so that an environment that cannot play is found before anything is built on it.

    Modules that it imports only while playing are imported here, because its folder is on the path now.
    Raises TaskError if it breaks its contract, see GuardedEnv.
    """
    guarded = GuardedEnv(lambda: env, task_id, space)
    _, info = guarded.reset(0)
    action = actions.sample(np.random.default_rng(0), allowed=allowed(env, info, actions))
    guarded.step(actions.in_environment(action))


def _import_module(name: str, folder: Path | None) -> None:
    """Import the module of MODULE:ID, or MiniGrid for its ids. Raises UsageError."""
    module = module_of(name)
    if module is None:
        register(name)
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


_REGISTERED_BY = {
    "minigrid": ("MiniGrid-", "BabyAI-"),
    "gymnasium_robotics": (
        "Fetch", "PointMaze", "AntMaze", "AdroitHand", "HandReach", "HandManipulate", "FrankaKitchen",
    ),
    "highway_env": (
        "highway-", "merge-", "roundabout-", "parking-", "intersection-", "racetrack-", "exit-", "lane-keeping-",
        "two-way-", "u-turn-",
    ),
    "minihack": ("MiniHack-",),
    "nle": ("NetHack",),
    "metaworld": ("Meta-World/",),
}  # fmt: skip
"""Packages whose environments Gymnasium knows only once they are imported, by how their ids begin."""

_EXTRAS = {
    "gymnasium_robotics": "robotics", "highway_env": "highway", "minihack": "minihack", "metaworld": "metaworld",
}  # fmt: skip


def missing_extra(name: str) -> tuple[str, str] | None:
    """The package that registers an id, and the extra that installs it, if it is not installed; None otherwise."""
    for package, extra in _EXTRAS.items():
        if name.startswith(_REGISTERED_BY[package]) and importlib.util.find_spec(package) is None:
            return package, extra
    return None


def package_of(name: str) -> str | None:
    """The package to import before Gymnasium knows an id; None for Gymnasium's own ids, and for unknown packages."""
    return next((package for package, beginnings in _REGISTERED_BY.items() if name.startswith(beginnings)), None)


def register(name: str) -> None:
    """Import the package that registers an environment, if one is known and installed. Raises UsageError if broken."""
    import gymnasium as gym

    for package, beginnings in _REGISTERED_BY.items():
        if name.startswith(beginnings) and name not in gym.registry and importlib.util.find_spec(package) is not None:
            try:
                gym.register_envs(importlib.import_module(package))
            except ImportError as error:
                cause = f"{name} needs the package {package}, which cannot be imported: {_words(error)}."
                raise UsageError(cause, f"Repair it until `python -c 'import {package}'` succeeds.") from error


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
