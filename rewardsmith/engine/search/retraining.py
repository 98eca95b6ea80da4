"""Retraining: a candidate whose reward had little effect on training is trained once more with other settings.

The diagnosis is "entropy dominates" if the entropy bonus outweighs the reward, and "saturated" if shaping outweighs
the reward for success (verification/diagnosis.py). `retrain` states the algorithm. Its state is the
candidate's `adjustment`:

- reason: the diagnosis, "entropy dominates" or "saturated".
- rung: the rung of the diagnosis, from 0.
- training: changed training settings ("entropy dominates"), or weights: new weights of the
  program's channels ("saturated").
- stands: whether the retrained trials replace the original ones; absent until that is decided.
- note: a sentence about the change and its result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.snapshot import AGAIN, Snapshot, mean_result
from rewardsmith.engine.search.steps import AddItem, SetCandidate, Step
from rewardsmith.engine.search.trainings import adjusted_trials
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.storage.queue import OPEN, Item, ItemKey
from rewardsmith.storage.records import Candidate
from rewardsmith.telemetry import Telemetry
from rewardsmith.verification.diagnosis import guidance_scale

_LESS_ENTROPY = 0.1
_SMALLEST = 0.01
"""Smallest factor by which weights are reduced. Shaping that needs a smaller one is a fault of the program."""


def proposal(
    labels: Mapping[str, str], telemetry: Telemetry, training: TrainingSpec, reward: TrainingReward
) -> dict[str, Any] | None:
    """Return the settings that a trial's diagnosis calls for, as the first fields of an adjustment; else None.

    entropy dominates: a tenth of the entropy coefficient.
    saturated: smaller weights of the program's channels, by which the shaping of an episode equals its success reward.

    Args:
        labels: Labels of the diagnosis, with their reasons.
        telemetry: Telemetry of the trial.
        training: Training settings of the trial.
        reward: The reward of the trial.
    """
    if "entropy dominates" in labels and training.entropy > 0.0:
        return {"reason": "entropy dominates", "training": {"entropy": _rounded(_LESS_ENTROPY * training.entropy)}}
    if "saturated" in labels and (factor := _factor(telemetry)) is not None:
        program = [c for c in reward.channels if c.kind == "program" and c.weight > 0.0]
        return {"reason": "saturated", "weights": {c.name: _rounded(factor * c.weight) for c in program}}
    return None


def _factor(telemetry: Telemetry) -> float | None:
    """Return the factor of the program's weights, below 1; None if smaller weights would not help."""
    scale = guidance_scale(telemetry)
    # The program's own success reward shrinks with its shaping: guidance * f = by_env + by_program * f.
    if scale is None or scale.by_env <= 0.0 or scale.guidance <= scale.by_program:
        return None
    factor = max(_SMALLEST, _rounded(scale.by_env / (scale.guidance - scale.by_program)))
    return factor if factor < 1.0 else None


def _rounded(value: float) -> float:
    """Round to two significant digits."""
    return float(f"{value:.2g}")


def weighed(reward: TrainingReward, weights: Mapping[str, float]) -> TrainingReward:
    """Return the reward with new weights of the channels named in `weights`."""
    return replace(reward, channels=tuple(replace(c, weight=weights.get(c.name, c.weight)) for c in reward.channels))


# --- decisions ------------------------------------------------------------------------------------------


def retrain(s: Snapshot, candidates: Sequence[Candidate]) -> list[Step]:
    """Begin to retrain the candidates whose diagnosis calls for it; empty if there are none.

    1. A candidate is retrained at most once, if more than half of its trials at its last rung have the same diagnosis,
       and if the budget allows it.
    2. Entropy dominates: train from the beginning with a tenth of the entropy coefficient.
       Saturated: check the program with smaller weights (items/recheck.py). If no verdict is worse than before, train
       from the beginning with these weights.
    3. Compare both sets of trials by final success, and by mean success over the curve if that is equal. The retrained
       ones stand only if they are better.

    Args:
        s: The job's rows.
        candidates: Candidates that would now be rejected, or analysed.
    """
    steps: list[Step] = []
    for c in candidates:
        queued = s.spec.seeds * sum(isinstance(step, SetCandidate) for step in steps)
        found, rung = _proposed(s, c), s.rung_reached(c)
        if found is not None and JobBudget(s).affords_retraining(rung, queued):
            adjustment = {**found, "rung": rung}
            steps += [SetCandidate(c.id, {"adjustment": adjustment}), *_begin(s, c, adjustment)]
    return steps


