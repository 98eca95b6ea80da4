"""The telemetry of a trial: the definition of the keys that training writes and all other parts read.

A record is stored as JSON whose keys are the names of its fields (`trials.telemetry`, `curve_points.components`). Keys
that a row of an older version lacks are read as the fields' defaults, and `as_json` leaves them out again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from rewardsmith.scores import Z, anytime_half_width


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record in which any field may be absent.

    Attributes:
        recorded: Names of the fields that are present, in the order in which they were written.
    """

    recorded: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.recorded)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Create a record with only these fields present. Raises TypeError for an unknown name."""
        return cls(**values, recorded=tuple(values))

    def updated(self, **values: Any) -> Self:
        """Return a copy with these fields set. Raises TypeError for an unknown name."""
        more = tuple(name for name in values if name not in self.recorded)
        return replace(self, **values, recorded=(*self.recorded, *more))

    def without(self, *names: str) -> Self:
        """Return a copy in which these fields are absent."""
        return self.of(**{name: getattr(self, name) for name in self.recorded if name not in names})

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self:
        """Read a record from stored JSON. Unknown keys are ignored; None gives a record without any field."""
        known = {f.name for f in fields(cls)} - {"recorded"}
        return cls.of(**{name: cls._read(name, v) for name, v in (values or {}).items() if name in known})

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        """Convert the JSON value of a field to its type."""
        return value

    def as_json(self, only: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the present fields as data for JSON; with `only`, those of them that it names."""
        names = self.recorded if only is None else [name for name in only if name in self.recorded]
        return {name: _plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, kw_only=True)
class ChannelPay(Record):
    """Weighted rewards of a channel over the training episodes.

    Attributes:
        mean_per_episode: Mean return of the channel per episode.
        magnitude_per_episode: Mean sum of absolute rewards per episode.
        mean_per_success: Mean return of the channel over successful episodes; None if no episode succeeded.
        share: Fraction of the magnitudes of all channels, 0 to 1; None if they are zero.
        correlation: Pearson correlation between the channel's return and success; None if either is constant.
        factor: What gradient alignment multiplied the channel's weight with, at the end; absent without alignment.
    """

    mean_per_episode: float = 0.0
    magnitude_per_episode: float = 0.0
    mean_per_success: float | None = None
    share: float | None = None
    correlation: float | None = None
    factor: float | None = None


@dataclass(frozen=True, kw_only=True)
class ComponentValues(Record):
    """Statistics of one component of the program over all training steps.

    Attributes:
        mean: Mean value.
        min: Smallest value.
        max: Largest value.
        fires: Fraction of the steps on which it was not 0.
        paid_episodes: Fraction of the ended episodes in which it was positive on some step; None if none ended.
        paid_steps: Mean number of steps per ended episode on which it was positive; None if none ended.
        mean_per_episode: Mean sum over an ended episode; None if none ended.
    """

    mean: float = 0.0
    min: float = 0.0
    max: float = 0.0
    fires: float = 0.0
    paid_episodes: float | None = None
    paid_steps: float | None = None
    mean_per_episode: float | None = None

    @property
    def is_milestone(self) -> bool:
        """Whether it pays on average at most twice in an episode in which it pays, and does not only take."""
        if self.paid_steps is None or self.max <= 0.0 > self.min:
            return False
        return self.paid_steps <= 2.0 * (self.paid_episodes or 0.0)


@dataclass(frozen=True, kw_only=True)
class Learning(Record):
    """Measurements of what changed the policy; training.gradients defines them.

    The last five fields are absent for policies with memory. A share is None if its denominator is zero.
    """

    entropy_coefficient: float = 0.0
    return_scale: float = 0.0
    explained_variance: float | None = None
    signal: float = 0.0
    entropy: float = 0.0
    entropy_share: float | None = None
    advantage_gradient: float = 0.0
    entropy_gradient: float = 0.0
    advantage_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class FailedEpisodes(Record):
    """Statistics of the final policy's episodes among those recorded (training.episodes), mostly of the failed ones.

    Attributes:
        failed: Recorded episodes that failed.
        distinct_states: See training.episodes.Watched; so are `looping` and `paid_looping`.
        episodes: Recorded episodes.
        milestones: Recorded episodes that reached each milestone of the planner's solutions, in their usual order.
    """

    failed: int = 0
    distinct_states: float | None = None
    looping: float | None = None
    paid_looping: float | None = None
    episodes: int = 0
    milestones: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EpisodeScores(Record):
    """Scores of the episodes of an evaluation, on a task that has a score instead of a success.

    Attributes:
        mean: Mean return under the environment's own reward.
        low: Lower end of the 95 % interval of this mean over episodes.
        high: Upper end of it.
        episodes: Episodes played.
        greedy: Mean return of the most probable actions; None if it was not measured.
    """

    mean: float = 0.0
    low: float = 0.0
    high: float = 0.0
    episodes: int = 0
    greedy: float | None = None

    @classmethod
    def measured(cls, evaluation: Mapping[str, Any], greedy: Mapping[str, Any] | None = None) -> EpisodeScores:
        """Return the scores of evaluations, given as the fields of training.evaluation.Evaluation."""
        mean, episodes = evaluation["mean_return"], evaluation["episodes"]
        spread = max(0.0, evaluation["mean_squared_return"] - mean**2) / max(1, episodes - 1)
        half = Z * math.sqrt(spread)
        if evaluation.get("sequential"):
            half = anytime_half_width(spread * episodes, episodes)
        most_probable = None if greedy is None else greedy["mean_return"]
        return cls.of(mean=mean, low=mean - half, high=mean + half, episodes=episodes, greedy=most_probable)


