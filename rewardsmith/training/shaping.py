"""Compute the training reward of a recorded rollout: score the program, compose the channels, collect telemetry."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import Carry, Composition
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout, compose_rollout, submit_rollout, without_potentials
from rewardsmith.tasks.base import Tables
from rewardsmith.telemetry import ChannelPay, Telemetry
from rewardsmith.training.audit import LONG, LastSteps, require_same_scores
from rewardsmith.training.component_tally import ComponentTallies
from rewardsmith.training.outcome import OutcomeRate
from rewardsmith.training.scale import ReturnScale
from sandbox.client import RewardHost, Scores

# Steps sent to the reward host at a time: few enough that it finishes soon after the rollout, many enough that
# messages, which take 0.25 ms each, cost little. With few environments a message has CHUNK_TRANSITIONS, halved
# towards the end of the rollout.
CHUNK_STEPS = 4
CHUNK_TRANSITIONS = 128
_LAST_CHUNK, _LAST_TRANSITIONS = 2, 32


class Closeable(Protocol):
    """Something that is closed together with its owner."""

    def close(self) -> None:
        """End what it has started."""
        ...


@dataclass
class EpisodeTally:
    """Sums over the training episodes that ended since the last point of the curve, forced truncations left out.

    Attributes:
        episodes: Ended episodes.
        successes: Episodes that succeeded.
        shaped_return: Returns of the training reward.
        env_return: Returns of the environment's own reward.
        guidance: Absolute returns without the step that succeeds. Potentials are left out, because they telescope.
        success_pay: Rewards of the steps that succeed, potentials left out.
        program_guidance: As `guidance`, of the program's channels alone.
        env_success_pay: As `success_pay`, of the environment's own reward times its weight.
        channel_sum: Returns by channel.
        channel_magnitude: Sums of absolute rewards by channel.
        channel_square: Squared returns by channel.
        success_sum: Returns of successful episodes by channel.
    """

    episodes: int = 0
    successes: int = 0
    shaped_return: float = 0.0
    env_return: float = 0.0
    guidance: float = 0.0
    success_pay: float = 0.0
    program_guidance: float = 0.0
    env_success_pay: float = 0.0
    channel_sum: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    channel_magnitude: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    channel_square: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    success_sum: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def channels(self, factors: Mapping[str, float] | None = None) -> dict[str, ChannelPay]:
        """Return each channel's mean, magnitude, mean in successes and correlation with success, per episode.

        `factors` are those of channels whose weights are learned; they are recorded as they are.
        """
        count = max(self.episodes, 1)
        size = sum(self.channel_magnitude.values())
        factors = factors or {}
        return {
            name: ChannelPay.of(
                mean_per_episode=self.channel_sum[name] / count,
                magnitude_per_episode=self.channel_magnitude[name] / count,
                mean_per_success=self.success_sum[name] / self.successes if self.successes else None,
                share=self.channel_magnitude[name] / size if size else None,
                correlation=self._correlation(name),
                **({"factor": factors[name]} if name in factors else {}),
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


class RewardShaper:
    """Composes the training reward of one trial; holds its reward host and the state between rollouts.

    The host starts while the first steps are played; `start` waits for it.
    """

    def __init__(self, problem: Problem, tables: Tables, envs: int, rollout_steps: int) -> None:
        """Begin to start the reward host, if the reward has a program.

        Args:
            problem: Task, reward and discount.
            tables: The tables of the training batch.
            envs: The number N of environments.
            rollout_steps: The number T of steps per rollout.
        """
        self.problem, self.reward, self.gamma = problem, problem.reward, problem.gamma
        self.carry = Carry()
        self.outcome = OutcomeRate() if any(c.gate == "outcome" for c in self.reward.channels) else None
        self.steps = 0
        self._submitted = 0
        self.host: RewardHost | None = None
        self._starting = bool(self.reward.functions)
        self._scored = LastSteps(copies=rollout_steps < LONG)
        self._others: list[Closeable] = []
        self.scores: Scores | None = None
        """The scores of the rollout that was composed last."""
        self._finished: Scores | None = None
        if self.reward.functions:
            self.host = problem.host(tables, envs, max(rollout_steps, LONG), wait=False)
        self._running = {name: np.zeros(envs) for name in self._tracked()}
        self.components = ComponentTallies(envs)
        self.clear_tallies()

    def _tracked(self) -> list[str]:
        names = [c.name for c in self.reward.channels]
        return ["total", "paid", "env_raw", "program_paid", *names, *(f"|{n}|" for n in names)]

    def start(self) -> None:
        """Wait until the reward host has started. Raises HostError if it cannot."""
        if self.host is not None and self._starting:
            self._starting = False
            self.host.start()

    def clear_tallies(self) -> None:
        """Reset all telemetry counters, at a point of the curve or a checkpoint."""
        self.episodes = EpisodeTally()
        self.components.clear()
        self._returns = ReturnScale(self.gamma)

    @property
    def return_rms(self) -> float:
        """Root mean square of discounted returns since `clear_tallies`; a return ends at the end of its rollout."""
        return math.sqrt(self._returns.state()["mean_square"])

    def follow(self, rollout: Rollout, recorded: int) -> None:
        """Send recorded steps to the host in chunks, so that it works while the rollout continues.

        Call it after each step; it never waits. The scores do not depend on the chunks.

        Args:
            rollout: The rollout that is being recorded.
            recorded: The number of its steps that are recorded.

        Raises:
            HostError: If the reward program fails.
        """
        if self.host is None:
            return
        if self._starting:
            if not self.host.greets:
                return
            self.start()
        steps, envs = rollout.starts.shape
        if recorded - self._submitted < _chunk(steps, envs, self._submitted) or not self.host.tend():
            return
        submit_rollout(self.host, rollout.part(self._submitted, recorded), self.problem.task)
        self._submitted = recorded

    def __call__(self, rollout: Rollout, bonuses: dict[str, NDArray[Any]] | None = None) -> NDArray[np.float64]:
        """Return the composed training reward of a complete rollout.

        Args:
            rollout: The rollout [T, N].
            bonuses: Raw values of the channels that learners fill, by name (see Learner.rewards).

        Returns:
            float64 [T, N].

        Raises:
            HostError: If the reward program fails.
        """
        return self.composed(rollout, bonuses).total

    def composed(self, rollout: Rollout, bonuses: dict[str, NDArray[Any]] | None = None) -> Composition:
        """Return the composed training reward with its parts by channel; arguments and errors as for a call."""
        scores = self.scores = self.scored(rollout)
        self._finished = None
        if self.outcome is not None:
            self.carry.success_rate = self.outcome.rate
        composition = compose_rollout(self.reward, rollout, scores, self.gamma, self.carry, self.steps, bonuses)
        self.steps += rollout.rewards.size
        if self.outcome is not None:
            self.outcome.after(rollout)
        self._tally(rollout, composition, scores)
        self._returns.factor(composition.total, rollout.terminated | rollout.truncated)
        return composition

    def scored(self, rollout: Rollout) -> Scores | None:
        """Return the program's components on a complete rollout; None without a program.

        `composed` uses the same result for the same rollout. Raises HostError if the program fails.
        """
        if self.host is None or self._finished is not None:
            return self._finished
        self.start()
        if self._submitted < len(rollout.starts):
            rest = rollout.part(self._submitted, len(rollout.starts))
            submit_rollout(self.host, rest, self.problem.task)
        self._finished, self._submitted = self.host.finish(), 0
        self._scored.add(rollout, self._finished)
        return self._finished

    def _tally(self, rollout: Rollout, composition: Composition, scores: Scores | None) -> None:
        done = rollout.terminated | rollout.truncated
        if scores is not None:
            self.components.add(scores, done, done & ~rollout.cut)
        counters = self.episodes
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
            counters.episodes += int(ended.sum())
            counters.successes += int(won.sum())
            counters.shaped_return += float(self._running["total"][ended].sum())
            counters.env_return += float(self._running["env_raw"][ended].sum())
            last = np.where(won, paid[t], 0.0)
            counters.guidance += float(np.abs(self._running["paid"] - last)[ended].sum())
            counters.success_pay += float(last[won].sum())
            by_then = self._running["program_paid"] - np.where(won, by_program[t], 0.0)
            counters.program_guidance += float(np.abs(by_then)[ended].sum())
            counters.env_success_pay += float(by_env[t][won].sum())
            for name in composition.parts:
                counters.channel_sum[name] += float(self._running[name][ended].sum())
                counters.channel_magnitude[name] += float(self._running[f"|{name}|"][ended].sum())
                counters.channel_square[name] += float((self._running[name][ended] ** 2).sum())
                counters.success_sum[name] += float(self._running[name][won].sum())
            for running in self._running.values():
                running[done[t]] = 0.0

    def _paid_by(self, kind: str, composition: Composition) -> NDArray[np.float64]:
        """The summed rewards of all channels of a kind, [T, N]."""
        parts = [composition.parts[c.name] for c in self.reward.channels if c.kind == kind]
        return np.sum(parts, axis=0) if parts else np.zeros_like(composition.total)

    def telemetry(self) -> Telemetry:
        """Return the statistics since `clear_tallies`, in total, per channel and per component."""
        counters = self.episodes
        count = max(counters.episodes, 1)
        return Telemetry.of(
            episodes=counters.episodes,
            successes=counters.successes,
            shaped_return=counters.shaped_return / count,
            env_return=counters.env_return / count,
            guidance_per_episode=counters.guidance / count,
            success_pay=counters.success_pay / counters.successes if counters.successes else None,
            program_guidance_per_episode=counters.program_guidance / count,
            env_success_pay=counters.env_success_pay / counters.successes if counters.successes else None,
            env_weight=sum(c.weight for c in self.reward.channels if c.kind == "env"),
            channels=counters.channels(self.carry.factors),
            potentials=self.reward.potentials,
            components=self.components.values(),
        )

    def audit(self) -> None:
        """Score the last steps again in a new host and compare, see training.audit.

        At the end of a rung the reward host has scored every step of it. So a program whose reward depends on the
        number of its calls gives another reward in the new host. Raises HostError if it does.
        """
        if (scored := self._scored.joined()) is not None:
            require_same_scores(self.problem, *scored)

    def close_also(self, other: Closeable) -> None:
        """Close `other`, which scores with the same reward, together with this object."""
        self._others.append(other)

    def close(self) -> None:
        """End the reward host, if there is one."""
        if self.host is not None:
            self.host.close()
        for other in self._others:
            other.close()


def _chunk(steps: int, envs: int, submitted: int) -> int:
    """Minimum size of the next chunk, in steps; the last ones are small, so that little is left to score at the end."""
    most = -(-CHUNK_TRANSITIONS // envs)
    if most > CHUNK_STEPS:
        return min(steps, most, max(-(-_LAST_TRANSITIONS // envs), (steps - submitted) // 2))
    return steps if steps <= CHUNK_STEPS else min(CHUNK_STEPS, max(_LAST_CHUNK, (steps - submitted) // 5))
