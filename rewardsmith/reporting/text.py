"""Numbers and curves as text: percentages with intervals, steps, sparklines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rewardsmith.telemetry import Learning
from rewardsmith.verification.soundness import soundness_of, with_ratio, with_soundness

ORACLE_INFORMED = (
    "oracle-informed: a planner or the simulator's truth informed it; this is no evidence for a language model"
)
_BARS = "▁▂▃▄▅▆▇█"


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """ "97.5 % [94.3, 98.9]"; a dash for what is not known."""
    if value is None:
        return "-"
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    interval = f" [{100 * low:.1f}, {100 * high:.1f}]" if known else ""  # type: ignore[operator]
    return f"{100 * value:.1f} %{interval}"


def recipe_words(spec: Mapping[str, Any]) -> str:
    """ "calm with count (calm.beta=0.3, weight of count 0.02)": a job's methods, and what was set of them."""
    combined = spec.get("combine") or []
    said = str(spec["method"]) + (f" with {', '.join(combined)}" if combined else "")
    parts = [f"{m}.{k}={v}" for m, values in (spec.get("options") or {}).items() for k, v in values.items()]
    parts += [f"weight of {name} {value:g}" for name, value in (spec.get("weights") or {}).items()]
    return said + (f" ({', '.join(parts)})" if parts else "")


def verdict_word(kind: str, passed: bool, details: Mapping[str, Any] | None) -> str:
    """What to call a check's outcome: a certificate's own verdict and how far it reaches, else passed or FAILED."""
    if kind == "certificate" and details:
        return soundness_of(details).headline
    return "passed" if passed else "FAILED"


def verdict_message(kind: str, message: str, details: Mapping[str, Any] | None) -> str:
    """What a check says. A certificate of an older version gets what its layouts say together."""
    if kind == "certificate" and details and "headline" not in details:
        return f"{message} {soundness_of(details).sentence}"
    return message


def verdict_details(kind: str, details: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A check's plain data as this version writes them, whichever wrote these."""
    if kind == "certificate" and details:
        return with_soundness(details)
    if kind == "battery" and details and details.get("flooding"):
        return {**details, "flooding": with_ratio(details["flooding"])}
    return details


def learning_words(learning: Learning) -> str | None:
    """What a trial's telemetry says of its learner (training.gradients), in a sentence; None where it says nothing."""
    if not learning:
        return None
    parts = []
    if (share := learning.advantage_share) is not None:
        parts.append(
            f"{share:.0%} of the actor's gradient came from advantages, {1 - share:.0%} from the entropy bonus "
            f"(coefficient {learning.entropy_coefficient:.3g})"
        )
    if (entropy := learning.entropy_share) is not None:
        parts.append(f"entropy was {learning.entropy:.3g} nats, {entropy:.0%} of the largest possible")
    parts.append(f"discounted returns had a root mean square of {learning.return_scale:.3g}")
    if (explained := learning.explained_variance) is not None:
        parts.append(f"the critic's explained variance was {explained:.2f}")
    return "; ".join(parts)


def adjustment_words(adjustment: Mapping[str, Any] | None) -> str | None:
    """What a candidate's second training was for and what came of it (engine.search.retraining); None without one."""
    if adjustment is None:
        return None
    return f"{adjustment['reason']}: {adjustment.get('note') or 'to be trained once more with other settings'}"


def settings_words(changes: Mapping[str, Any], training: Mapping[str, Any]) -> str | None:
    """ "entropy 0.0003 instead of 0.003": training settings that differ from a job's; None if none do."""
    parts = [f"{name} {value:g} instead of {training[name]:g}" for name, value in changes.items()]
    return ", ".join(parts) or None


def steps(value: int | None) -> str:
    """ "491,520"; a dash for none."""
    return f"{value:,}" if value else "-"


def seconds(value: float | None) -> str:
    """ "2 min 05 s"."""
    if value is None:
        return "-"
    whole = round(value)
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def sparkline(values: Sequence[float | None], low: float = 0.0, high: float = 1.0) -> str:
    """One bar per value on a fixed scale; a space where there is none."""
    if not values:
        return ""
    span = (high - low) or 1.0
    places = [None if v is None else min(7, max(0, int(8 * (v - low) / span))) for v in values]
    return "".join(" " if p is None else _BARS[p] for p in places)
