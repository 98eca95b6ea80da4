"""The section of an exported card on the policy: how its files are loaded, and what the files themselves achieve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gymnasium import spaces

from rewardsmith.plaintext import in_markdown
from rewardsmith.policy_files.form import WRAPPER
from rewardsmith.policy_files.onnx_file import input_name
from rewardsmith.policy_files.plain import PlainPolicy
from rewardsmith.policy_files.results import PolicyFiles, PolicyRequest
from rewardsmith.reporting.proportion import wilson
from rewardsmith.scores import ScoreRule
from rewardsmith.seeds import exported_seed
from rewardsmith.tasks.capabilities import score_rule_of, start_kind
from rewardsmith.training.evaluation import Evaluation

_MODULE = Path(WRAPPER).stem


def policy_text(asked: PolicyRequest, plain: PlainPolicy, found: PolicyFiles, making: str, fixed: bool) -> str:
    """Return the section as Markdown.

    Args:
        asked: What was exported.
        plain: The policy in SB3's own classes.
        found: The files, their comparison and their evaluation.
        making: The expression that makes the plain environment.
        fixed: Whether the policy is deterministic.
    """
    kind = type(plain.model).__name__
    lines = ["", "## Policy", ""]
    lines += [f"`policy.zip` and `policy.safetensors` hold the same {kind} policy, trained with seed {asked.seed}."]
    lines += ["Each loads in plain Stable-Baselines3, in this folder:", ""]
    for title, body in (("policy.zip", _zip(plain)), ("policy.safetensors", _weights(plain))):
        lines += [f"From `{title}`:", "", "```python", *_imports(plain, title, making), ""]
        lines += [_making(plain, making), *body, "```", ""]
    lines += [*_acting(plain), ""]
    lines += _played(asked, found, fixed)
    lines += ["| file | compared with the trained policy at play |", "|---|---|"]
    lines += [f"| `{name}` | {each.words} |" for name, each in found.agreement.items()]
    lines.append("")
    if "policy.onnx" in found.files:
        lines += [*_onnx(plain), ""]
    lines += [f"- {in_markdown(note)}" for note in found.notes]
    return "\n".join(lines).rstrip() + "\n"


def more_arguments(plain: PlainPolicy) -> dict[str, Any]:
    """Return the arguments besides policy_kwargs by which a constructor of SB3 makes the same policy."""
    found: dict[str, Any] = {"use_sde": True} if plain.sde else {}
    return {**found, "buffer_size": 1} if hasattr(plain.model, "replay_buffer") else found


def _imports(plain: PlainPolicy, title: str, making: str) -> list[str]:
    lines = ["import gymnasium"]
    if title.endswith("safetensors"):
        lines.append("from safetensors.torch import load_model")
    lines.append(f"from {plain.package} import {type(plain.model).__name__}")
    if plain.normalizer is not None:
        lines.append("from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize")
    own = [f"import {_MODULE}"] if plain.form.wrapper is not None else []
    return [*lines, *own, *(["import reward"] if "reward." in making else [])]


def _making(plain: PlainPolicy, making: str) -> str:
    made = f"{_MODULE}.wrap({making})" if plain.form.wrapper is not None else making
    if plain.normalizer is not None:
        made = f'VecNormalize.load("vecnormalize.pkl", DummyVecEnv([lambda: {made}]))'
    return f"env = {made}"


def _zip(plain: PlainPolicy) -> list[str]:
    return [f'model = {type(plain.model).__name__}.load("policy.zip")', _step(plain)]


def _weights(plain: PlainPolicy) -> list[str]:
    given = [f"policy_kwargs={_source(plain.arguments)}"]
    given += [f"{name}={value!r}" for name, value in more_arguments(plain).items()]
    name = type(plain.model).__name__
    return [
        f'model = {name}("{plain.alias}", env, {", ".join(given)})',
        'load_model(model.policy, "policy.safetensors")',
    ]


def _source(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_source(each)}" for key, each in value.items()) + "}"
    return f"{_MODULE}.{value.__name__}" if isinstance(value, type) else repr(value)


def _step(plain: PlainPolicy) -> str:
    first = "env.reset()" if plain.normalizer is not None else "env.reset()[0]"
    return f"action = model.predict({first}, deterministic=True)[0]"


def _acting(plain: PlainPolicy) -> list[str]:
    lines = []
    if plain.normalizer is not None:
        lines.append(
            "`env` normalises observations. `env.normalize_obs(observation)` does it for observations from elsewhere."
        )
    if plain.form.wrapper is not None:
        lines.append(
            f"`{_MODULE}.wrap` turns the environment's observations into what the policy reads, and its actions into "
            "the environment's. The file needs numpy and gymnasium."
        )
    if plain.masked:
        lines.append("Pass the allowed actions: `model.predict(observation, action_masks=masks)`.")
    if plain.recurrent:
        lines.append(
            "Pass the memory from step to step: "
            "`action, state = model.predict(observation, state, episode_start=starts)`."
        )
    return lines


def _onnx(plain: PlainPolicy) -> list[str]:
    read = "observations as `env` returns them" if plain.form.wrapper is not None else "raw observations"
    normal = ", normalises them" if plain.normalizer is not None else ""
    lines = [
        f"`policy.onnx` takes a batch of {read}{normal} and returns `action`, the most probable one, and `outputs`, "
        "the numbers by which it was chosen."
    ]
    space = plain.form.observation
    if isinstance(space, spaces.Dict):
        lines.append(f"Its inputs are {', '.join(f'`{in_markdown(input_name(key))}`' for key in space.spaces)}.")
    if plain.masked:
        lines.append("Its input `action_masks` is true for allowed actions.")
    if plain.recurrent:
        lines.append("Feed `next_hidden` and `next_cell` back as `hidden` and `cell`; zeros begin an episode.")
    return lines


def _played(asked: PolicyRequest, found: PolicyFiles, fixed: bool) -> list[str]:
    if not found.played:
        return ["The exported file was not played; `--policy-episodes` sets its number of episodes.", ""]
    task = asked.task
    rule, starts = score_rule_of(task), start_kind(task)
    what = "success [95 %]" if rule is None else "mean return [95 %]"
    where = "the one start of the task" if starts == "one start" else f"{starts} of the final evaluation's pool"
    episodes = next(iter(found.played.values())).episodes
    lines = [
        f"`policy.zip` was loaded and played {episodes:,} episodes each on {where}, with seed "
        f"{exported_seed(asked.seed)}, which neither training nor the evaluations above use:",
        "",
        f"| policy | {what} |",
        "|---|---|",
    ]
    for way, each in found.played.items():
        name = "deterministic policy" if fixed else f"{way} actions"
        lines.append(f"| {name} | {_value(each, rule)} |")
    return [*lines, ""]


def _value(each: Evaluation, rule: ScoreRule | None) -> str:
    if rule is None:
        low, high = wilson(each.successes, each.episodes)
        return f"{100 * each.success:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    spread = max(0.0, each.mean_squared_return - each.mean_return**2) / max(1, each.episodes - 1)
    half = 1.96 * math.sqrt(spread)
    return f"{each.mean_return:.4g} [{each.mean_return - half:.4g}, {each.mean_return + half:.4g}]"
