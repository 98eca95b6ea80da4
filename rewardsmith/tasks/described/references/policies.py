"""References that are policy files: Stable-Baselines3's, and those that a job exports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import TaskError, UsageError, words_of
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described.references.actions import accepted, room
from rewardsmith.tasks.described.references.playing import PlayedReference, SeenBatch
from rewardsmith.tasks.reference import ReferencePlayer
from rewardsmith.tasks.stacking import Frames, stacked_space

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

_LONGEST = 200  # characters of a library's own message
_MASKED = "Maskable"
_CLASSES = {
    "MlpPolicy": "ActorCriticPolicy", "CnnPolicy": "ActorCriticCnnPolicy",
    "MultiInputPolicy": "MultiInputActorCriticPolicy",
}  # fmt: skip


class PolicyReference(PlayedReference):
    """A reference that is a trained policy, which takes its likeliest actions."""

    def __init__(self, name: str, setup: Setup, policy: Any, *, own_form: bool, frames: int = 1) -> None:
        """Hold a policy.

        Args:
            name: What messages call it.
            setup: The task's setup.
            policy: A policy of SB3, with `predict`.
            own_form: Whether it reads observations as the environment returns them; if not, as a job's policies do.
            frames: How many observations it reads at once, for the policy of a job.
        """
        super().__init__(name, setup)
        self.policy, self._own_form, self._frames = policy, own_form, frames

    def player(self, batch: BatchEnv) -> ReferencePlayer:
        """Return the policy at play in a batch that `batch` returned."""
        assert isinstance(batch, SeenBatch)
        return _Player(self.setup, self.name, self.policy, batch, own_form=self._own_form, frames=self._frames)


class _Player:
    def __init__(self, setup: Setup, name: str, policy: Any, batch: SeenBatch, *, own_form: bool, frames: int) -> None:
        self._setup, self._name, self._policy, self._batch = setup, name, policy, batch
        self._own_form = own_form
        self._masked = type(policy).__name__.startswith(_MASKED)
        self._memory: list[Any] = [None] * batch.num_envs
        self._frames = Frames(setup.form.observation, frames, batch.num_envs)
        self._space = stacked_space(setup.form.observation, frames)

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Choose the next actions: int64 [N], or float64 [N, A]."""
        del rows
        space = self._setup.form.actions
        chosen = room(space, self._batch.num_envs)
        self._batch.observe(self._frames.newest)
        self._frames.add()
        self._frames.begin(starts)
        self._seen = self._frames.rows()
        for n in range(self._batch.num_envs):
            given = {"action_masks": self._batch.masks[n]} if self._masked and self._batch.masks is not None else {}
            if starts[n]:
                self._memory[n] = None
            try:
                action, self._memory[n] = self._policy.predict(
                    self._observation(n), state=self._memory[n], episode_start=starts[n : n + 1], deterministic=True,
                    **given,
                )  # fmt: skip
                chosen[n] = accepted(action, space)
            except (ValueError, RuntimeError, AssertionError, KeyError, TypeError) as error:
                raise TaskError(
                    f"The policy {self._name} cannot act in {self._setup.description.id}: {words_of(error, _LONGEST)}.",
                    "Give a policy that was trained on this environment, with the same wrappers.",
                ) from error
        return chosen

    def _observation(self, n: int) -> Any:
        if self._own_form:
            return self._batch.seen[n].observation
        found = self._space.structured(self._seen[n : n + 1])
        return {key: value[0] for key, value in found.items()} if isinstance(found, dict) else found[0]


def open_sb3(path: Path, name: str, setup: Setup) -> PolicyReference:
    """Open the policy of a file that SB3's `save` wrote, whatever its algorithm. Such files may run code of their own.

    Raises:
        UsageError: If it is no such file, or for other spaces than the environment's.
    """
    from stable_baselines3.common.save_util import load_from_zip_file

    try:
        saved, weights, _ = load_from_zip_file(path, device="cpu")
        assert saved is not None and weights is not None
        given = dict(saved.get("policy_kwargs") or {})
        if saved.get("use_sde"):
            given.setdefault("use_sde", True)
        spaces = saved["observation_space"], saved["action_space"]
        _require_spaces(path, setup, *spaces)
        policy = saved["policy_class"](*spaces, lambda _: 0.0, **given)
        policy.load_state_dict(weights["policy"])
    except UsageError:
        raise
    except Exception as error:  # pickles of other versions and other libraries fail in every way
        raise UsageError(
            f"{path} cannot be opened as a policy of Stable-Baselines3: {words_of(error, _LONGEST)}.",
            "Give a file that `model.save()` wrote, and install what its policy needs.",
        ) from error
    policy.set_training_mode(False)
    return PolicyReference(name, setup, policy, own_form=True)


