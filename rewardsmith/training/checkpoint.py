"""Save and load checkpoints and policies as safetensors with JSON metadata: written atomically, without pickle."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from rewardsmith.errors import UsageError, words_of
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.nested import pack, unpack
from rewardsmith.training.replay import ShapedReplayBuffer

_FILE = "checkpoint.safetensors"
_OPTIMIZER = "optimizer"  # prefix of the tensors of the policy's own optimizer
_FIRST = re.compile(r"mlp_extractor\.(first|policy_net\.0|value_net\.0)\.weight")  # layers that read observations
_COUNTERS = ("_n_calls", "_episode_num")  # of off-policy algorithms; DQN updates its target by the first


@dataclass(frozen=True)
class Resumed:
    """The position at which a trial resumes.

    Attributes:
        steps: Environment steps trained so far.
        cuts: Forced truncations so far; they determine the next layouts.
        telemetry: The latest telemetry, in case no steps are left to train.
        learners: States of the learners, by method.
        adaptation: States of the adapted quantities, by name.
    """

    steps: int
    cuts: int
    telemetry: Telemetry
    learners: Any
    adaptation: dict[str, Any]


def save_checkpoint(
    folder: Path,
    model: BaseAlgorithm,
    cuts: int,
    telemetry: Telemetry,
    learners: Any = None,
    adaptation: dict[str, Any] | None = None,
    coming: int = 0,
) -> None:
    """Save weights, optimizers, counters, learners, adaptation, replay buffer, and the states of random generators.

    numpy's global generator is among them, because SB3 draws its minibatches from it. So is the action space's, because
    off-policy algorithms draw random actions from it.

    Args:
        folder: The trial's folder.
        model: The algorithm with policy and optimizer.
        cuts: Forced truncations so far.
        telemetry: The latest telemetry.
        learners: States of the learners, by method.
        adaptation: States of the adapted quantities, by name.
        coming: Rows of the replay buffer that are added before the next checkpoint.
    """
    tensors = {f"policy.{k}": v for k, v in _weights(model).items()}
    groups = {}
    for prefix, optimizer in _optimizers(model).items():
        state = optimizer.state_dict()
        groups[prefix] = [{k: v for k, v in g.items() if k != "params"} for g in state["param_groups"]]
        for index, entry in state["state"].items():
            for name, value in entry.items():
                tensors[f"{prefix}.{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
    for name in _variables(model):
        tensors[f"variable.{name}"] = getattr(model, name).detach().cpu().contiguous()
    tensors["rng.torch"] = torch.get_rng_state()
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    tensors["rng.numpy"] = torch.from_numpy(np.asarray(keys).astype(np.int64))
    metadata = {
        "steps": model.num_timesteps,
        "updates": model._n_updates,
        "cuts": cuts,
        "telemetry": telemetry.as_json(),
        "adaptation": adaptation or {},
        "learners": pack(learners, "learner.", tensors),
        "groups": groups.pop(_OPTIMIZER, []),
        "more_groups": groups,
        "numpy": [kind, int(position), int(has_gauss), float(gauss)],
    }
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, ShapedReplayBuffer):
        metadata["replay"] = buffer.checkpoint(model.num_timesteps, coming)
        metadata["counters"] = {name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)}
        metadata["action_space"] = model.action_space.np_random.bit_generator.state
    _write(folder / _FILE, tensors, {"trial": json.dumps(metadata)})
    if isinstance(buffer, ShapedReplayBuffer):
        buffer.forget(model.num_timesteps)


def load_checkpoint(folder: Path, model: BaseAlgorithm) -> Resumed | None:
    """Load the checkpoint in `folder` into `model`; return None if there is none or it cannot be read."""
    path = folder / _FILE
    if not path.exists():
        return None
    try:
        with safe_open(str(path), "pt") as file:
            metadata: dict[str, Any] = json.loads(file.metadata()["trial"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError):
        return None
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, ShapedReplayBuffer):
        # Another machine may have written the checkpoint: without the buffer's files the trial starts again.
        # A complete trial needs no buffer, and has deleted it.
        mark = metadata.get("replay")
        if mark is None or not (buffer.resume(mark) or mark["last"]):
            return None
        for name, value in metadata["counters"].items():
            setattr(model, name, value)
        model.action_space.np_random.bit_generator.state = metadata["action_space"]
    model.policy.load_state_dict(_every_name(model, _under(tensors, "policy.")))
    groups = {_OPTIMIZER: metadata["groups"], **metadata.get("more_groups", {})}
    for prefix, optimizer in _optimizers(model).items():
        _load_optimizer(optimizer, _under(tensors, f"{prefix}."), groups[prefix])
    with torch.no_grad():
        for name in _variables(model):
            getattr(model, name).copy_(tensors[f"variable.{name}"])
    torch.set_rng_state(tensors["rng.torch"])
    kind, position, has_gauss, gauss = metadata["numpy"]
    keys = tensors["rng.numpy"].numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, gauss))
    model.num_timesteps = metadata["steps"]
    model._n_updates = metadata["updates"]
    exploration: Any = getattr(model, "exploration_schedule", None)
    if exploration is not None:  # SB3 sets the rate after a step, so the next action needs that of the last one
        model.exploration_rate = exploration(1.0)  # type: ignore[attr-defined]
    learners = unpack(metadata.get("learners"), tensors)
    adaptation = metadata.get("adaptation", {})
    telemetry = Telemetry.from_json(metadata["telemetry"])
    return Resumed(metadata["steps"], metadata["cuts"], telemetry, learners, adaptation)


def policy_metadata(stored: bytes) -> dict[str, Any]:
    """Return the description that `save_policy` wrote into a file. Raises UsageError if there is none."""
    try:
        length = int.from_bytes(stored[:8], "little")
        return json.loads(json.loads(stored[8 : 8 + length])["__metadata__"]["policy"])
    except (KeyError, ValueError) as error:
        raise UsageError("The stored policy has no description.", "Train the reward again.") from error


def save_policy(path: Path, model: BaseAlgorithm, description: dict[str, Any], inputs: int = 0) -> None:
    """Save only the policy's weights.

    Args:
        path: The file.
        model: The algorithm with the policy.
        description: Metadata, enough to rebuild the network.
        inputs: The number of policy inputs at the end of an observation. Evaluations set them to 0, so the stored
            policy is the same one without them.
    """
    weights = _weights(model)
    if inputs:
        weights = {k: v[:, :-inputs].contiguous() if _FIRST.fullmatch(k) else v for k, v in weights.items()}
    _write(path, weights, {"policy": json.dumps(description)})


def load_policy(model: BaseAlgorithm, stored: bytes) -> None:
    """Load the policy that `save_policy` wrote. Raises UsageError if it has other weights than the model's."""
    try:
        model.policy.load_state_dict(_every_name(model, load(stored)))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise UsageError(
            f"The stored policy does not fit the job's network: {words_of(error, 200)}.",
            "Train the reward again with this version, or export without the policy.",
        ) from error


