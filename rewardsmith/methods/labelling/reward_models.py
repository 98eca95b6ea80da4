"""The three reward models of ONI (arXiv 2410.23022), learned online from labels of captions.

retrieval:       r(m) = label of m, 0 until it has one
classification:  p(m) by cross-entropy on the labels; r(m) = 1[p(m) > eta], eta = 0.5
ranking:         P(m1 > m2) = exp r1 / (exp r1 + exp r2), a tie counting half (Bradley-Terry); then
                 r~ = (r - mean) / std by running statistics; the reward is r~ if r~ > threshold (published: -0.5),
                 else 0

The two networks are trained in a thread while the policy learns and the next rollout is played. Their new version
defines the rewards from the rollout after that, independent of the speed of the thread. Training does not wait for them
if a second core is idle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from rewardsmith.methods.labelling.bag_of_words import BUCKETS, BagOfWords
from rewardsmith.methods.labelling.labels import Label

ETA = 0.5
_REMEMBERED = 1e6  # steps


class CaptionRewardModel(Protocol):
    """Maps captions to rewards; trained as labels arrive."""

    version: int  # of the model that defines the rewards; rises with every arrival of labels

    def learn(self, labels: Sequence[Label]) -> int:
        """Learn from new labels, if any; called once per rollout. Returns the first version that includes them."""
        ...

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        """Return r(m), float64 [M], of M captions."""
        ...

    def remember(self, labels: Sequence[Label]) -> None:
        """Store labels of an earlier attempt without learning from them."""
        ...

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:
        """Count that captions occurred `times` [M] in a rollout; called before `values`."""
        ...

    def state(self) -> Any:
        """Everything except the labels, which are on disk, for a checkpoint."""
        ...

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned; `remember` is called next."""
        ...


class Retrieval:
    """A table: r(m) is the label of m, and 0 without a label."""

    def __init__(self) -> None:
        self.version = 0
        self._table: dict[int, float] = {}

    def learn(self, labels: Sequence[Label]) -> int:
        self.remember(labels)
        self.version += bool(labels)
        return self.version

    def remember(self, labels: Sequence[Label]) -> None:
        self._table.update((label.captions[0].key, label.value) for label in labels)

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:
        """Do nothing: a table needs no counts."""

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self._table.get(key, 0.0) for key in keys])

    def state(self) -> Any:
        return {"version": self.version}

    def load(self, state: Any) -> None:
        self.version = state["version"]


class TextScore(nn.Module):
    """A score for a caption: mean word embedding, then two dense layers."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, width)
        self.dense = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, used: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Return scores [M] from the features of M captions (see `BagOfWords.shares`)."""
        return self.dense(shares @ self.words(used)).squeeze(1)