def _require_spaces(path: Path, setup: Setup, observations: Any, actions: Any) -> None:
    env = setup.make()
    try:
        mine = {"observes": (observations, env.observation_space), "chooses from": (actions, env.action_space)}
        for verb, (policy, own) in mine.items():
            if not _same(policy, own):
                raise UsageError(
                    f"The policy of {path} {verb} {_words(policy)}, the environment of {setup.description.id} has "
                    f"{_words(own)}.",
                    "Give a policy that was trained on this environment, with the same wrappers.",
                )
    finally:
        env.close()


def _same(policy: Any, own: Any) -> bool:
    if type(policy).__name__ != type(own).__name__:
        return False
    if isinstance(getattr(policy, "spaces", None), Mapping):
        return set(policy.spaces) == set(own.spaces) and all(_same(policy[key], own[key]) for key in policy.spaces)
    # Images of a policy have their channels first.
    same_shape = sorted(policy.shape or ()) == sorted(own.shape or ())
    return same_shape and getattr(policy, "n", None) == getattr(own, "n", None)


def _words(space: Any) -> str:
    return " ".join(str(space).split())[:_LONGEST]


def open_exported(path: Path, name: str, setup: Setup) -> PolicyReference:
    """Open the `policy.safetensors` of an exported job.

    Raises:
        UsageError: If it is no such file, or for another task's spaces, or its network is not one of SB3's.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            card = json.loads((file.metadata() or {})["policy"])
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        network = card["network"]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"{path} holds no policy of a job: {words_of(error, _LONGEST)}.",
            "Give the policy.safetensors that `rewardsmith export` writes.",
        ) from error
    actions = setup.form.actions
    frames = int(card.get("frame_stack", 1))
    if card["observation_size"] != frames * setup.form.observation.size or len(card["actions"]) != len(actions):
        raise UsageError(
            f"The policy of {path} was trained on {card['task']}, which has other spaces than {setup.description.id}.",
            "Give a policy that was trained on this task.",
        )
    if "normalizer" in card or any(".moments." in key for key in weights):
        raise UsageError(
            f"The policy of {path} normalises observations, which a reference does not.",
            "Give a function of the state, recorded episodes, or a policy without normalisation.",
        )
    raw = bool(card.get("raw_observations"))
    space = _raw_space(setup) if raw else stacked_space(setup.form.observation, frames).space
    try:
        policy = _rebuilt(path, network, setup, space, weights)
        first = {value.data_ptr(): key for key, value in reversed(policy.state_dict().items())}
        # A file names a shared tensor once, under the first of its names.
        policy.load_state_dict({key: weights[first[value.data_ptr()]] for key, value in policy.state_dict().items()})
    except (KeyError, RuntimeError, TypeError) as error:
        raise UsageError(
            f"The policy of {path} has other layers than its description says: {words_of(error, _LONGEST)}.",
            "Give the exported policy.zip instead.",
        ) from error
    policy.set_training_mode(False)
    return PolicyReference(name, setup, policy, own_form=raw, frames=frames)


def _raw_space(setup: Setup) -> Any:
    """The space of the environment's own observations, with the channels of images first."""
    from gymnasium import spaces

    parts = setup.form.observation.parts
    leaves = {part.name: part.space() if part.is_image else part.leaf for part in parts}
    return spaces.Dict(leaves) if parts[0].path else leaves[parts[0].name]


def _rebuilt(path: Path, network: Mapping[str, Any], setup: Setup, space: Any, weights: Mapping[str, Any]) -> Any:
    from stable_baselines3.common import policies as plain

    named = str(network["policy"])
    kind = _CLASSES.get(named, named)
    found = getattr(plain, kind, None)
    if kind.startswith(_MASKED):
        from sb3_contrib.common.maskable import policies as masked

        found = getattr(masked, kind, None)
    if " " in named:
        found = _off_policy(*named.split())
    if found is None or network.get("memory") == "lstm":
        raise UsageError(
            f"The policy of {path} is a {kind}, which cannot be a reference.",
            "Give a policy without memory, of an algorithm of SB3 or sb3-contrib.",
        )
    # A deviation for each feature and action is that of state-dependent exploration.
    noise = weights.get("log_std", weights.get("actor.log_std"))
    given: dict[str, Any] = {"use_sde": True} if noise is not None and noise.ndim == 2 else {}
    return found(space, setup.form.actions.space(), lambda _: 0.0, net_arch=list(network["hidden"]), **given)


def _off_policy(algorithm: str, alias: str) -> Any:
    """The policy class of an off-policy algorithm, such as QR-DQN, by SB3's name; None if there is none."""
    import sb3_contrib
    import stable_baselines3

    name = algorithm.replace("-", "")
    found: Any = getattr(stable_baselines3, name, None) or getattr(sb3_contrib, name, None)
    return None if found is None else found.policy_aliases.get(alias)
