"""The language model of one task: fitted once, scored on held-out layouts, and cached on disk for all trials."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rewardsmith.methods.teacher.calibration import Calibration, calibrate, save_reliability_plot
from rewardsmith.methods.teacher.encoder import EncoderSize, SmallEncoder, Vocabulary, draw_masks
from rewardsmith.methods.teacher.finetune import FROM_SCRATCH, PUBLISHED, fit, silent
from rewardsmith.methods.teacher.oracle import SPLITS, Episodes, collect, split_layouts
from rewardsmith.methods.teacher.prompts import FullState, SeenSoFar, StateDescriber
from rewardsmith.methods.teacher.searchable import SearchableGrid
from rewardsmith.methods.teacher.uncertainty import Encoder, ask_encoder
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.tasks.minigrid.pools import cache_folder

FORMAT = 1
"""Increase it when prompts, pairs or networks change meaning; cached language models are then fitted again."""

HELD_OUT = 0.15
"""Pairs for early stopping, and as many for scoring, as a proportion of the pairs of the fit."""

Prompts = Literal["privileged", "view"]


@dataclass(frozen=True)
class TeacherSpec:
    """Specification of a language model to fit.

    Attributes:
        prompts: "privileged" for the full state, "view" for the agent's own views and memory.
        language_model: A name or path for transformers; None for the small encoder.
        pairs: Number of (state, optimal actions) pairs.
        passes: Stochastic passes, T.
        dropout: Dropout probability.
        epochs: Most epochs; None for those of PUBLISHED (a pretrained model) or FROM_SCRATCH (the encoder).
        seed: Seed of data, weights and masks.
    """

    prompts: Prompts = "privileged"
    language_model: str | None = None
    pairs: int = 21_500
    passes: int = 8
    dropout: float = 0.1
    epochs: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Teacher:
    """A fitted language model with its scores.

    Attributes:
        spec: What was fitted.
        model: An Encoder with fixed dropout masks.
        calibration: Scores on held-out layouts.
        accuracies: Validation accuracy after each epoch.
        folder: The folder in the cache.
    """

    spec: TeacherSpec
    model: Any
    calibration: Calibration
    accuracies: tuple[float, ...]
    folder: Path

    def describer(self, task: Task, tables: Tables, envs: int) -> StateDescriber:
        """Return a new describer that writes the kind of prompts that this model was fitted on."""
        return (FullState if self.spec.prompts == "privileged" else SeenSoFar)(task, tables, envs)

    def deterministic(self) -> Encoder:
        """Turn dropout off, and return the model: one deterministic pass."""
        draw_masks(self.model, 0, 0)
        return self.model


def fitted_teacher(task: SearchableGrid, spec: TeacherSpec, told: Callable[[str], None] = silent) -> Teacher:
    """Return the teacher of a task, from the cache or newly fitted (one or two minutes on one core).

    Args:
        task: A task that a planner can search.
        spec: What to fit.
        told: Receives a line of progress at a time.

    Raises:
        UsageError: The language model cannot be loaded.
    """
    folder = _folder(task, spec)
    with _alone(folder):
        if not (folder / "report.json").exists():
            _make(task, spec, folder, told)
        return _read(task, spec, folder)


def described(task: Task, episodes: Episodes, prompts: Prompts) -> list[str]:
    """Return the prompt of each state, in time order."""
    describer = (FullState if prompts == "privileged" else SeenSoFar)(task, episodes.tables, 1)
    texts = []
    for i in range(len(episodes)):
        one = slice(i, i + 1)
        describer.look(episodes.rows[one], episodes.observations[one], episodes.starts[one])
        texts.append(describer.words(0))
    return texts


def _make(task: SearchableGrid, spec: TeacherSpec, folder: Path, told: Callable[[str], None]) -> None:
    torch.set_num_threads(1)  # as in trials: the last bits of the weights depend on it
    sets = split_layouts(task)
    sizes = {"fit": spec.pairs, "stop": int(HELD_OUT * spec.pairs), "test": int(HELD_OUT * spec.pairs)}
    pairs = {name: _pairs(task, sets[name], sizes[name], spec, number) for number, name in enumerate(sets)}
    prompts, optimal = pairs["fit"]
    with torch.random.fork_rng(devices=[]):  # a trial's generators must not depend on the cache
        torch.manual_seed(spec.seed)
        if spec.language_model is None:
            model: Any = SmallEncoder(Vocabulary.of(prompts), len(task.actions), EncoderSize(), spec.dropout)
            settings = FROM_SCRATCH
        else:
            from rewardsmith.methods.teacher.pretrained import PretrainedEncoder

            model, settings = PretrainedEncoder.load(spec.language_model, len(task.actions), spec.dropout), PUBLISHED
        settings = replace(settings, epochs=spec.epochs or settings.epochs)
        told(f"fitting on {len(prompts):,} states in batches of {settings.batch}")
        accuracies = fit(model, prompts, optimal, pairs["stop"], settings, spec.seed, told)
    told(f"scoring on {len(pairs['test'][0]):,} states of held-out layouts with {spec.passes} passes each")
    draw_masks(model, spec.passes, spec.seed)
    calibration = calibrate(ask_encoder(model, pairs["test"][0]), pairs["test"][1])
    folder.mkdir(parents=True, exist_ok=True)
    if spec.language_model is None:
        save_file(model.state_dict(), folder / "model.safetensors", {"words": json.dumps(model.vocabulary.words)})
    else:
        model.save(folder / "model")
    save_reliability_plot(calibration, folder / "reliability.png", f"{task.id}, {spec.prompts} prompts")
    report = {"spec": asdict(spec), "accuracies": accuracies, "calibration": calibration.as_dict()}
    (folder / "report.json").write_text(
        json.dumps(report, indent=1), encoding="utf-8"
    )  # written last: marks a complete folder


def _pairs(
    task: SearchableGrid, layouts: NDArray[np.int64], count: int, spec: TeacherSpec, number: int
) -> tuple[list[str], NDArray[np.bool_]]:
    episodes = collect(task, layouts, count, len(SPLITS) * spec.seed + number)
    labelled = np.logical_or.reduce(episodes.optimal, axis=1)
    texts = described(task, episodes, spec.prompts)
    return [text for text, known in zip(texts, labelled.tolist(), strict=True) if known], episodes.optimal[labelled]


def _read(task: SearchableGrid, spec: TeacherSpec, folder: Path) -> Teacher:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if spec.language_model is None:
        from safetensors import safe_open

        with safe_open(str(folder / "model.safetensors"), "pt") as file:
            words = json.loads(file.metadata()["words"])
        model: Any = SmallEncoder(Vocabulary(words), len(task.actions), EncoderSize(), spec.dropout)
        model.load_state_dict(load_file(folder / "model.safetensors"))
    else:
        from rewardsmith.methods.teacher.pretrained import PretrainedEncoder

        model = PretrainedEncoder.load(str(folder / "model"), len(task.actions), spec.dropout)
    model.eval()
    draw_masks(model, spec.passes, spec.seed)
    calibration = Calibration.from_dict(report["calibration"])
    return Teacher(spec, model, calibration, tuple(report["accuracies"]), folder)


def _folder(task: SearchableGrid, spec: TeacherSpec) -> Path:
    made_of = {
        "task": task.id,
        "pool": dict(task.sizes),
        "format": FORMAT,
        "minigrid": version("minigrid"),
        **asdict(spec),
    }
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder() / "guides" / f"{task.id}-{spec.prompts}-{digest}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder: trials of one job start together, so the first fits the teacher and the others wait."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
