"""From a recorded rollout to the training reward: score the program, compose the channels, keep telemetry."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, Composition
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, compose_rollout, submit_rollout, without_potentials
from rewardsmith.tasks.base import Tables
from rewardsmith.telemetry import ChannelPay, ComponentValues, Telemetry
from rewardsmith.training.audit import require_same_scores
from rewardsmith.training.scale import ReturnScale
from sandbox.client import RewardHost, Scores

# Steps handed to the reward host at a time: few enough that it is done soon after the rollout, many enough that
# messages, a quarter of a millisecond each, cost little.
CHUNK_STEPS = 4
_LAST_CHUNK = 2


@dataclass
class EpisodeTally:
    """Sums over the training episodes that ended since the last point of the curve; cut ones left out."""

    episodes: int = 0
    successes: int = 0
    shaped_return: float = 0.0
    env_return: float = 0.0
    # Size of what an episode paid but for a last step that succeeded; potentials, which add up to nothing, left out.
    guidance: float = 0.0
    success_pay: float = 0.0  # of those last steps
    program_guidance: float = 0.0  # as `guidance`, of the program's channels alone
    env_success_pay: float = 0.0  # as `success_pay`, of the environment's own reward, weighed
    channel_sum: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    channel_magnitude: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    channel_square: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    success_sum: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def channels(self) -> dict[str, ChannelPay]:
        """Per channel and episode: mean, magnitude, mean of those that succeeded, and how it goes with success."""
        count = max(self.episodes, 1)
        size = sum(self.channel_magnitude.values())
        return {
            name: ChannelPay.telling(
                mean_per_episode=self.channel_sum[name] / count,
                magnitude_per_episode=self.channel_magnitude[name] / count,
                mean_per_success=self.success_sum[name] / self.successes if self.successes else None,
                share=self.channel_magnitude[name] / size if size else None,
                correlation=self._correlation(name),
            )
            for name in self.channel_sum
        }

    def _correlation(self, name: str) -> float | None:
        if not 0 < self.successes < self.episodes:
            return None
        mean, rate = self.channel_sum[name] / self.episodes, self.successes / self.episodes
        variance = self.channel_square[name] / self.episodes - mean**2
        if variance <= 1e-12 * max(1.0, mean**2):
            return None
        return (self.success_sum[name] / self.episodes - mean * rate) / (variance * rate * (1 - rate)) ** 0.5


@dataclass
class ComponentTally:
    """Running statistics of one component over all steps since the last point."""

    steps: int = 0
    nonzero: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in `values` of any shape."""
        self.steps += values.size
        self.nonzero += int(np.count_nonzero(values))
        self.total += float(values.sum())
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))


