"""Write rewardsmith/spec/published.toml: the hyper-parameters that the RL-Zoo publishes, as settings of TrainingSpec.

.venv/bin/python -m scripts.make_presets FOLDER VERSION

FOLDER holds the files *.yml of `rl_zoo3/hyperparams`. What has no setting here is listed beside each entry.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

OUT = Path(__file__).parent.parent / "rewardsmith" / "spec" / "published.toml"
_FILES = {
    "ppo": "ppo", "recurrent-ppo": "ppo_lstm", "a2c": "a2c", "dqn": "dqn", "qr-dqn": "qrdqn", "sac": "sac",
    "td3": "td3", "tqc": "tqc", "crossq": "crossq",
}  # fmt: skip
_ON_POLICY = ("ppo", "recurrent-ppo", "a2c")
_RENAMED = {
    "n_envs": "num_envs", "n_steps": "rollout_steps", "n_epochs": "epochs", "use_sde": "sde",
    "noise_std": "action_noise", "exploration_final_eps": "exploration_final",
    **{name: name for name in (
        "batch_size", "gamma", "gae_lambda", "normalize_advantage", "buffer_size", "learning_starts", "train_freq",
        "gradient_steps", "tau", "target_update_interval", "exploration_fraction", "sde_sample_freq", "frame_stack",
    )},
}  # fmt: skip
_UNSAID = {"n_timesteps", "policy", "optimize_memory_usage", "use_rms_prop"}  # not settings, or SB3's own defaults
_DEFAULTS = {"max_grad_norm": 0.5, "vf_coef": 0.5, "noise_type": "normal"}  # of SB3: nothing is lost
# Environments whose entries are for observations of other wrappers or programs; MiniGrid has a study of its own.
_SKIPPED = re.compile(r"default|MiniGrid-.*|donkey.*|Neck.*|RocketLander.*|A1Walking.*|.*NoVel.*|CarRacing-v0")
_WITH_AUTOENCODER = {("sac", "CarRacing-v3")}


def main() -> None:
    """Read the folder and the version from the command line, and write the file."""
    folder, version = Path(sys.argv[1]), sys.argv[2]
    lines = [
        f"# Hyper-parameters published in rl_zoo3 {version} (MIT licence), hyperparams/*.yml, by algorithm and",
        "# environment, as settings of TrainingSpec. Written by `python -m scripts.make_presets`; do not edit it.",
        f'version = "{version}"',
    ]
    for algorithm, name in _FILES.items():
        lines += ["", f"[{algorithm}]", f'file = "hyperparams/{name}.yml"']
        entries = yaml.safe_load((folder / f"{name}.yml").read_text())
        for published, entry in entries.items():
            if _SKIPPED.fullmatch(published) or (algorithm, published) in _WITH_AUTOENCODER:
                continue
            lines += _entry(algorithm, published, entry)
    OUT.write_text("\n".join(lines) + "\n")


def _entry(algorithm: str, published: str, entry: Mapping[str, Any]) -> list[str]:
    settings, left_out = translated(algorithm, entry)
    found = [f"[{algorithm}.{json.dumps(re.sub(r'-v[0-9]+$', '', published))}]", f'published = "{published}"']
    if "n_timesteps" in entry:
        found.append(f"steps = {int(float(entry['n_timesteps']))}")
    found.append(f"settings = {{ {', '.join(f'{name} = {_toml(value)}' for name, value in settings.items())} }}")
    if left_out:
        found.append(f"left_out = {_toml(left_out)}")
    return ["", *found]


def translated(algorithm: str, entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings of an entry of the RL-Zoo, and in words what has no setting here.

    Args:
        algorithm: Name of the algorithm.
        entry: The keys and values of the entry.
    """
    settings: dict[str, Any] = {}
    left_out: list[str] = []
    for key, value in entry.items():
        if key in _UNSAID or _DEFAULTS.get(key) == value:
            continue
        special = _SPECIAL.get(key)
        if special is not None:
            special(algorithm, value, settings, left_out)
        elif key in _RENAMED:
            settings[_RENAMED[key]] = value
        else:
            left_out.append(f"{key} {_words(value)}")
    return settings, left_out


