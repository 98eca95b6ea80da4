"""DEIR: discriminative-model-based episodic intrinsic reward (Wan et al., IJCAI 2023, arXiv 2304.10770).

    b_t = min_i || e(o_i) - e(o_t+1) ||^2 / ( || h_i - h_t+1 || + 1e-6 ),   i = 0 .. t in the episode

e embeds observations. h_i = GRU(e(o_i), h_i-1) embeds the trajectory up to o_i. A discriminator trains both: it tells
the observation that followed (h_t, a_t) from an observation of a queue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.running import MovingStandard
from rewardsmith.methods.intrinsic.spaces import require_discrete, require_numbers
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner


class DeirOptions(Options):
    """Options of DEIR; learning rate and epochs are those of the discriminator."""

    weight: float = Field(default=0.01, ge=0, description="weight of the standardised bonus; 0.01 published")
    learning_rate: float = Field(default=3e-4, gt=0)
    epochs: int = Field(default=4, ge=1, le=100, description="passes of the discriminator over a rollout")
    queue: int = Field(default=100_000, ge=1, le=10**7, description="observations that fakes are drawn from")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of the bonus's mean and variance")


class DeirLearner(Learner):
    """Holds the networks, the queue of observations, and what each running episode has visited."""

    def __init__(self, setting: Setting) -> None:
        import torch

        from rewardsmith.methods.intrinsic.discriminator import Discriminator
        from rewardsmith.methods.intrinsic.episodic import EpisodicMemory

        chosen, envs = setting.options, setting.training.num_envs
        self._model = Discriminator(
            setting.task.observation_size, len(setting.task.actions), setting.seed, chosen.learning_rate
        )
        self._epochs = chosen.epochs
        self._standard = MovingStandard(chosen.momentum)
        self._memory = EpisodicMemory(envs)
        self._hidden = torch.zeros(envs, self._model.width)
        self._queue = ObservationQueue(chosen.queue, setting.task.observation_size, setting.seed)
        self._accuracy = 0.0
        self._recorded: Any = None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the standardised bonus [T, N]."""
        import torch

        starts = torch.from_numpy(seen.rollout.starts)
        before, after = torch.from_numpy(seen.observations), torch.from_numpy(seen.following)
        with torch.no_grad():
            passed = self._model.trajectories(before, after, starts, self._hidden)
            self._hidden = passed.hidden
            pairs = self._memory.smallest(passed.visited, passed.reached, starts, self._model.distances)
        raw = pairs.double().numpy()
        self._recorded = passed.memories
        paid = self._standard(raw)
        self._queue.add(seen.following[raw >= self._standard.mean])
        return {"deir": paid}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the discriminator on the rollout, with fakes from the queue."""
        self._accuracy = self._model.learn(seen, self._recorded, self._queue, self._epochs)

    def state(self) -> Any:
        """Networks, queue and moments. Visited observations are not stored: a checkpoint ends all episodes."""
        return {
            "model": self._model.trained.state(),
            "queue": self._queue.state(),
            "standard": self._standard.state(),
        }

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self._model.trained.load(state["model"])
        self._queue.load(state["queue"])
        self._standard.load(state["standard"])

    def telemetry(self) -> dict[str, Any]:
        """Accuracy of the discriminator on the last rollout, and the filled part of the queue."""
        return {"discriminator_accuracy": self._accuracy, "queue": len(self._queue)}


class ObservationQueue:
    """The last `size` observations that were added, oldest first out; draws with a generator of its own."""

    def __init__(self, size: int, width: int, seed: int) -> None:
        self._size, self._rng = size, np.random.default_rng(seed)
        self._rows = np.empty((0, width), dtype=np.float32)

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rows: NDArray[np.float32]) -> None:
        """Append observations [K, D], and drop the oldest beyond the size."""
        self._rows = np.concatenate([self._rows, rows])[-self._size :]

    def draw(self, count: int) -> NDArray[np.float32]:
        """Return `count` observations drawn with replacement, [count, D]."""
        return self._rows[self._rng.integers(len(self._rows), size=count)]

    def state(self) -> Any:
        """Rows and generator for a checkpoint."""
        return {"rows": self._rows, "rng": self._rng.bit_generator.state}

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self._rows = np.asarray(state["rows"], dtype=np.float32)
        self._rng.bit_generator.state = state["rng"]


class Deir(Method):
    """The environment's reward plus the bonus of DEIR."""

    name = "deir"
    summary = "DEIR: episodic novelty of observations over novelty of trajectories (baseline)"
    Options = DeirOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that the networks cannot read."""
        require_numbers(task, self.name)
        require_discrete(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `deir` of the given weight."""
        return (Channel("deir", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that computes the bonus."""
        return DeirLearner(setting)


METHOD = Deir()