def _optimizers(model: BaseAlgorithm) -> dict[str, torch.optim.Optimizer]:
    """The optimizers by the prefix of their tensors, which SB3 lists beside the policy's weights."""
    named = [name for name in model._get_torch_save_params()[0] if name != "policy"]
    return {
        _OPTIMIZER if name == "policy.optimizer" else name.replace(".", "-"): recursive_getattr(model, name)
        for name in named
    }


def _variables(model: BaseAlgorithm) -> list[str]:
    """Names of tensors outside of the policy: the logarithm of SAC's entropy coefficient."""
    return list(model._get_torch_save_params()[1])


def _weights(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """The policy's tensors, each under its first name: SB3 lists a shared features extractor under three names."""
    first = {v.data_ptr(): k for k, v in reversed(model.policy.state_dict().items())}
    return {k: v.detach().cpu().contiguous() for k, v in model.policy.state_dict().items() if first[v.data_ptr()] == k}


def _every_name(model: BaseAlgorithm, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `_weights`: every tensor under all of its names."""
    first = {v.data_ptr(): k for k, v in reversed(model.policy.state_dict().items())}
    return {k: weights[first[v.data_ptr()]] for k, v in model.policy.state_dict().items()}


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], groups: list[dict[str, Any]]
) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    fresh = optimizer.state_dict()["param_groups"]
    merged = [{**saved, "params": own["params"]} for saved, own in zip(groups, fresh, strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": merged})


def _write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:  # written by Python, so that a full disk raises OSError
            file.write(save(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
