"""Rebuild a trained policy from its stored weights, and write the same policy with SB3's own classes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from rewardsmith.policy_files import one_hot_features
from rewardsmith.policy_files.form import WRAPPER, Form, form_of
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.stacking import stacked
from rewardsmith.training.algorithms import off_policy_class
from rewardsmith.training.checkpoint import load_policy
from rewardsmith.training.network import GridTorso
from rewardsmith.training.normalize import Moments
from rewardsmith.training.plan import TrialPlan
from rewardsmith.training.trial import build
from rewardsmith.training.vecenv import BatchVecEnv

_EPSILON = 1e-8  # of Moments and of VecNormalize
_REPLAY = 1_000  # transitions of the replay buffer of a loaded model; `learn` may be given another one


@dataclass(frozen=True)
class PlainPolicy:
    """A policy in SB3's own classes.

    Attributes:
        model: The algorithm with the policy.
        form: Its spaces.
        package: The package of its class: stable_baselines3 or sb3_contrib.
        alias: The name of its policy class for the algorithm's constructor, such as MlpPolicy.
        arguments: The policy's arguments for the constructor.
        sde: Whether it explores with state-dependent noise.
        normalizer: Normalises what the policy is given; None if nothing does.
    """

    model: BaseAlgorithm
    form: Form
    package: str
    alias: str
    arguments: dict[str, Any] = field(default_factory=dict)
    sde: bool = False
    normalizer: VecNormalize | None = None

    @property
    def policy(self) -> Any:
        """The policy of the model, in SB3's own class."""
        return self.model.policy

    @property
    def recurrent(self) -> bool:
        """Whether it remembers earlier observations of an episode."""
        return hasattr(self.model.policy, "lstm_actor")

    @property
    def masked(self) -> bool:
        """Whether it is told which actions are allowed."""
        return type(self.model).__name__.startswith("Maskable")

    def normalized(self, given: Any) -> Any:
        """Return what the model's `predict` is given for raw observations [N, ...]."""
        return given if self.normalizer is None else self.normalizer.normalize_obs(given)


def trained_policy(task: Task, training: TrainingSpec, weights: bytes) -> Any:
    """Rebuild the policy of a trial on the CPU.

    Args:
        task: The task.
        training: The settings of the trial.
        weights: The stored policy.safetensors.

    Raises:
        UsageError: The weights are not those of such a policy.
    """
    settings = training.model_copy(update={"device": "cpu", "num_envs": 1, "buffer_size": 16})
    if not settings.off_policy:
        settings = settings.model_copy(update={"rollout_steps": 8, "batch_size": 8})
    task = stacked(task, settings.frame_stack)
    env = BatchVecEnv(task.batch(1, "train"), task, settings.collected, 0)
    try:
        with torch.random.fork_rng(devices=[]), _numpy_kept():
            model = build(TrialPlan(task, SPARSE, settings, 0, 1000, 1.0, Path()), env)
        load_policy(model, weights)
    finally:
        env.close()
    model.policy.set_training_mode(False)
    return model.policy


def plain_policy(task: Task, training: TrainingSpec, policy: Any) -> PlainPolicy:
    """Return a trained policy in SB3's own classes; its actions are the same.

    What the trained policy divides observations by is part of the first layers' weights, or of VecNormalize.
    """
    torso = isinstance(getattr(policy, "mlp_extractor", None), GridTorso)
    grid_features = hasattr(policy.features_extractor, "layer") if hasattr(policy, "lstm_actor") else False
    form = form_of(task, torso or grid_features)
    moments = _moments(policy)
    algorithm, alias = _class_of(task, training, form)
    arguments = _arguments(training, torso, grid_features, hasattr(policy, "lstm_actor"))
    model = _made(algorithm, alias, form, training, arguments)
    weights = _converted(policy.state_dict(), torso)
    wanted = model.policy.state_dict()
    model.policy.load_state_dict({name: weights[name] for name in wanted})
    scale = form.feature_scale
    normalizer = None
    if moments:
        normalizer = _vec_normalize(model, form, task, moments)
    elif scale is not None:
        _fold(model.policy, scale)
    model.policy.set_training_mode(False)
    package = type(model).__module__.partition(".")[0]
    return PlainPolicy(model, form, package, alias, arguments, training.sde, normalizer)