def go_on(s: Snapshot, begun: Sequence[Candidate]) -> list[Step]:
    """Return the next steps of the candidates that are being retrained; empty while work is running."""
    return [step for c in begun for step in _next(s, c)]


def _proposed(s: Snapshot, c: Candidate) -> dict[str, Any] | None:
    """Return the proposal that more than half of a candidate's trials at its last rung agree on, or None."""
    rung = s.rung_reached(c)
    if not (s.spec.retrain and s.spec.searches) or c.adjustment is not None or rung < 0 or c.state != "passed":
        return None
    items = s.trainings(c, rung)
    found = [r for i in items if (r := (i.result or {}).get("proposal"))]
    reasons = Counter(r["reason"] for r in found).most_common(1)
    if not reasons or 2 * reasons[0][1] <= len(items):
        return None
    return next(r for r in found if r["reason"] == reasons[0][0])


def _begin(s: Snapshot, c: Candidate, adjustment: Mapping[str, Any]) -> list[Step]:
    rung = adjustment["rung"]
    if "weights" in adjustment:
        key = ItemKey(s.job.id, "recheck", c.iteration, c.id, rung=rung)
        return [AddItem(key, {"weights": adjustment["weights"]})]
    return adjusted_trials(s, c, adjustment, rung)


def _next(s: Snapshot, c: Candidate) -> list[Step]:
    """Return the next steps of one candidate that is being retrained; empty while work is running."""
    adjustment = dict(c.adjustment or {})
    rechecks = s.items_of("recheck", candidate=c.id, sample=-1)
    trials = s.items_of("train", candidate=c.id, rung=adjustment["rung"], sample=AGAIN)
    if any(i.state in OPEN for i in (*rechecks, *trials)):
        return []
    if "weights" in adjustment and not trials:
        result = next((i.result for i in rechecks if i.state == "done"), None) or {}
        if not result.get("passed"):
            why = result.get("message") or _lost(rechecks)
            return [_decided(s, c, False, f"not trained once more {_words(s, c)}: {why}")]
        return adjusted_trials(s, c, adjustment, adjustment["rung"])
    if not trials:
        return _begin(s, c, adjustment)
    fault = next(((i.result or {}).get("fault") or _lost([i]) for i in trials if _failed(i)), None)
    if fault is not None:
        return [_decided(s, c, False, f"trained once more {_words(s, c)}, which failed: {fault}")]
    return [_compared(s, c, trials)]


def _failed(item: Item) -> bool:
    return item.state != "done" or bool((item.result or {}).get("fault"))


def _lost(items: Sequence[Item]) -> str:
    return next((f"it was lost: {i.error}" for i in items if i.error), "it was cancelled")


def _compared(s: Snapshot, c: Candidate, trials: Sequence[Item]) -> SetCandidate:
    """Compare the retrained trials with the original ones (step 3)."""
    first = s.trainings(c, (c.adjustment or {})["rung"])
    before, after = (
        [mean_result(items, "success", s.scale), mean_result(items, "area", s.scale)] for items in (first, trials)
    )
    did = f"trained once more {_words(s, c)}: {s.words(after[0], 1)}"
    shown = f"{before[0]:.1%}" if s.scale is None else s.scale.show(s.scale.score(before[0]))
    if after > before:
        return _decided(s, c, True, f"{did} instead of {shown}")
    return _decided(s, c, False, f"{did}, no better than {shown}")


def _decided(s: Snapshot, c: Candidate, stands: bool, note: str) -> SetCandidate:
    adjustment = {**(c.adjustment or {}), "stands": stands, "note": note}
    values: dict[str, Any] = {"adjustment": adjustment}
    if stands and "weights" in adjustment:
        reward = TrainingReward.from_stored(c.source, c.reward)
        values["reward"] = weighed(reward, adjustment["weights"]).stored
    return SetCandidate(c.id, values)


def _words(s: Snapshot, c: Candidate) -> str:
    """Describe the change: "with entropy 0.0003 instead of 0.003"."""
    adjustment = c.adjustment or {}
    own = {each["name"]: each.get("weight", Channel("").weight) for each in c.reward.get("channels", [])}
    parts = [f"{name} {value:g} instead of {getattr(s.spec.training, name):g}" for name, value in
             adjustment.get("training", {}).items()]  # fmt: skip
    parts += [f"a weight of {name} of {value:g} instead of {own.get(name, 1.0):g}" for name, value in
              adjustment.get("weights", {}).items()]  # fmt: skip
    return f"with {', '.join(parts)}"
