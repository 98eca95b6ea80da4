"""Save and load checkpoints and policies as safetensors with JSON metadata: written atomically, without pickle."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.telemetry import Telemetry
from rewardsmith.training.nested import pack, unpack

_FILE = "checkpoint.safetensors"


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
    model: OnPolicyAlgorithm,
    cuts: int,
    telemetry: Telemetry,
    learners: Any = None,
    adaptation: dict[str, Any] | None = None,
) -> None:
    """Save weights, optimizer state, counters, learners, adaptation, and the states of the random generators.

    numpy's global generator is among them, because SB3 draws its minibatches from it.

    Args:
        folder: The trial's folder.
        model: The algorithm with policy and optimizer.
        cuts: Forced truncations so far.
        telemetry: The latest telemetry.
        learners: States of the learners, by method.
        adaptation: States of the adapted quantities, by name.
    """
    tensors = {f"policy.{k}": v for k, v in _weights(model).items()}
    optimizer = model.policy.optimizer.state_dict()
    for index, entry in optimizer["state"].items():
        for name, value in entry.items():
            tensors[f"optimizer.{index}.{name}"] = torch.as_tensor(value).detach().cpu().contiguous()
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
        "groups": [{k: v for k, v in g.items() if k != "params"} for g in optimizer["param_groups"]],
        "numpy": [kind, int(position), int(has_gauss), float(gauss)],
    }
    _write(folder / _FILE, tensors, {"trial": json.dumps(metadata)})


def load_checkpoint(folder: Path, model: OnPolicyAlgorithm) -> Resumed | None:
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
    model.policy.load_state_dict(_every_name(model, _under(tensors, "policy.")))
    _load_optimizer(model, _under(tensors, "optimizer."), metadata["groups"])
    torch.set_rng_state(tensors["rng.torch"])
    kind, position, has_gauss, gauss = metadata["numpy"]
    keys = tensors["rng.numpy"].numpy().astype(np.uint32)
    np.random.set_state((kind, keys, position, has_gauss, gauss))
    model.num_timesteps = metadata["steps"]
    model._n_updates = metadata["updates"]
    learners = unpack(metadata.get("learners"), tensors)
    adaptation = metadata.get("adaptation", {})
    telemetry = Telemetry.from_json(metadata["telemetry"])
    return Resumed(metadata["steps"], metadata["cuts"], telemetry, learners, adaptation)


def save_policy(path: Path, model: OnPolicyAlgorithm, description: dict[str, Any]) -> None:
    """Save only the policy's weights, with `description` (enough to rebuild the network) as metadata."""
    _write(path, _weights(model), {"policy": json.dumps(description)})


def _weights(model: OnPolicyAlgorithm) -> dict[str, torch.Tensor]:
    """The policy's tensors, each under its first name: SB3 lists a shared features extractor under three names."""
    first = {v.data_ptr(): k for k, v in reversed(model.policy.state_dict().items())}
    return {k: v.detach().cpu().contiguous() for k, v in model.policy.state_dict().items() if first[v.data_ptr()] == k}


def _every_name(model: OnPolicyAlgorithm, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `_weights`: every tensor under all of its names."""
    first = {v.data_ptr(): k for k, v in reversed(model.policy.state_dict().items())}
    return {k: weights[first[v.data_ptr()]] for k, v in model.policy.state_dict().items()}


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _load_optimizer(model: OnPolicyAlgorithm, tensors: dict[str, torch.Tensor], groups: list[dict[str, Any]]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    fresh = model.policy.optimizer.state_dict()["param_groups"]
    merged = [{**saved, "params": own["params"]} for saved, own in zip(groups, fresh, strict=True)]
    model.policy.optimizer.load_state_dict({"state": state, "param_groups": merged})


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
