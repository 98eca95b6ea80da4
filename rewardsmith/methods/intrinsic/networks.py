"""Small networks over observations, with an optimizer and a separate random generator. Loads torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import nn


def mlp(*widths: int) -> nn.Sequential:
    """Return linear layers between the given widths, with ReLU between the layers."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Trained:
    """Networks with an Adam optimizer and a random generator for minibatches.

    The optimizer updates only the networks named in `learning`.
    """

    def __init__(self, seed: int, rate: float, networks: dict[str, nn.Module], learning: list[str]) -> None:
        self.networks = networks
        self.generator = torch.Generator().manual_seed(seed)
        parameters = [p for name in learning for p in networks[name].parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=rate)

    def minibatches(self, count: int, size: int) -> Iterator[torch.Tensor]:
        """Yield all indices below `count` in random order, `size` at a time."""
        yield from torch.randperm(count, generator=self.generator).split(size)

    def step(self, loss: torch.Tensor) -> None:
        """Take one gradient step on `loss`."""
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """Weights, optimizer and generator for a checkpoint."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore the value that `state` returned."""
        for name, values in state["networks"].items():
            self.networks[name].load_state_dict(values)
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])


def seeded(seed: int) -> Any:
    """Return a context in which new layers are initialised from `seed`; torch's global generator is not changed."""
    context = torch.random.fork_rng(devices=[])

    class Seeded:
        def __enter__(self) -> None:
            context.__enter__()
            torch.manual_seed(seed)

        def __exit__(self, *error: Any) -> None:
            context.__exit__(*error)

    return Seeded()
