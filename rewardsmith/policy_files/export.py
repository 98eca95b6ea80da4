"""Write a trained policy as files, load them again as a user would, compare and play them, and describe them."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rewardsmith.errors import UsageError
from rewardsmith.policy_files import card, one_hot_features, onnx_file
from rewardsmith.policy_files.compared import Recording, compare, record
from rewardsmith.policy_files.form import WRAPPER
from rewardsmith.policy_files.plain import PlainPolicy, one_thread, plain_policy, trained_policy, wrapper_module
from rewardsmith.policy_files.played import play_file
from rewardsmith.policy_files.results import PolicyFiles, PolicyRequest
from rewardsmith.seeds import exported_seed
from rewardsmith.tasks.stacking import stacked
from rewardsmith.training.checkpoint import policy_metadata, save_policy
from rewardsmith.training.evaluation import Evaluation
from rewardsmith.training.player import deterministic

ZIP, WEIGHTS, ONNX, NORMALIZER = "policy.zip", "policy.safetensors", "policy.onnx", "vecnormalize.pkl"


def policy_files(asked: PolicyRequest, making: str, own_notes: tuple[str, ...] = ()) -> PolicyFiles:
    """Convert, write, load, compare and play a policy.

    Args:
        asked: What is to be exported.
        making: The expression that makes the plain environment.
        own_notes: Notes of the caller for the card.

    Raises:
        UsageError: The weights do not fit the settings, or `onnx` is true and no ONNX file can be written.
    """
    if asked.onnx:
        onnx_file.require_onnx()
    task = stacked(asked.task, asked.training.frame_stack)
    notes = list(own_notes)
    with tempfile.TemporaryDirectory() as folder, wrapper_module(), one_thread():
        trained = trained_policy(task, asked.training, asked.weights)
        fixed = deterministic(trained)
        plain = plain_policy(task, asked.training, trained)
        found = record(task, trained, exported_seed(asked.seed))
        files = _written(plain, asked.weights, Path(folder))
        loaded = _loaded(plain, Path(folder))
        weighed = _weighed(plain, Path(folder))
        agreements = {ZIP: compare(loaded, found, task), WEIGHTS: compare(weighed, found, task)}
        content = _onnx(asked, plain, found, notes)
        if content is not None:
            files[ONNX] = content
            agreements[ONNX] = onnx_file.compare_onnx(content, plain, found, task)
        played: dict[str, Evaluation] = {}
        if asked.episodes:
            for way in ("deterministic",) if fixed else ("deterministic", "stochastic"):
                exact, seed = way == "deterministic", exported_seed(asked.seed)
                played[way] = play_file(loaded, task, asked.episodes, seed, deterministic=exact)
    notes += _limits(plain)
    told = PolicyFiles(files, tuple(notes), agreements, played)
    return replace(told, text=card.policy_text(asked, plain, told, making, fixed))


def _written(plain: PlainPolicy, weights: bytes, folder: Path) -> dict[str, bytes]:
    """Write the files into `folder`, and return their contents."""
    plain.model.save(folder / ZIP)
    about = policy_metadata(weights)
    if plain.form.cells and not plain.recurrent:
        about["network"] = {**about["network"], "policy": plain.alias}
    if plain.form.wrapper is None and not plain.form.encoded:
        about["raw_observations"] = True
    if plain.normalizer is not None:
        about["normalizer"] = NORMALIZER
    save_policy(folder / WEIGHTS, plain.model, about)
    if plain.normalizer is not None:
        plain.normalizer.save(str(folder / NORMALIZER))
    if plain.form.wrapper is not None:
        text = plain.form.wrapper
        if "features_extractor_class" in plain.arguments:
            source = inspect.getsource(one_hot_features).partition("from __future__ import annotations\n")[2]
            text += "\n\n" + source.strip() + "\n"
        (folder / WRAPPER).write_text(text, encoding="utf-8")
    names = (ZIP, WEIGHTS, NORMALIZER, WRAPPER)
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def _loaded(plain: PlainPolicy, folder: Path) -> PlainPolicy:
    """The policy that plain SB3 loads from the zip, with the normaliser from its file."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    from rewardsmith.policy_files.plain import Spaces

    model = type(plain.model).load(folder / ZIP, device="cpu")
    model.policy.set_training_mode(False)  # as `predict` does; CrossQ's layers would change otherwise
    normalizer = None
    if plain.normalizer is not None:
        normalizer = VecNormalize.load(str(folder / NORMALIZER), DummyVecEnv([lambda: Spaces(plain.form)]))
    return replace(plain, model=model, normalizer=normalizer)


def _weighed(plain: PlainPolicy, folder: Path) -> PlainPolicy:
    """The policy of a new model of SB3 whose weights are those of the safetensors file."""
    from safetensors.torch import load_model

    from rewardsmith.policy_files.plain import Spaces

    given: dict[str, Any] = {"policy_kwargs": dict(plain.arguments), "device": "cpu", **card.more_arguments(plain)}
    with torch.random.fork_rng(devices=[]):
        algorithm: Any = type(plain.model)
        model = algorithm(plain.alias, Spaces(plain.form), **given)
    load_model(model.policy, folder / WEIGHTS)
    model.policy.set_training_mode(False)
    return replace(plain, model=model)


def _onnx(asked: PolicyRequest, plain: PlainPolicy, found: Recording, notes: list[str]) -> bytes | None:
    if asked.onnx is False:
        return None
    if asked.onnx is None and onnx_file.missing():
        notes.append("There is no ONNX file: `pip install 'rewardsmith[onnx]'` installs what it needs.")
        return None
    try:
        return onnx_file.onnx_bytes(plain, found)
    except UsageError as error:
        if asked.onnx:
            raise
        notes.append(f"There is no ONNX file: {error.cause}")
        return None


def _limits(plain: PlainPolicy) -> list[str]:
    found = []
    if plain.form.encoded:
        found.append(
            "The policy reads rows that only rewardsmith makes of this environment's observations. "
            "The files load in plain SB3, which cannot play the environment with them."
        )
    if plain.sde:
        found.append("SB3 draws the state-dependent noise once when the file is loaded; `model.policy.reset_noise()` "
                     "draws it again.")  # fmt: skip
    return found


def manifest_of(found: PolicyFiles) -> Mapping[str, Any]:
    """Return the comparison and the evaluation as JSON values, for an exported manifest."""
    return {
        "agreement": {
            name: {"count": each.count, "equal": each.equal, "difference": each.difference}
            for name, each in found.agreement.items()
        },
        "played": {
            way: {"episodes": e.episodes, "successes": e.successes, "mean_return": e.mean_return}
            for way, e in found.played.items()
        },
    }
