"""Numbers and curves as text: percentages with intervals, steps, sparklines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.telemetry import Learning
from rewardsmith.verification.soundness import soundness_of, with_ratio, with_soundness

ORACLE_INFORMED = (
    "oracle-informed: uses privileged information (a planner or the simulator's state); this is no evidence about a "
    "language model"
)
_BARS = "▁▂▃▄▅▆▇█"


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Format a proportion with its interval, as "97.5 % [94.3, 98.9]"; a dash for None."""
    if value is None:
        return "-"
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if known else ""  # type: ignore[operator]
    return f"{100 * value:.1f} %{interval}"


def stepping_words(spec: Mapping[str, Any]) -> str | None:
    """How many processes step a job's environments, and why; None if that was not measured."""
    stepping = (spec.get("description") or {}).get("stepping")
    if stepping is None:
        return None
    count = stepping["processes"]
    where = stepping.get("by") or ("in the process of the trial" if count == 1 else f"by {count} processes")
    return f"The environments are stepped {where} ({stepping['why']})."


def training_words(spec: Mapping[str, Any]) -> list[str]:
    """Return sentences on a job's algorithm and on where its training settings come from; empty for earlier jobs."""
    origin = spec.get("training_defaults")
    if origin is None:
        return []
    algorithm, chosen = spec["training"]["algorithm"], origin["chosen"]
    own = [name for name in origin["given"] if name not in ("steps", "algorithm")]
    yours = f"; set by you: {', '.join(own)}" if own else ""
    return [
        *([f"The algorithm is {algorithm}, chosen by auto: {chosen}."] if chosen else []),
        f"The training settings come from {origin['source']}{yours}.",
        *([f"Of these, not used: {'; '.join(origin['left_out'])}."] if origin["left_out"] else []),
    ]


def recipe_words(spec: Mapping[str, Any]) -> str:
    """Return a job's methods with their settings, as "calm with count (calm.beta=0.3, weight of count 0.02)"."""
    combined = spec.get("combine") or []
    methods = str(spec["method"]) + (f" with {', '.join(combined)}" if combined else "")
    parts = [f"{m}.{k}={v}" for m, values in (spec.get("options") or {}).items() for k, v in values.items()]
    parts += [f"weight of {name} {value:g}" for name, value in (spec.get("weights") or {}).items()]
    parts += [f"{kind} of {name}" for name, kind in (spec.get("transforms") or {}).items()]
    return methods + (f" ({', '.join(parts)})" if parts else "")


def verdict_word(kind: str, passed: bool, details: Mapping[str, Any] | None) -> str:
    """Return the outcome of a check: "passed" or "FAILED"; for a certificate its verdict and the layouts it covers."""
    if kind == "certificate" and details:
        return soundness_of(details).headline
    return "passed" if passed else "FAILED"


def verdict_message(kind: str, message: str, details: Mapping[str, Any] | None) -> str:
    """Return a check's message. A certificate stored by an older version gets the summary of its layouts added."""
    if kind == "certificate" and details and "headline" not in details:
        return f"{message} {soundness_of(details).sentence}"
    return message


def verdict_details(kind: str, details: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the details of a check in the format of this version, whichever version stored them."""
    if kind == "certificate" and details:
        return with_soundness(details)
    if kind == "battery" and details and details.get("shaping"):
        return {**details, "shaping": with_ratio(details["shaping"])}
    return details


def learning_words(learning: Learning) -> str | None:
    """Describe a trial's learner (training.gradients) in a sentence; None without telemetry of it."""
    if not learning:
        return None
    parts = []
    if (share := learning.advantage_share) is not None:
        kind = "penalty" if learning.entropy_coefficient < 0 else "bonus"
        parts.append(
            f"{share:.0%} of the actor's gradient came from advantages, {1 - share:.0%} from the entropy {kind} "
            f"(coefficient {learning.entropy_coefficient:.3g})"
        )
    if (entropy := learning.entropy_share) is not None:
        parts.append(f"entropy was {learning.entropy:.3g} nats, {entropy:.0%} of the largest possible")
    parts.append(f"discounted returns had a root mean square of {learning.return_scale:.3g}")
    if (explained := learning.explained_variance) is not None:
        parts.append(f"the critic's explained variance was {explained:.2f}")
    return "; ".join(parts)


def adjustment_words(adjustment: Mapping[str, Any] | None) -> str | None:
    """Return the reason and the result of a candidate's second training (engine.search.retraining), or None."""
    if adjustment is None:
        return None
    return f"{adjustment['reason']}: {adjustment.get('note') or 'to be trained once more with other settings'}"


def settings_words(changes: Mapping[str, Any], training: Mapping[str, Any]) -> str | None:
    """Return the training settings that differ from a job's, as "entropy 0.0003 instead of 0.003", or None."""
    parts = [f"{name} {value:g} instead of {training[name]:g}" for name, value in changes.items()]
    return ", ".join(parts) or None


def baseline_words(changes: Mapping[str, Any] | None) -> str | None:
    """Return how a baseline with settings of its own is trained, such as "tqc with hindsight experience replay"."""
    if not changes:
        return None
    named = [str(changes["algorithm"])] if "algorithm" in changes else []
    if changes.get("her"):
        return f"{named[0] if named else 'the algorithm of the job'} with hindsight experience replay"
    others = [f"{name} {value}" for name, value in changes.items() if name != "algorithm"]
    return ", ".join([*named, *others])


def steps(value: int | None) -> str:
    """Format a step count as "491,520"; a dash for 0 and None."""
    return f"{value:,}" if value else "-"


def seconds(value: float | None) -> str:
    """Format a duration as "2 min 05 s"; a dash for None."""
    if value is None:
        return "-"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def sparkline(values: Sequence[float | None], low: float = 0.0, high: float = 1.0) -> str:
    """Draw values as one bar each on the scale from `low` to `high`; a space for None."""
    if not values:
        return ""
    span = (high - low) or 1.0
    places = [None if v is None else min(7, max(0, int(8 * (v - low) / span))) for v in values]
    return "".join(" " if p is None else _BARS[p] for p in places)
