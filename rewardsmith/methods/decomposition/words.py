"""The report of a decoder as sentences for the analyzer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def words_of_report(telemetry: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences about a decoder's latest telemetry (DecompositionLearner.telemetry)."""
    if telemetry.get("loss") is None:
        return (
            "All training episodes had the same return, so there was nothing to redistribute, and the proxy reward was "
            "0. A bonus for exploration must find the first successes: --with count.",
        )
    told = [
        f"The decoder was trained on {telemetry['episodes']} episodes, {telemetry['successes']} of them successful."
    ]
    if telemetry.get("auroc") is not None:
        told.append(f"Its predicted return tells held-out successes apart with an AUROC of {telemetry['auroc']:.2f}.")
    elif telemetry.get("rank_correlation") is not None:
        said = f"{telemetry['rank_correlation']:.2f} on held-out episodes"
        told.append(f"The rank correlation of its predicted return with the actual one is {said}.")
    for name, effect in telemetry.get("effect", {}).items():
        without = telemetry["auroc_without"][name]
        end = "" if without is None else f"; without it, the AUROC is {without:.2f}"
        told.append(f"Factor {name}: one standard deviation more changes the proxy reward by {effect:+.2g}{end}.")
    return tuple(told)