@dataclass(frozen=True, kw_only=True)
class Telemetry(Record):
    """Statistics of training since the last point of the curve, and at the end of a rung also of the evaluation.

    Attributes:
        episodes: Training episodes that ended.
        successes: Those of them that succeeded.
        shaped_return: Mean return per episode in the reward trained on.
        env_return: Mean return per episode in the environment's own reward.
        guidance_per_episode: The shaping: mean absolute return of an episode without a successful last step, potentials
            left out.
        success_pay: Mean reward of a successful last step, potentials left out; None if no episode succeeded.
        program_guidance_per_episode: The same as `guidance_per_episode`, of the program's channels alone.
        env_success_pay: The same as `success_pay`, of the environment's own reward alone.
        env_weight: Weight of the environment's own reward.
        channels: Rewards of each channel, by name.
        potentials: Names of the channels that are potential-based shaping.
        components: Statistics of each component of the program, by name.
        methods: Telemetry of each method's learner, by method.
        learning: Measurements of what changed the policy.
        trajectories: Statistics of failed episodes; at the end of a rung only.
        played: Steps played without training, by purpose; at the end of a rung only.
        played_least: Whether the smallest number of evaluation episodes took more steps than allowed; at the end of a
            rung only.
        failed_episodes: Descriptions of failed episodes, or of those with the lowest scores; at the end of a rung only.
        score: Scores of the evaluation; only on a task with a score instead of a success.
        reused: What a trial began from, with `training.reuse`: the donor's id ("" if it started empty), the transitions
            scored again, the environment steps saved, and a note why it started empty; at the end of a rung only.
        starts: What the starts of the task are called: "layouts", "starts" or "one start"; at the end of a rung only.
        sequential: Whether the results of the evaluation decided how many episodes it has, so that its interval is the
            one for any stopping time.
    """

    episodes: int = 0
    successes: int = 0
    shaped_return: float = 0.0
    env_return: float = 0.0
    guidance_per_episode: float | None = None
    success_pay: float | None = None
    program_guidance_per_episode: float | None = None
    env_success_pay: float | None = None
    env_weight: float = 0.0
    channels: Mapping[str, ChannelPay] = field(default_factory=dict)
    potentials: tuple[str, ...] = ()
    components: Mapping[str, ComponentValues] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    learning: Learning = Learning()
    trajectories: FailedEpisodes = FailedEpisodes()
    played: Mapping[str, int] = field(default_factory=dict)
    played_least: bool = False
    failed_episodes: tuple[str, ...] = ()
    score: EpisodeScores | None = None
    reused: Mapping[str, Any] = field(default_factory=dict)
    starts: str = "layouts"
    sequential: bool = False

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        if name in ("channels", "components"):
            kind = ChannelPay if name == "channels" else ComponentValues
            return {key: kind.from_json(each) for key, each in (value or {}).items()}
        if name in ("learning", "trajectories"):
            return (Learning if name == "learning" else FailedEpisodes).from_json(value)
        if name == "score":
            return None if value is None else EpisodeScores.from_json(value)
        if name in ("methods", "played", "reused"):
            return value or {}
        return tuple(value) if name in ("potentials", "failed_episodes") else value

    @property
    def success_rate(self) -> float:
        """Fraction of the training episodes that succeeded; 0 if no episode ended."""
        return self.successes / max(self.episodes, 1)


KEPT_BY_CURVES = ("channels", "components", "episodes", "learning", "score", "sequential")
"""Fields of the telemetry that are stored with each point of a curve. Its other numbers have their own columns."""


def at_point(point: Mapping[str, Any]) -> Telemetry:
    """Return the telemetry that is stored with a point of a curve."""
    return Telemetry.from_json(point.get("components"))


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.as_json()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value
