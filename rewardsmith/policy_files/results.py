"""What is asked of an export of a policy, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rewardsmith.policy_files.compared import Agreement
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.base import Task
from rewardsmith.training.evaluation import Evaluation

EPISODES = 200
"""Episodes that an exported file plays, unless a caller gives another number."""


@dataclass(frozen=True)
class PolicyRequest:
    """What is to be exported.

    Attributes:
        task: The task.
        training: The settings of the trial.
        seed: The trial's seed.
        weights: The stored policy.safetensors of the trial.
        episodes: Episodes that the exported file plays, deterministic and stochastic each; 0 for none.
        onnx: Whether to write an ONNX file; None to write one if the packages are installed and torch can.
    """

    task: Task
    training: TrainingSpec
    seed: int
    weights: bytes
    episodes: int = EPISODES
    onnx: bool | None = None


@dataclass(frozen=True)
class PolicyFiles:
    """The files of an exported policy.

    Attributes:
        files: Their contents by name.
        notes: What could not be exported, in sentences.
        agreement: How well each file agrees with the trained policy, by name.
        played: The evaluations of policy.zip, by "deterministic" and "stochastic".
        text: The section of the card.
    """

    files: dict[str, bytes]
    notes: tuple[str, ...] = ()
    agreement: dict[str, Agreement] = field(default_factory=dict)
    played: dict[str, Evaluation] = field(default_factory=dict)
    text: str = ""