def _class_of(task: Task, training: TrainingSpec, form: Form) -> tuple[Any, str]:
    import stable_baselines3 as sb3

    several = isinstance(form.observation, spaces.Dict)
    images = len(form.observation.shape or ()) == 3 and task.observation.dtype == "uint8"
    alias = "MultiInputPolicy" if several else "CnnPolicy" if images else "MlpPolicy"
    if training.off_policy:
        return off_policy_class(training.algorithm), alias
    if training.algorithm == "a2c":
        return sb3.A2C, alias
    if training.memory == "lstm" or task.masked:
        import sb3_contrib

        if task.masked:
            return sb3_contrib.MaskablePPO, alias
        return sb3_contrib.RecurrentPPO, alias.replace("Policy", "LstmPolicy")
    return sb3.PPO, alias


def _arguments(training: TrainingSpec, torso: bool, grid_features: bool, recurrent: bool) -> dict[str, Any]:
    widths = list(training.hidden)
    if recurrent:
        found: dict[str, Any] = {"net_arch": [], "lstm_hidden_size": widths[-1]}
        if grid_features:
            found["features_extractor_class"] = one_hot_features.OneHotFeatures
            found["features_extractor_kwargs"] = {"width": widths[0]}
        return {**found, **training.policy_kwargs}
    return {"net_arch": {"pi": widths, "vf": widths} if torso else widths, **training.policy_kwargs}


class Spaces(gymnasium.Env):
    """Two spaces, for constructors that ask for an environment; it is never played."""

    def __init__(self, form: Form) -> None:
        self.observation_space, self.action_space = form.observation, form.action


def _made(algorithm: Any, alias: str, form: Form, training: TrainingSpec, arguments: dict[str, Any]) -> BaseAlgorithm:
    given: dict[str, Any] = {
        "learning_rate": training.learning_rate, "gamma": training.gamma, "device": "cpu",
        "policy_kwargs": dict(arguments),
    }  # fmt: skip
    if training.sde:
        given["use_sde"] = True
    if training.off_policy:
        given |= {"batch_size": training.batch_size, "buffer_size": _REPLAY}
        given |= {"train_freq": training.train_freq, "gradient_steps": training.gradient_steps}
    else:
        given |= {"n_steps": training.rollout_steps, "gae_lambda": training.gae_lambda, "ent_coef": training.entropy}
        if training.algorithm == "ppo":
            given |= {"batch_size": training.rollout_steps, "n_epochs": training.epochs}
            given["clip_range"] = training.clip_range
    with torch.random.fork_rng(devices=[]), _numpy_kept():
        return algorithm(alias, Spaces(form), **given)


def _converted(weights: dict[str, torch.Tensor], torso: bool) -> dict[str, torch.Tensor]:
    """The trained weights under the names of SB3's own classes."""
    found: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if ".moments." in name:
            continue
        plain = name.replace("features_extractor.inner.", "features_extractor.")
        plain = plain.replace("features_extractor.layer.first.", "features_extractor.first.")
        if torso and plain.startswith("mlp_extractor.first."):
            kind = plain.rpartition(".")[2]
            found[f"mlp_extractor.policy_net.0.{kind}"] = found[f"mlp_extractor.value_net.0.{kind}"] = value
        elif torso and plain.startswith(("mlp_extractor.actor.", "mlp_extractor.critic.")):
            _, part, index, kind = plain.split(".")
            # The shared layer and its tanh come first.
            net = "policy_net" if part == "actor" else "value_net"
            found[f"mlp_extractor.{net}.{int(index) + 2}.{kind}"] = value
        else:
            found[plain] = value
    return found


def _moments(policy: Any) -> dict[str, Moments]:
    """The moments by which a policy normalises, by key of a Dict; under "" for a vector; empty if it does not."""
    actor = policy if hasattr(policy, "value_net") else getattr(policy, "actor", None)
    for part in ("q_net", "quantile_net"):
        actor = actor or getattr(policy, part, None)
    found = getattr(actor.features_extractor, "moments", None) if actor is not None else None
    if found is None:
        return {}
    return {"": found} if isinstance(found, Moments) else dict(found.items())


