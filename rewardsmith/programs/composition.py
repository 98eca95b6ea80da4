"""Composition: combines channels into the training reward. No other code adds up channels.

The rollout buffer, the exploit battery, exported files and `verify` all run this file. Exports contain its
source, so it imports only numpy. The rules are stated in docs/contracts.md, section C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

GATES = ("none", "latch", "count", "threshold", "anneal", "outcome")
MOVING_GATES = ("count", "anneal", "outcome")  # they depend on more than an enumerated state holds
OUTCOME = (0.05, 0.8)  # success rates up to which the gate "outcome" is open, and from which it is closed
BOUNDS = ("none", "sign", "clip")
POTENTIALS = ("potential", "learned")
TRAINING_ONLY = ("bonus", "learned")


@dataclass(frozen=True)
class Channel:
    """One named contribution to the training reward: weight * gate * bound((raw - mean) / std).

    `kind` is "env" (the environment's own reward), "program" (the summed components of one function of
    the reward program), "bonus" (paid by a method during training only: counts, learned models, judges)
    or "potential" (shaped as gamma*Phi(s') - Phi(s); Ng et al. 1999). The kind "learned" is a potential
    whose Phi a method computes during training only. A potential is never normalised, gated or capped, since each
    would break its invariance; `limit` then bounds Phi.
    """

    name: str
    kind: str = "program"
    weight: float = 1.0
    bound: str = "none"
    limit: float = 1e4  # clip bound, or the bound of |Phi|
    gate: str = "none"
    threshold: float = 0.0  # gate "threshold": pays only where raw > threshold
    exponent: float = 1.0  # gate "count": 1 / N_episode(key)^exponent
    anneal: tuple[int, int] = (0, 0)  # gate "anneal": weight falls linearly to 0 between these steps
    cap: float | None = None  # the sum of the channel over one episode stays within [-cap, cap]
    mean: float = 0.0  # frozen normaliser
    std: float = 1.0
    shift: float = 0.0  # potential: constant added to Phi, except at terminal states where Phi is 0
    delta: bool = False  # raw is replaced by its change since the episode's last step; the first step keeps raw

    def __post_init__(self) -> None:
        if self.kind not in ("env", "program", "bonus", *POTENTIALS):
            raise ValueError(f"channel {self.name}: unknown kind {self.kind!r}")
        if self.bound not in BOUNDS or self.gate not in GATES:
            raise ValueError(f"channel {self.name}: unknown bound {self.bound!r} or gate {self.gate!r}")
        touched = self.bound != "none" or self.gate != "none" or self.cap is not None or self.delta
        if self.kind in POTENTIALS and (touched or self.mean != 0.0 or self.std != 1.0):
            raise ValueError(
                f"channel {self.name}: a potential may not be bounded, gated, capped or normalised; "
                "that breaks its invariance. Use `limit` (a bound of Phi) and `shift`."
            )

    def as_dict(self) -> dict:
        """Plain data, as stored in the database and in exports; without `delta` where it is False, as before."""
        return {name: value for name, value in asdict(self).items() if name != "delta" or value}


@dataclass
class Carry:
    """The state of composition for episodes that are still running, by channel name, for N environments."""

    spent: dict[str, np.ndarray] = field(default_factory=dict)  # [N] net sum paid by a capped channel
    latched: dict[str, np.ndarray] = field(default_factory=dict)  # [N] bool
    counts: dict[str, list[dict]] = field(default_factory=dict)  # per environment: key -> occurrences
    phi: dict[str, np.ndarray] = field(default_factory=dict)  # [N] Phi of the state last visited
    last: dict[str, np.ndarray] = field(default_factory=dict)  # [N] raw value of the last step, for `delta`
    factors: dict[str, float] = field(default_factory=dict)  # of weights, learned in training; 1 where absent
    success_rate: float = 0.0  # of the latest training episodes, for the gate "outcome"; constant in a rollout


@dataclass(frozen=True)
class Composition:
    """`total` float64 [T, N] is the training reward before any bootstrap; `parts` are its summands."""

    total: np.ndarray
    parts: dict[str, np.ndarray]


def sum_components(names: tuple[str, ...], values: np.ndarray) -> np.ndarray:
    """Sum components `values` float64 [T, N, C] in the order of their sorted names.

    The fixed order makes all code that runs this file agree bit for bit.
    """
    total = np.zeros(values.shape[:2], dtype=np.float64)
    for index in sorted(range(len(names)), key=lambda i: names[i]):
        total = total + values[:, :, index]
    return total


def compose(  # noqa: PLR0913  (what exported files and golden vectors call)
    channels: tuple[Channel, ...],
    raw: dict[str, np.ndarray],
    starts: np.ndarray,
    terminated: np.ndarray,
    gamma: float,
    carry: Carry,
    first_step: int = 0,
    keys: dict[str, np.ndarray] | None = None,
) -> Composition:
    """Return the training reward of a rollout [T, N] in time order, summed over channels in the order given.

    Args:
        channels: The channels.
        raw: The raw values of each channel, float64 [T, N]. For a potential channel, `raw[name]` is Phi of the
            state after each step, and `raw[name + ":start"]` is Phi of the state before it where `starts` is
            true (elsewhere ignored).
        starts: bool [T, N], whether an episode starts at this step.
        terminated: bool [T, N], whether the step terminates the episode.
        gamma: The learner's discount factor.
        carry: State of running episodes, updated in place.
        first_step: Number of environment steps before this rollout (for annealing).
        keys: int [T, N] by channel name, the keys that the gate "count" counts.
    """
    shape = starts.shape
    total = np.zeros(shape, dtype=np.float64)
    parts: dict[str, np.ndarray] = {}
    for channel in channels:
        values = np.asarray(raw[channel.name], dtype=np.float64)
        if values.shape != shape:
            raise ValueError(f"channel {channel.name}: expected shape {shape}, got {values.shape}")
        if channel.kind in POTENTIALS:
            start_values = np.asarray(raw[channel.name + ":start"], dtype=np.float64)
            part = channel.weight * _shaped(channel, values, start_values, starts, terminated, gamma, carry)
        else:
            if channel.delta:
                values = _changes(channel, values, starts, carry)
            bounded = _bound(channel, (values - channel.mean) / channel.std)
            gate = _gate(channel, values, starts, carry, first_step, (keys or {}).get(channel.name))
            part = channel.weight * carry.factors.get(channel.name, 1.0) * gate * bounded
            if channel.cap is not None:
                part = _within_cap(channel, part, starts, carry)
        parts[channel.name] = part
        total = total + part
    return Composition(total, parts)


def _bound(channel: Channel, values: np.ndarray) -> np.ndarray:
    if channel.bound == "sign":
        return np.sign(values)
    if channel.bound == "clip":
        return np.clip(values, -channel.limit, channel.limit)
    return values


def _changes(channel: Channel, values: np.ndarray, starts: np.ndarray, carry: Carry) -> np.ndarray:
    # The changes of an episode add up to its last value, so repeating a value earns nothing.
    last = carry.last.setdefault(channel.name, np.zeros(starts.shape[1], dtype=np.float64))
    changes = np.empty_like(values)
    for t in range(starts.shape[0]):
        changes[t] = values[t] - np.where(starts[t], 0.0, last)
        last[:] = values[t]
    return changes


def _gate(
    channel: Channel,
    values: np.ndarray,
    starts: np.ndarray,
    carry: Carry,
    first_step: int,
    keys: np.ndarray | None,
) -> np.ndarray:
    steps, envs = starts.shape
    gate = np.ones(starts.shape, dtype=np.float64)
    if channel.gate == "threshold":
        gate = (values > channel.threshold).astype(np.float64)
    elif channel.gate == "anneal":
        begin, end = channel.anneal
        now = first_step + envs * np.arange(steps, dtype=np.float64)
        left = 1.0 - (now - begin) / max(end - begin, 1)
        gate = gate * np.clip(left, 0.0, 1.0)[:, None]
    elif channel.gate == "outcome":
        opened, closed = OUTCOME
        gate = gate * min(max((closed - carry.success_rate) / (closed - opened), 0.0), 1.0)
    elif channel.gate == "latch":
        latched = carry.latched.setdefault(channel.name, np.zeros(envs, dtype=bool))
        for t in range(steps):
            latched[starts[t]] = False
            gate[t] = ~latched
            latched |= values[t] != 0.0
    elif channel.gate == "count":
        if keys is None:
            raise ValueError(f"channel {channel.name}: the gate 'count' needs keys")
        counts = carry.counts.setdefault(channel.name, [{} for _ in range(envs)])
        for t in range(steps):
            for n in range(envs):
                if starts[t, n]:
                    counts[n] = {}
                key = int(keys[t, n])
                counts[n][key] = counts[n].get(key, 0) + 1
                gate[t, n] = float(counts[n][key]) ** -channel.exponent
    return gate


def _within_cap(channel: Channel, part: np.ndarray, starts: np.ndarray, carry: Carry) -> np.ndarray:
    # The net sum is bounded, not the sum of magnitudes: a step away is still punished and the step back
    # still refunded once the cap is reached, so guidance survives and back-and-forth earns nothing.
    limit = float(channel.cap or 0.0)
    spent = carry.spent.setdefault(channel.name, np.zeros(part.shape[1], dtype=np.float64))
    paid = np.empty_like(part)
    for t in range(part.shape[0]):
        spent[starts[t]] = 0.0
        reached = np.clip(spent + part[t], -limit, limit)
        paid[t] = reached - spent
        spent[:] = reached
    return paid


def _shaped(
    channel: Channel,
    phi_after: np.ndarray,
    phi_start: np.ndarray,
    starts: np.ndarray,
    terminated: np.ndarray,
    gamma: float,
    carry: Carry,
) -> np.ndarray:
    last = carry.phi.setdefault(channel.name, np.zeros(starts.shape[1], dtype=np.float64))
    after = np.clip(phi_after, -channel.limit, channel.limit) + channel.shift
    begin = np.clip(phi_start, -channel.limit, channel.limit) + channel.shift
    shaped = np.empty_like(after)
    for t in range(starts.shape[0]):
        before = np.where(starts[t], begin[t], last)
        # Phi is 0 if the episode terminated, and kept if it was truncated.
        now = np.where(terminated[t], 0.0, after[t])
        shaped[t] = gamma * now - before
        last[:] = now
    return shaped