def _rate(algorithm: str, value: Any, settings: dict[str, Any], left_out: list[str]) -> None:
    falling = str(value).startswith("lin_")
    ends = 0.0 if falling else 1.0
    settings |= {"learning_rate": float(str(value).removeprefix("lin_")), "lr_hold": ends, "final_lr": ends}


def _clip(algorithm: str, value: Any, settings: dict[str, Any], left_out: list[str]) -> None:
    settings["clip_range"] = float(str(value).removeprefix("lin_"))
    if str(value).startswith("lin_"):
        left_out.append("the linear fall of clip_range")


def _entropy(algorithm: str, value: Any, settings: dict[str, Any], left_out: list[str]) -> None:
    if algorithm in _ON_POLICY:
        settings["entropy"] = float(value)
    elif value != "auto":
        left_out.append(f"ent_coef {value}, which is relative to the size of the rewards (it is learned)")


def _normalize(algorithm: str, value: Any, settings: dict[str, Any], left_out: list[str]) -> None:
    found = ast.literal_eval(value) if isinstance(value, str) else {"norm_obs": bool(value)}
    settings["normalize_observation"] = bool(found.get("norm_obs", True))


def _noise(algorithm: str, value: Any, settings: dict[str, Any], left_out: list[str]) -> None:
    left_out.append(f"noise of type {value} (Gaussian noise of the same standard deviation)")


def _policy(algorithm: str, value: str, settings: dict[str, Any], left_out: list[str]) -> None:
    call = ast.parse(value.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    plain: dict[str, Any] = {}
    for word in call.keywords:
        name, text = str(word.arg), ast.unparse(word.value)
        if name == "net_arch" and isinstance(word.value, ast.Call):
            nets = {str(each.arg): ast.literal_eval(each.value) for each in word.value.keywords}
            _widths(algorithm, nets["pi"], settings, left_out)
            left_out += [f"net_arch of {net} {widths}" for net, widths in nets.items() if widths != nets["pi"]]
        elif name == "net_arch":
            _widths(algorithm, ast.literal_eval(word.value), settings, left_out)
        elif name == "lstm_hidden_size":
            settings["hidden"] = [int(text)]
        elif name in ("log_std_init", "ortho_init", "use_expln", "n_quantiles", "n_critics"):
            plain[name] = ast.literal_eval(word.value)
        elif name != "enable_critic_lstm" or text != "True":
            left_out.append(f"{name} {text}")
    if plain:
        settings["policy_kwargs"] = plain


def _widths(algorithm: str, widths: list[int], settings: dict[str, Any], left_out: list[str]) -> None:
    if algorithm == "recurrent-ppo":
        left_out.append(f"layers after the LSTM, net_arch {widths}")
    else:
        settings["hidden"] = widths


def _her(algorithm: str, value: str, settings: dict[str, Any], left_out: list[str]) -> None:
    settings["her"] = True


def _her_settings(algorithm: str, value: str, settings: dict[str, Any], left_out: list[str]) -> None:
    call = ast.parse(value.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    names = {"goal_selection_strategy": "goal_selection"}
    settings |= {names.get(str(word.arg), str(word.arg)): ast.literal_eval(word.value) for word in call.keywords}


def _wrappers(algorithm: str, value: list[Any] | str, settings: dict[str, Any], left_out: list[str]) -> None:
    named = value if isinstance(value, list) else [value]
    names = [str(each if isinstance(each, str) else next(iter(each))) for each in named]
    left_out += [f"the wrapper {name.rpartition('.')[2]}" for name in names]


_SPECIAL: dict[str, Any] = {
    "learning_rate": _rate, "clip_range": _clip, "ent_coef": _entropy, "normalize": _normalize, "noise_type": _noise,
    "policy_kwargs": _policy, "replay_buffer_class": _her, "replay_buffer_kwargs": _her_settings,
    "env_wrapper": _wrappers,
}  # fmt: skip


def _words(value: Any) -> str:
    return str(value) if not isinstance(value, list) else " ".join(map(str, value))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {_toml(each)}' for name, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
