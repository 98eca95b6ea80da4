"""The language model of one task: fitted once, scored on held-out layouts, kept on disk for all trials."""

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
"""Raise when prompts, pairs or networks change meaning: what was fitted before is then fitted anew."""

HELD_OUT = 0.15
"""Pairs to stop by, and as many to score on, as a share of those fitted on."""

Prompts = Literal["privileged", "view"]


@dataclass(frozen=True)
class TeacherSpec:
    """What is fitted. prompts: of the full state, or of the agent's own view and memory. language_model: a name or
    path for transformers, or None for the small encoder. pairs: of (state, optimal actions); passes: T."""

    prompts: Prompts = "privileged"
    language_model: str | None = None
    pairs: int = 21_500
    passes: int = 8
    dropout: float = 0.1
    epochs: int | None = None  # None: PUBLISHED's for a pretrained model, else FROM_SCRATCH's
    seed: int = 0


@dataclass(frozen=True)
class Teacher:
    """A fitted model and what is known of it. `single`: the same weights without dropout, one deterministic pass."""

    spec: TeacherSpec
    model: Any  # an Encoder, masks drawn
    calibration: Calibration
    accuracies: tuple[float, ...]  # on the layouts it was stopped by, after each epoch
    folder: Path

    def describer(self, task: Task, tables: Tables, envs: int) -> StateDescriber:
        """Prompts of the kind that this model was fitted on."""
        return (FullState if self.spec.prompts == "privileged" else SeenSoFar)(task, tables, envs)

    def deterministic(self) -> Encoder:
        """The model with dropout off: one pass."""
        draw_masks(self.model, 0, 0)
        return self.model


def fitted_teacher(task: SearchableGrid, spec: TeacherSpec, told: Callable[[str], None] = silent) -> Teacher:
    """The teacher of `task`, which a planner can search: from disk, or fitted now (a minute or two on one core).

    `told` hears how the fit goes.

    Raises UsageError for a language model that cannot be loaded.
    """
    folder = _folder(task, spec)
    with _alone(folder):
        if not (folder / "report.json").exists():
            _make(task, spec, folder, told)
        return _read(task, spec, folder)


def described(task: Task, episodes: Episodes, prompts: Prompts) -> list[str]:
    """The prompt of each state, in time order."""
    describer = (FullState if prompts == "privileged" else SeenSoFar)(task, episodes.tables, 1)
    texts = []
    for i in range(len(episodes)):
        one = slice(i, i + 1)
        describer.look(episodes.rows[one], episodes.observations[one], episodes.starts[one])
        texts.append(describer.words(0))
    return texts


def _make(task: SearchableGrid, spec: TeacherSpec, folder: Path, told: Callable[[str], None]) -> None:
    torch.set_num_threads(1)  # as trials have it: the last bits depend on it
    sets = split_layouts(task)
    sizes = {"fit": spec.pairs, "stop": int(HELD_OUT * spec.pairs), "test": int(HELD_OUT * spec.pairs)}
    pairs = {name: _pairs(task, sets[name], sizes[name], spec, number) for number, name in enumerate(sets)}
    prompts, optimal = pairs["fit"]
    with torch.random.fork_rng(devices=[]):  # a trial's own generators must not feel whether a teacher was on disk
        torch.manual_seed(spec.seed)
        if spec.language_model is None:
            model: Any = SmallEncoder(Vocabulary.of(prompts), len(task.actions), EncoderSize(), spec.dropout)
            settings = FROM_SCRATCH
        else:
            from rewardsmith.methods.teacher.pretrained import PretrainedEncoder

            model, settings = PretrainedEncoder.load(spec.language_model, len(task.actions), spec.dropout), PUBLISHED
        settings = replace(settings, epochs=spec.epochs or settings.epochs)
        told(f"fitting on {len(prompts):,} states, {settings.batch} at a time")
        accuracies = fit(model, prompts, optimal, pairs["stop"], settings, spec.seed, told)
    told(f"scoring on {len(pairs['test'][0]):,} states of other layouts, {spec.passes} passes each")
    draw_masks(model, spec.passes, spec.seed)
    calibration = calibrate(ask_encoder(model, pairs["test"][0]), pairs["test"][1])
    folder.mkdir(parents=True, exist_ok=True)
    if spec.language_model is None:
        save_file(model.state_dict(), folder / "model.safetensors", {"words": json.dumps(model.vocabulary.words)})
    else:
        model.save(folder / "model")
    save_reliability_plot(calibration, folder / "reliability.png", f"{task.id}, {spec.prompts} prompts")
    report = {"spec": asdict(spec), "accuracies": accuracies, "calibration": calibration.as_dict()}
    (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")  # last: it says "complete"


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
    """Trials of one job start together: the first fits the teacher, the others wait for it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