class RewardShaper:
    """Holds the reward host of one trial and what composition must remember between rollouts.

    The host starts while the first steps are played; `start` waits for it where its level must be known.
    """

    def __init__(self, problem: Problem, tables: Tables, envs: int, rollout_steps: int) -> None:
        self.problem, self.reward, self.gamma = problem, problem.reward, problem.gamma
        self.carry = Carry()
        self.steps = 0
        self._submitted = 0
        self.host: RewardHost | None = None
        self._starting = bool(self.reward.functions)
        self._scored: tuple[Rollout, Scores] | None = None
        if self.reward.functions:
            self.host = problem.host(tables, envs, rollout_steps, wait=False)
        self._running = {name: np.zeros(envs) for name in self._tracked()}
        self.clear_tallies()

    def _tracked(self) -> list[str]:
        names = [c.name for c in self.reward.channels]
        return ["total", "paid", "env_raw", "program_paid", *names, *(f"|{n}|" for n in names)]

    def start(self) -> None:
        """Wait for the reward host, which has been starting since this was made. Raises HostError."""
        if self.host is not None and self._starting:
            self._starting = False
            self.host.start()

    def clear_tallies(self) -> None:
        """Begin the next stretch of telemetry."""
        self.episodes = EpisodeTally()
        self.components: dict[str, ComponentTally] = {}
        self._returns = ReturnScale(self.gamma)

    @property
    def return_rms(self) -> float:
        """Root mean square of discounted returns since `clear_tallies`; each ends with its rollout at the latest."""
        return math.sqrt(self._returns.state()["mean_square"])

    def follow(self, rollout: Rollout, recorded: int) -> None:
        """Hand over the steps recorded so far, in chunks, so that the host works while the rollout goes on.

        Called after each step; never waits. How steps are divided makes no difference to the scores. Raises HostError.
        """
        if self.host is None:
            return
        if self._starting:
            if not self.host.greets:
                return
            self.start()
        enough = recorded - self._submitted >= _chunk(len(rollout.starts), self._submitted)
        if not self.host.tend() or not enough:
            return
        submit_rollout(self.host, rollout.part(self._submitted, recorded), self.problem.task)
        self._submitted = recorded

    def __call__(self, rollout: Rollout, bonuses: dict[str, NDArray[Any]] | None = None) -> NDArray[np.float64]:
        """The composed training reward, float64 [T, N]. Raises HostError if the program misbehaves.

        `bonuses` holds the raw values of channels that learners fill.
        """
        scores = None
        if self.host is not None:
            self.start()
            if self._submitted < len(rollout.starts):
                rest = rollout.part(self._submitted, len(rollout.starts))
                submit_rollout(self.host, rest, self.problem.task)
            scores, self._submitted = self.host.finish(), 0
            self._scored = rollout, scores
        composition = compose_rollout(self.reward, rollout, scores, self.gamma, self.carry, self.steps, bonuses)
        self.steps += rollout.rewards.size
        self._tally(rollout, composition, scores)
        self._returns.factor(composition.total, rollout.terminated | rollout.truncated)
        return composition.total

    def _tally(self, rollout: Rollout, composition: Composition, scores: Scores | None) -> None:
        if scores is not None:
            for index, name in enumerate(scores.names):
                self.components.setdefault(name, ComponentTally()).add(scores.values[:, :, index])
        done = rollout.terminated | rollout.truncated
        tally = self.episodes
        paid = without_potentials(self.reward, composition)
        by_program, by_env = (self._paid_by(kind, composition) for kind in ("program", "env"))
        for t in range(done.shape[0]):
            self._running["total"] += composition.total[t]
            self._running["paid"] += paid[t]
            self._running["program_paid"] += by_program[t]
            self._running["env_raw"] += rollout.rewards[t]
            for name, part in composition.parts.items():
                self._running[name] += part[t]
                self._running[f"|{name}|"] += np.abs(part[t])
            if not done[t].any():
                continue
            ended = done[t] & ~rollout.cut[t]
            won = ended & rollout.success[t]
            tally.episodes += int(ended.sum())
            tally.successes += int(won.sum())
            tally.shaped_return += float(self._running["total"][ended].sum())
            tally.env_return += float(self._running["env_raw"][ended].sum())
            last = np.where(won, paid[t], 0.0)
            tally.guidance += float(np.abs(self._running["paid"] - last)[ended].sum())
            tally.success_pay += float(last[won].sum())
            by_then = self._running["program_paid"] - np.where(won, by_program[t], 0.0)
            tally.program_guidance += float(np.abs(by_then)[ended].sum())
            tally.env_success_pay += float(by_env[t][won].sum())
            for name in composition.parts:
                tally.channel_sum[name] += float(self._running[name][ended].sum())
                tally.channel_magnitude[name] += float(self._running[f"|{name}|"][ended].sum())
                tally.channel_square[name] += float((self._running[name][ended] ** 2).sum())
                tally.success_sum[name] += float(self._running[name][won].sum())
            for running in self._running.values():
                running[done[t]] = 0.0

    def _paid_by(self, kind: str, composition: Composition) -> NDArray[np.float64]:
        """What the channels of a kind paid together [T, N]."""
        parts = [composition.parts[c.name] for c in self.reward.channels if c.kind == kind]
        return np.sum(parts, axis=0) if parts else np.zeros_like(composition.total)

    def telemetry(self) -> Telemetry:
        """Statistics since `clear_tallies`: per channel and per component."""
        tally = self.episodes
        count = max(tally.episodes, 1)
        components = {
            name: ComponentValues.telling(mean=c.total / c.steps, min=c.low, max=c.high, fires=c.nonzero / c.steps)
            for name, c in self.components.items()
            if c.steps
        }
        return Telemetry.telling(
            episodes=tally.episodes,
            successes=tally.successes,
            shaped_return=tally.shaped_return / count,
            env_return=tally.env_return / count,
            guidance_per_episode=tally.guidance / count,
            success_pay=tally.success_pay / tally.successes if tally.successes else None,
            program_guidance_per_episode=tally.program_guidance / count,
            env_success_pay=tally.env_success_pay / tally.successes if tally.successes else None,
            env_weight=sum(c.weight for c in self.reward.channels if c.kind == "env"),
            channels=tally.channels(),
            potentials=self.reward.potentials,
            components=components,
        )

    def audit(self) -> None:
        """Score the whole episodes of the last rollout again, in a host that has scored nothing before.

        The reward host has seen every step of the rung by then: a program that pays differently once it has been
        called often enough pays differently here. Raises HostError.
        """
        if self._scored is not None:
            rollout, scores = self._scored
            require_same_scores(self.problem, rollout, scores)

    def close(self) -> None:
        """End the reward host."""
        if self.host is not None:
            self.host.close()


def _chunk(steps: int, submitted: int) -> int:
    """Least steps of the next chunk; the last are small, so that hardly any wait to be scored when all are there."""
    return steps if steps <= CHUNK_STEPS else min(CHUNK_STEPS, max(_LAST_CHUNK, (steps - submitted) // 5))
