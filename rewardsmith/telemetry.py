"""What a trial tells of itself: the one definition of the keys that training writes and everybody else reads.

A record is stored as JSON whose keys are its fields' names (`trials.telemetry`, `curve_points.components`). Rows of
older versions lack newer keys: they read as the fields' defaults, and `as_json` leaves out again what was left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Told:
    """A record of which any field may be untold. told: the fields that are, in the order they were written."""

    told: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.told)

    @classmethod
    def telling(cls, **values: Any) -> Self:
        """A record of these fields alone. Raises TypeError for a name that is no field."""
        return cls(**values, told=tuple(values))

    def telling_more(self, **values: Any) -> Self:
        """This record with other values of these fields. Raises TypeError for a name that is no field."""
        more = tuple(name for name in values if name not in self.told)
        return replace(self, **values, told=(*self.told, *more))

    def telling_less(self, *names: str) -> Self:
        """This record without these fields."""
        return self.telling(**{name: getattr(self, name) for name in self.told if name not in names})

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self:
        """The record of stored JSON, None for none at all; keys of other versions are passed over."""
        known = {f.name for f in fields(cls)} - {"told"}
        return cls.telling(**{name: cls._read(name, v) for name, v in (values or {}).items() if name in known})

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        """The value of a field whose JSON is `value`."""
        return value

    def as_json(self, only: Iterable[str] | None = None) -> dict[str, Any]:
        """Plain data of what is told, or of those of the fields `only` that are."""
        names = self.told if only is None else [name for name in only if name in self.told]
        return {name: _plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, kw_only=True)
class ChannelPay(Told):
    """What a channel paid, weighed, per training episode; None where no episode succeeded or nothing varies.

    magnitude_per_episode: of the sizes of its steps. share: of the magnitudes of all channels, 0 to 1. correlation:
    Pearson's, of its sum over an episode with success.
    """

    mean_per_episode: float = 0.0
    magnitude_per_episode: float = 0.0
    mean_per_success: float | None = None
    share: float | None = None
    correlation: float | None = None


@dataclass(frozen=True, kw_only=True)
class ComponentValues(Told):
    """A component of the program over all steps. fires: the share of steps on which it was not 0."""

    mean: float = 0.0
    min: float = 0.0
    max: float = 0.0
    fires: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Learning(Told):
    """What moved the policy (training.gradients says how it is measured).

    The last five are untold of policies with memory; the shares are None where nothing is shared.
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
class FailedEpisodes(Told):
    """What the final policy did in the episodes, of those watched, that did not succeed (training.episodes)."""

    failed: int = 0
    distinct_states: float | None = None
    looping: float | None = None
    paid_looping: float | None = None


@dataclass(frozen=True, kw_only=True)
class Telemetry(Told):
    """Statistics of the training since the last point of the curve, and at a rung's end of what was played besides.

    episodes, successes: training episodes that ended, and those of them that succeeded. shaped_return, env_return: mean
    per episode. guidance_per_episode: size of what an episode paid but for a last step that succeeded, potentials left
    out; success_pay: what such a step paid, None without any. program_, env_: the same of the program's channels, of
    the environment's own reward. env_weight: its weight. channels, components: by name. potentials: channels that shape
    by a potential. methods: what each method's learner tells, by method.

    At a rung's end: trajectories, failed_episodes (in words); played: steps played without training, by purpose;
    played_least: whether the fewest episodes were played although that was more than allowed.
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

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        if name in ("channels", "components"):
            kind = ChannelPay if name == "channels" else ComponentValues
            return {key: kind.from_json(each) for key, each in (value or {}).items()}
        if name in ("learning", "trajectories"):
            return (Learning if name == "learning" else FailedEpisodes).from_json(value)
        if name in ("methods", "played"):
            return value or {}
        return tuple(value) if name in ("potentials", "failed_episodes") else value

    @property
    def success_rate(self) -> float:
        """The share of training episodes that succeeded, 0 without any."""
        return self.successes / max(self.episodes, 1)


KEPT_BY_CURVES = ("channels", "components", "episodes", "learning")
"""Fields that each point of a curve keeps; the other numbers of a point have columns of their own."""


def at_point(point: Mapping[str, Any]) -> Telemetry:
    """What a stored point of a curve keeps of the telemetry."""
    return Telemetry.from_json(point.get("components"))


def _plain(value: Any) -> Any:
    if isinstance(value, Told):
        return value.as_json()
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value