def _vec_normalize(model: BaseAlgorithm, form: Form, task: Task, moments: dict[str, Moments]) -> VecNormalize:
    """SB3's VecNormalize with the same moments, of the observations before they are divided by anything else."""
    keys = None if "" in moments else list(moments)
    venv = DummyVecEnv([lambda: Spaces(form)])
    found = VecNormalize(venv, training=False, norm_reward=False, norm_obs_keys=keys, epsilon=_EPSILON)
    at, scales = 0, {}
    for name, size in _sizes(model, form):
        scale = np.ones(size) if form.feature_scale is None else form.feature_scale[at : at + size]
        scales[name], at = scale, at + size
    for name, each in moments.items():
        kept: Any = found.obs_rms if keys is None else found.obs_rms[name]  # type: ignore[index]
        mean, variance = (each.mean.double().numpy(), each.variance.double().numpy())
        scale = scales[name]
        kept.mean = (mean * scale).reshape(kept.mean.shape)
        kept.var = ((variance + _EPSILON) * scale**2 - _EPSILON).reshape(kept.var.shape)
        kept.count = float(each.count)
    return found


def _sizes(model: BaseAlgorithm, form: Form) -> list[tuple[str, int]]:
    """The features that come from each key of a Dict, in their order; all under "" for a vector."""
    if not isinstance(form.observation, spaces.Dict):
        return [("", int(np.prod(form.observation.shape or (1,))))]
    from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
    from stable_baselines3.common.torch_layers import CombinedExtractor

    found = []
    for key, space in form.observation.spaces.items():
        picture = is_image_space(space)
        size = CombinedExtractor(spaces.Dict({key: space})).features_dim if picture else get_flattened_obs_dim(space)
        found.append((key, int(size)))
    return found


def _fold(policy: torch.nn.Module, scale: NDArray[np.float64]) -> None:
    """Divide what the features are multiplied by in each network's first layer by `scale` [F], in place."""
    divisor, width = torch.as_tensor(scale), len(scale)
    # With state-dependent exploration SAC's `mu` is a Sequential, too, and comes after `latent_pi`.
    last = "actor.mu" if hasattr(getattr(policy, "actor", None), "latent_pi") else ""
    modules = [(n, m) for n, m in policy.named_modules() if "features_extractor" not in n and n != last]
    memories = [m for _, m in modules if isinstance(m, torch.nn.LSTM)]
    with torch.no_grad():
        for memory in memories:
            first: Any = memory.weight_ih_l0
            first.copy_(first.double() / divisor)
        for _, module in [] if memories else modules:
            if isinstance(module, torch.nn.Sequential) and len(module):
                _fold_first(module[0], divisor, width)


def _fold_first(layer: Any, divisor: torch.Tensor, width: int) -> None:
    if isinstance(layer, torch.nn.Linear):
        layer.weight[:, :width] = (layer.weight[:, :width].double() / divisor).float()
    elif hasattr(layer, "ra_mean"):  # CrossQ's normalisation of a batch, which comes first
        mean, variance, epsilon = layer.ra_mean, layer.ra_var, layer.eps
        mean[:width] = (mean[:width].double() * divisor).float()
        variance[:width] = ((variance[:width].double() + epsilon) * divisor**2 - epsilon).float()


@contextmanager
def _numpy_kept() -> Iterator[None]:
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: small networks wait longer for a second one than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def wrapper_module() -> Iterator[None]:
    """Let pickled classes of an exported folder's policy_env.py be found while a file is written or loaded."""
    name = Path(WRAPPER).stem
    module, own = ModuleType(name), one_hot_features.OneHotFeatures
    before, home = sys.modules.get(name), own.__module__
    module.OneHotFeatures = own  # type: ignore[attr-defined]
    sys.modules[name], own.__module__ = module, name
    try:
        yield
    finally:
        own.__module__ = home
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
