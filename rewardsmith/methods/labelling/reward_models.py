"""The three reward models of ONI (arXiv 2410.23022), learned online from labels of captions.

retrieval:       r(m) = label of m, 0 until it has one
classification:  p(m) by cross-entropy on the labels; r(m) = 1[p(m) > eta], eta = 0.5
ranking:         P(m1 > m2) = exp r1 / (exp r1 + exp r2), a tie counting half (Bradley-Terry); then
                 r~ = (r - mean) / std by running statistics, paid where r~ > threshold, published -0.5

The two networks learn in a thread while the policy learns and the next rollout is played, and pay what they have
learned from that one on: where a second core is idle, training does not wait for them. When they pay what does not
depend on how fast the thread is.
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

from rewardsmith.methods.labelling.bags import BUCKETS, Bags
from rewardsmith.methods.labelling.labels import Label

ETA = 0.5
_REMEMBERED = 1e6  # steps


class CaptionRewardModel(Protocol):
    """Captions to rewards; learns when labels arrive."""

    version: int  # of what pays; rises with every arrival of labels

    def learn(self, labels: Sequence[Label]) -> int:
        """Take in labels that have just arrived, if any, once per rollout; returns the version they will count in."""
        ...

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        """r(m), float64 [M], of M captions."""
        ...

    def remember(self, labels: Sequence[Label]) -> None:
        """Take back labels that were learned from before; nothing is learned."""
        ...

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:
        """Note that captions occurred `times` [M] in a rollout; called before `values` of them."""
        ...

    def state(self) -> Any:
        """For a checkpoint: everything but the labels, which are on disk."""
        ...

    def load(self, state: Any) -> None:
        """Back from a checkpoint; `remember` follows."""
        ...


class Retrieval:
    """A hash table."""

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
        """Nothing is counted."""

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([self._table.get(key, 0.0) for key in keys])

    def state(self) -> Any:
        return {"version": self.version}

    def load(self, state: Any) -> None:
        self.version = state["version"]


class TextScore(nn.Module):
    """The words of a caption embedded and averaged; two dense layers; one number."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS, width)
        self.dense = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, used: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Scores [M] of what `Bags.shares` returned for M captions."""
        return self.dense(shares @ self.words(used)).squeeze(1)


class _Learned(ABC):
    """What both learned models share: labels kept, gradient steps per arrival, a generator of their own.

    One network learns, another pays: the thread never touches the second.
    """

    def __init__(self, seed: int, learning_rate: float, batch: int = 256, steps: int = 32, most: int = 25_000) -> None:
        self.version = 0
        self._generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net, self._paying = TextScore(), TextScore()
        self._optimizer = torch.optim.Adam(self._net.parameters(), lr=learning_rate, fused=True)
        self._batch, self._steps, self._most = batch, steps, most
        self._bags = Bags()
        self._rows: list[NDArray[np.int64]] = []  # of each label's captions
        self._values: list[float] = []
        self._thread = ThreadPoolExecutor(1, "reward-model")
        self._running: Future[None] | None = None
        self._unpaid = False  # whether the learning network has learned what the paying one has not

    def learn(self, labels: Sequence[Label]) -> int:
        """Pay what was learned since the last call, and begin to learn from labels that have just arrived."""
        self._join()
        if self._unpaid:
            self._paying.load_state_dict(self._net.state_dict())
            self.version, self._unpaid = self.version + 1, False
        if not labels:
            return self.version
        self.remember(labels)
        count = len(self._rows)
        chosen = torch.randint(count, (self._steps, min(self._batch, count)), generator=self._generator)
        # Rows never change once they are there, so new captions may be added meanwhile.
        rows, values = np.array(self._rows)[chosen.numpy()], torch.tensor(self._values)[chosen]
        self._running, self._unpaid = self._thread.submit(self._train, rows, values), True
        return self.version + 1

    def _train(self, rows: NDArray[np.int64], values: torch.Tensor) -> None:
        """One gradient step per minibatch: rows [steps, B, 1 or 2] of captions, values [steps, B]."""
        unique, places = np.unique(rows, return_inverse=True)
        used, shares = self._bags.shares(unique)
        for at, value in zip(places.reshape(rows.shape), values, strict=True):
            drawn, again = np.unique(at, return_inverse=True)
            scores = self._net(used, shares[torch.from_numpy(drawn)])[torch.from_numpy(again.reshape(at.shape))]
            loss = functional.binary_cross_entropy_with_logits(self.logits(scores), value)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def _join(self) -> None:
        """Wait for the thread; raises what it raised."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def remember(self, labels: Sequence[Label]) -> None:
        """Keep the latest labels."""
        self._rows += [self._bags.rows(c.text for c in label.captions) for label in labels]
        self._values += [label.value for label in labels]
        del self._rows[: -self._most], self._values[: -self._most]

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:  # noqa: B027 - networks count nothing
        """Nothing is counted."""

    @abstractmethod
    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        """Of the labels' values [B], from the scores of their captions [B, 1 or 2]."""

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The paying network's numbers, float64 [M]."""
        with torch.no_grad():
            return self._paying(*self._bags.shares(self._bags.rows(texts))).double().numpy()

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
        return deepcopy(held)  # the thread will go on with the tensors

    def load(self, state: Any) -> None:
        """Back from a checkpoint; labels are given back by `remember`."""
        self._join()
        self.version, self._unpaid = state["version"], state["unpaid"]
        self._paying.load_state_dict(state["paying"])
        self._net.load_state_dict(state["net"])
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})
        self._generator.set_state(state["generator"])


class Classification(_Learned):
    """r = 1[p > eta]."""

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores[:, 0]

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        if not self.version:
            return np.zeros(len(keys))
        return (1.0 / (1.0 + np.exp(-self.scores(texts))) > ETA).astype(np.float64)


class Ranking(_Learned):
    """r~, by statistics over the captions met while training (the released code computes r~ and then pays r).

    The mean and the deviation are those of the present r: of scores noted when they occurred, most would be of a
    network that has moved on since, and ordinary captions would come out half a deviation below the mean.
    """

    def __init__(self, seed: int, learning_rate: float, threshold: float = 0.0) -> None:
        super().__init__(seed, learning_rate)
        self._threshold = threshold
        self._times: dict[str, float] = {}
        self._known: tuple[int, dict[str, float]] = (0, {})  # a version, and scores of it

    def logits(self, scores: torch.Tensor) -> torch.Tensor:
        return scores[:, 0] - scores[:, 1]

    def values(self, keys: Sequence[int], texts: Sequence[str]) -> NDArray[np.float64]:
        if not self.version:
            return np.zeros(len(keys))
        mean, std = self.statistics()
        normal = (self._scores_of(texts) - mean) / std
        return np.where(normal > self._threshold, normal, 0.0)

    def observe(self, texts: Sequence[str], times: NDArray[np.int64]) -> None:
        """Count captions that occurred `times` [M] in a rollout; what is older than a million steps fades."""
        for text, count in zip(texts, times.tolist(), strict=True):
            self._times[text] = self._times.get(text, 0.0) + count
        total = sum(self._times.values())
        if total > _REMEMBERED:
            self._times = {text: count * _REMEMBERED / total for text, count in self._times.items()}

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation of r over the steps counted; 0 and 1 before there are any."""
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
