"""Write a policy as an ONNX file: from raw observations to the most probable action and what it was chosen by."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecNormalize

from rewardsmith.errors import UsageError
from rewardsmith.policy_files.compared import Agreement, Recording, agreement, computed, rows_of
from rewardsmith.policy_files.plain import PlainPolicy
from rewardsmith.tasks.base import Task

_OPSET = 17
_OTHER_NAMES = frozenset({"action", "outputs", "action_masks", "hidden", "cell", "next_hidden", "next_cell"})
"""Inputs and outputs that are no part of an observation."""

_NEEDED = ("onnx", "onnxruntime")


def missing() -> list[str]:
    """Return the packages that writing and comparing an ONNX file needs and that are not installed."""
    return [name for name in _NEEDED if find_spec(name) is None]


def require_onnx() -> None:
    """Raise UsageError if a package is missing."""
    if lacking := missing():
        raise UsageError(
            f"An ONNX file needs {' and '.join(lacking)}, which {'is' if len(lacking) == 1 else 'are'} not installed.",
            "Install them with `pip install 'rewardsmith[onnx]'`, or export without --onnx.",
        )


class _Acting(torch.nn.Module):
    """Raw observations to (actions, outputs); with memory also hidden and cell states in and out."""

    def __init__(self, plain: PlainPolicy) -> None:
        super().__init__()
        self.policy: Any = plain.model.policy
        space = plain.form.observation
        self._keys = list(space.spaces) if isinstance(space, spaces.Dict) else None
        self._space, self._action = space, plain.form.action
        self._masked, self._recurrent = plain.masked, plain.recurrent
        self._discrete = isinstance(self._action, spaces.Discrete)
        self._normal = _tensors(plain.normalizer)

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs for inputs in the order of `_inputs`."""
        count = len(self._keys or ("",))
        seen = self._normalized(given[:count])
        if self._recurrent:
            return self._remembering(seen, *given[count:])
        if self._masked:
            logits = self.policy.action_net(self._latent(seen))
            logits = torch.where(given[count], logits, torch.full_like(logits, -1e8))
            logits = logits - torch.logsumexp(logits, dim=1, keepdim=True)
            return logits.argmax(dim=1), logits
        outputs = computed(self.policy, seen)
        return self._chosen(seen, outputs), outputs

    def _latent(self, seen: Any) -> torch.Tensor:
        features = self.policy.extract_features(seen)
        features = features[0] if isinstance(features, tuple) else features
        return self.policy.mlp_extractor.forward_actor(features)

    def _remembering(self, seen: Any, hidden: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.policy.pi_features_extractor(seen)
        found, (hidden, cell) = self.policy.lstm_actor(features.unsqueeze(0), (hidden, cell))
        logits = self.policy.action_net(self.policy.mlp_extractor.forward_actor(found.squeeze(0)))
        logits = logits - torch.logsumexp(logits, dim=1, keepdim=True)
        return logits.argmax(dim=1), logits, hidden, cell

    def _chosen(self, seen: Any, outputs: torch.Tensor) -> torch.Tensor:
        if self._discrete:
            return outputs.argmax(dim=1)
        if isinstance(self._action, spaces.MultiDiscrete):
            counts = [int(n) for n in self._action.nvec]
            return torch.stack([part.argmax(dim=1) for part in torch.split(outputs, counts, dim=1)], dim=1)
        if isinstance(self._action, spaces.MultiBinary):
            return torch.round(outputs)
        assert isinstance(self._action, spaces.Box)
        low, high = (torch.as_tensor(end.ravel(), dtype=torch.float32) for end in (self._action.low, self._action.high))
        actions = self.policy._predict(seen, deterministic=True).flatten(1)
        if self.policy.squash_output:
            return low + 0.5 * (actions + 1.0) * (high - low)
        return torch.minimum(torch.maximum(actions, low), high)

    def _normalized(self, given: tuple[torch.Tensor, ...]) -> Any:
        named = dict(zip(self._keys or [""], given, strict=True))
        for key, (mean, deviation, limit) in self._normal.items():
            value = (named[key].double() - mean) / deviation
            named[key] = torch.clamp(value, -limit, limit).float()
        return named if self._keys is not None else named[""]


def _tensors(normalizer: VecNormalize | None) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    if normalizer is None:
        return {}
    moments: Any = normalizer.obs_rms
    moments = moments if isinstance(moments, dict) else {"": moments}
    return {
        key: (
            torch.as_tensor(each.mean),
            torch.as_tensor(np.sqrt(each.var + normalizer.epsilon)),
            float(normalizer.clip_obs),
        )
        for key, each in moments.items()
    }


def _inputs(plain: PlainPolicy, given: Any, masks: NDArray[np.bool_] | None, state: Any) -> dict[str, NDArray[Any]]:
    """The file's inputs by name: the observation or each key of it, then masks, then the memory."""
    named = {key: given[key] for key in _keys(plain)} if isinstance(given, dict) else {"observation": given}
    found = {input_name(key): _typed(np.asarray(value)) for key, value in named.items()}
    if plain.masked:
        assert masks is not None
        found["action_masks"] = np.asarray(masks, bool)
    if plain.recurrent:
        found["hidden"], found["cell"] = state
    return found


def _typed(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if value.dtype == np.float64 else value


def _keys(plain: PlainPolicy) -> list[str]:
    space = plain.form.observation
    return list(space.spaces) if isinstance(space, spaces.Dict) else ["observation"]


def input_name(key: str) -> str:
    """Return the input that takes a key of an observation: torch writes no bare number, and some names mean others."""
    return f"observation_{key}" if key.isdigit() or key in _OTHER_NAMES else key


def _empty(plain: PlainPolicy, envs: int) -> Any:
    if not plain.recurrent:
        return None
    layers, _, width = plain.policy.lstm_hidden_state_shape
    return tuple(np.zeros((layers, envs, width), np.float32) for _ in range(2))


def onnx_bytes(plain: PlainPolicy, found: Recording) -> bytes:
    """Return the policy as an ONNX file.

    Raises:
        UsageError: A package is missing, or torch cannot write this network.
    """
    require_onnx()
    masks = None if found.masks is None else found.masks[0]
    given = _inputs(plain, plain.form.given(found.rows[0]), masks, _empty(plain, found.starts.shape[1]))
    outputs = ["action", "outputs", *(["next_hidden", "next_cell"] if plain.recurrent else [])]
    axis = {
        name: {1 if name in ("hidden", "cell", "next_hidden", "next_cell") else 0: "batch"}
        for name in [*given, *outputs]
    }
    file: Any = io.BytesIO()
    export: Any = torch.onnx.export
    acting = _Acting(plain).eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # tracing warns of each Python number; the file is compared afterwards
            # The exporter by torch.export takes seconds and needs onnxscript.
            export(
                acting, tuple(torch.as_tensor(value) for value in given.values()), file, input_names=list(given),
                output_names=outputs, dynamic_axes=axis, opset_version=_OPSET, dynamo=False,
            )  # fmt: skip
    except Exception as error:  # each of torch's exporters fails with exceptions of its own
        raise UsageError(
            f"torch cannot write this policy as ONNX: {type(error).__name__}: {' '.join(str(error).split())[:200]}.",
            "Export without --onnx; policy.zip and policy.safetensors hold the same policy.",
        ) from error
    return file.getvalue()


def compare_onnx(content: bytes, plain: PlainPolicy, found: Recording, task: Task) -> Agreement:
    """Run the ONNX file on the recorded observations, and compare it with the trained policy."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    envs = found.starts.shape[1]
    state: Any = _empty(plain, envs)
    actions, outputs = [], []
    for t in range(len(found.starts)):
        if state is not None:
            for part in state:
                part[:, found.starts[t]] = 0.0
        masks = None if found.masks is None else found.masks[t]
        told = session.run(None, _inputs(plain, plain.form.given(found.rows[t]), masks, state))
        actions.append(rows_of(told[0], task))
        outputs.append(told[1])
        state = None if state is None else tuple(part.copy() for part in told[2:])
    return agreement(found, np.stack(actions), np.stack(outputs), task)