class _Learned(ABC):
    """Base class of both learned models: keeps labels and takes gradient steps when labels arrive.

    One network is trained, another one defines the rewards; the thread uses only the first.
    """

    def __init__(self, seed: int, learning_rate: float, batch: int = 256, steps: int = 32, most: int = 25_000) -> None:
        self.version = 0
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net, self._paying = TextScore(), TextScore()
        self._optimizer = torch.optim.Adam(self._net.parameters(), lr=learning_rate, fused=True)
        self._batch, self._steps, self._most = batch, steps, most
        self._bag_of_words = BagOfWords()
        self._rows: list[NDArray[np.int64]] = []  # of each label's captions
        self._values: list[float] = []
        self._thread = ThreadPoolExecutor(1, "reward-model")
        self._running: Future[None] | None = None
        self._unpaid = False  # whether the trained network is newer than the one that defines the rewards

    def learn(self, labels: Sequence[Label]) -> int:
        """Switch to the network trained since the last call, and start training on new labels."""
        self._join()
        if self._unpaid:
            self._paying.load_state_dict(self._net.state_dict())
            self.version, self._unpaid = self.version + 1, False
        if not labels:
            return self.version
        self.remember(labels)
        count = len(self._rows)
        chosen = torch.randint(count, (self._steps, min(self._batch, count)), generator=self._generator)
        # Existing rows never change, so new captions may be added during training.
        rows, values = np.array(self._rows)[chosen.numpy()], torch.tensor(self._values)[chosen]
        self._running, self._unpaid = self._thread.submit(self._train, rows, values), True
        return self.version + 1

    def _train(self, rows: NDArray[np.int64], values: torch.Tensor) -> None:
        """Take one gradient step per minibatch: rows [steps, B, 1 or 2] of captions, values [steps, B]."""
        unique, places = np.unique(rows, return_inverse=True)
        used, shares = self._bag_of_words.shares(unique)
        for at, value in zip(places.reshape(rows.shape), values, strict=True):
            drawn, again = np.unique(at, return_inverse=True)
            scores = self._net(used, shares[torch.from_numpy(drawn)])[torch.from_numpy(again.reshape(at.shape))]
            loss = functional.binary_cross_entropy_with_logits(self.logits(scores), value)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def _join(self) -> None:
        """Wait for the thread; an exception of the thread is raised here."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def remember(self, labels: Sequence[Label]) -> None:
        """Store labels; only the latest ones are kept."""
        self._rows += [self._bag_of_words.rows(c.text for c in label.captions) for label in labels]
        self._values += [label.value for label in labels]
        del self._rows[: -self._most], self._values[: -self._most]

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:  # noqa: B027 - a default, not abstract
        """Do nothing: only rankings need counts."""

    @abstractmethod
    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the logits [B] of the labels, from the scores [B, 1 or 2] of their captions."""

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the scores, float64 [M], of the network that defines the rewards."""
        with torch.no_grad():
            return self._paying(*self._bag_of_words.shares(self._bag_of_words.rows(texts))).double().numpy()

    def state(self) -> Any:
        self._join()
        held = {
            "version": self.version,
            "unpaid": self._unpaid,
            "paying": dict(self._paying.state_dict()),
            "net": dict(self._net.state_dict()),
            "optimizer": self._optimizer.state_dict()["state"],
            "generator": self._generator.get_state(),
        }
        return deepcopy(held)  # the thread continues to change the tensors

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned; `remember` restores the labels."""
        self._join()
        self.version, self._unpaid = state["version"], state["unpaid"]
        self._paying.load_state_dict(state["paying"])
        self._net.load_state_dict(state["net"])
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
        self._generator.set_state(state["generator"])


class Classification(_Learned):
    """Classification: r = 1[p > eta], trained by cross-entropy."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores[:, 0]

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        if not self.version:
            return np.zeros(len(keys))
        return (1.0 / (1.0 + np.exp(-self.scores(texts))) > ETA).astype(np.float64)


class Ranking(_Learned):
    """Ranking: r~, normalised over the captions of training (the released code computes r~ but uses r).

    Mean and deviation are those of the present network. Scores from the time of occurrence would come from older
    networks, and ordinary captions would lie half a deviation below the mean.
    """

    def __init__(self, seed: int, learning_rate: float, threshold: float = 0.0) -> None:
        super().__init__(seed, learning_rate)
        self._threshold = threshold
        self._times: dict[str, float] = {}
        self._known: tuple[int, dict[str, float]] = (0, {})  # a version and its scores

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores[:, 0] - scores[:, 1]

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        if not self.version:
            return np.zeros(len(keys))
        mean, std = self.statistics()
        normal = (self._scores_of(texts) - mean) / std
        return np.where(normal > self._threshold, normal, 0.0)

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:
        """Count that captions occurred `times` [M] in a rollout; counts older than a million steps fade."""
        for text, count in zip(texts, times.tolist(), strict=True):
            self._times[text] = self._times.get(text, 0.0) + count
        total = sum(self._times.values())
        if total > _REMEMBERED:
            self._times = {text: count * _REMEMBERED / total for text, count in self._times.items()}

    def statistics(self) -> tuple[float, float]:
        """Return mean and standard deviation of r over the counted steps; 0 and 1 before the first."""
        if not self._times:
            return 0.0, 1.0
        scores, times = self._scores_of(list(self._times)), np.array(list(self._times.values()))
        mean = float(np.average(scores, weights=times))
        return mean, max(float(np.average((scores - mean) ** 2, weights=times)) ** 0.5, 1e-6)

    def _scores_of(self, texts: Sequence[str]) -> NDArray[np.float64]:
        if self._known[0] != self.version:
            self._known = (self.version, {})
        known = self._known[1]
        if missing := [text for text in texts if text not in known]:
            known.update(zip(missing, self.scores(missing).tolist(), strict=True))
        return np.array([known[text] for text in texts])

    def state(self) -> Any:
        return {**super().state(), "times": self._times}

    def load(self, state: Any) -> None:
        super().load(state)
        self._times, self._known = dict(state["times"]), (0, {})
