"""The job as a state machine: `decide` maps the rows of a job to its next steps.

`decide` is pure and its steps are idempotent: the same rows give the same steps, and applying a step twice changes
nothing. Therefore any process may advance any job at any time.
"""

from __future__ import annotations

import math

from rewardsmith.engine.search.before_claim import check_before_claim, failed_words
from rewardsmith.engine.search.halving import Halving
from rewardsmith.engine.search.job_budget import JobBudget
from rewardsmith.engine.search.predicted_first import PredictedFirst
from rewardsmith.engine.search.retraining import go_on
from rewardsmith.engine.search.snapshot import Snapshot, target_of
from rewardsmith.engine.search.steps import AddItem, FinishJob, SetIteration, Step, reject
from rewardsmith.programs.duplicates import normal_form
from rewardsmith.scores import ScoreScale
from rewardsmith.seeds import confirm_seed
from rewardsmith.storage.queue import OPEN, ItemKey
from rewardsmith.storage.records import Candidate


def decide(s: Snapshot) -> list[Step]:
    """Return the next steps of a job; empty while work is running, or if the job itself is not running.

    1. Open a round: queue one design for each sample (`choose_move`).
    2. When all designs have ended, check every candidate, and repair those that fail a check.
    3. When all checks have ended, reject duplicates and train the others: by predicted difficulty (PredictedFirst) if
       a prediction exists, otherwise by successive halving (Halving). The strategy ends the round (`end_round`).
    4. Repeat from step 1 until the target is reached, all rounds are used, or the budget is spent.
    5. Check the best candidate on more layouts, and the next best if it fails (`check_before_claim`).
    6. Train the trials of the claim (`claim_of`) and end the job.

    A fault of the task's environment ends the job at any step.
    """
    if s.job.state != "running":
        return []
    if fault := _task_fault(s):
        return [FinishJob("failed", fault)]
    current = s.iterations[-1] if s.iterations else None
    if current is None:
        return _open_iteration(s, 1)
    if current.state == "running":
        return _advance_iteration(s, current.number)
    reason = _why_stop_searching(s, current.number)
    if reason is None:
        return _open_iteration(s, current.number + 1)
    return _confirm(s, reason)


def _task_fault(s: Snapshot) -> str | None:
    """Return the fault of the task's environment (cause and remedy), if one was recorded."""
    failed = (i.result or {} for i in s.items if i.state == "failed")
    return next((r["task_fault"] for r in failed if "task_fault" in r), None)


# --- rounds ---------------------------------------------------------------------------------------------


def _open_iteration(s: Snapshot, number: int) -> list[Step]:
    steps: list[Step] = [SetIteration(number, "running")]
    ranked = s.ranking()
    for sample in range(s.spec.samples):
        key = ItemKey(s.job.id, "design", iteration=number, sample=sample)
        move = choose_move(sample, number, ranked, s.scale)
        parents = [c.id for c in ranked[: {"new": 0, "revise": 1, "combine": 2}[move]]]
        steps.append(AddItem(key, {"move": move, "parents": parents}))
    return steps


_STUCK = 2
"""Number of rounds without a better program after which the best is no longer revised."""


def choose_move(sample: int, number: int, ranked: list[Candidate], scale: ScoreScale | None = None) -> str:
    """Choose how a sample of a round is designed.

    The first sample revises the best candidate, the second combines the two best, and all others are new. If the last
    `_STUCK` rounds found no better candidate, the first sample combines and the others are new. Candidates without any
    success, or with a score no better than random play, are not combined.

    Args:
        sample: Index of the sample in its round, from 0.
        number: The round, from 1.
        ranked: The job's trained candidates, best first.
        scale: The scale of the task's scores; None if the task has a success.

    Returns:
        "new", "revise" or "combine".
    """
    if not ranked:
        return "new"
    stuck = number - 1 - ranked[0].iteration >= _STUCK
    works = [c for c in ranked if _works(c, scale)]
    if sample == 0:
        return "combine" if stuck and len(works) > 1 else "new" if stuck else "revise"
    return "combine" if sample == 1 and not stuck and len(works) > 1 else "new"


def _works(c: Candidate, scale: ScoreScale | None) -> bool:
    """Return whether a candidate has any success, or a score better than random play."""
    if scale is None or c.score is None:
        return (c.score or 0.0) > 0.0
    return scale.merit(c.score) > 0.0


def _advance_iteration(s: Snapshot, number: int) -> list[Step]:
    steps: list[Step] = []
    mine = s.racers(number)
    if any(i.key.candidate == "" and i.state in OPEN for i in s.items_of("design", iteration=number)):
        return []  # duplicates are found, and the budget is divided, once the whole round is designed
    for candidate in mine:
        steps += _before_training(s, candidate)
    # The choice of candidates to train must not depend on which check ends first. Only after all checks and repairs is
    # it known which of two candidates with the same rewards trains, and who gets the rest of a short budget.
    if steps or s.under_way(number, "check", "design"):
        return steps
    return _paying_the_same(s, mine) or _train(s, number)


def _train(s: Snapshot, number: int) -> list[Step]:
    """Return the next trials of a round whose designs, repairs and checks have ended, or the round's end."""
    if again := [c for c in s.racers(number) if c.retrains]:
        # The ranking must not depend on which of these trials ends first.
        return go_on(s, again)
    if s.spec.training.reuse and any(i.state in OPEN for i in s.items_of("baseline")):
        return []  # its transitions are those that the first candidates begin from
    strategy = PredictedFirst.of(s, number) or Halving.of(s.spec, number)
    return strategy.next(s)


def _paying_the_same(s: Snapshot, mine: list[Candidate]) -> list[Step]:
    """Reject a round's candidates that give the same reward as another one on every played transition.

    The first by id remains, and a person's program comes before all others. A person's program is never rejected here,
    because its author wants to see it trained. All checks of the round must have ended.
    """
    kept: dict[str, Candidate] = {}
    rejections: list[Step] = []
    passed = [c for c in mine if c.state in ("passed", "trained")]
    for c in sorted(passed, key=lambda c: (c.kind == "designed", c.id)):
        behaviour = _behaviour(s, c)
        first = c if behaviour is None else kept.setdefault(behaviour, c)
        if first is not c and c.kind == "designed" and not s.items_of("train", candidate=c.id):
            same = f"pays exactly what {first.id} pays on every played transition"
            rejections.append(reject(c, f"{same}; training would bring nothing new"))
    return rejections


def _behaviour(s: Snapshot, c: Candidate) -> str | None:
    """Return the hash of a candidate's rewards in its check; None if unknown, as in rows of older versions."""
    told = ((i.result or {}).get("behaviour") for i in s.items_of("check", candidate=c.id))
    return next((each for each in told if each is not None), None)


def _duplicate_of(s: Snapshot, c: Candidate) -> Candidate | None:
    """Return an earlier candidate with the same program. Repairs of one round are not compared with each other."""
    mine = (c.iteration, s.repair_depth(c))

    def is_earlier(o: Candidate) -> bool:
        theirs = (o.iteration, s.repair_depth(o))
        return theirs < mine or (theirs == mine == (c.iteration, 0) and o.sample < c.sample)

    earlier = [o for o in s.candidates if o.source and is_earlier(o)]
    form = normal_form(c.source)
    return next((o for o in earlier if o.source_hash == c.source_hash or normal_form(o.source) == form), None)


def _before_training(s: Snapshot, c: Candidate) -> list[Step]:
    key = {"job_id": s.job.id, "iteration": c.iteration, "candidate": c.id}
    if c.state == "designed" and not s.items_of("check", candidate=c.id) and (duplicate := _duplicate_of(s, c)):
        return [reject(c, f"the same program as {duplicate.id}; nothing new to train")]
    if c.state == "designed" and not s.items_of("check", candidate=c.id):
        return [AddItem(ItemKey(kind="check", sample=c.sample, **key))]
    lost = [i for i in s.items_of("check", candidate=c.id) if i.state == "lost"]
    if c.state == "designed" and lost:
        return [reject(c, f"its check was lost: {lost[0].error}")]
    failed = [i for i in s.items_of("check", candidate=c.id) if (i.result or {}).get("passed") is False]
    if c.state == "rejected" and failed and s.repair_depth(c) < s.spec.repairs and JobBudget(s).affords_calls():
        repair = ItemKey(kind="design", sample=c.sample, **key)
        if not s.items_of("design", candidate=c.id):
            return [AddItem(repair, {"move": "repair", "parents": [c.id]})]
    return []


# --- the end --------------------------------------------------------------------------------------------


def _why_stop_searching(s: Snapshot, done: int) -> str | None:
    best = s.ranking()
    target = target_of(s.spec)
    reached = s.score(best[0], s.last_rung) if best and s.rung_reached(best[0]) == s.last_rung else -math.inf
    if target is not None and reached >= target:
        shown = f"{target:.0%}" if s.scale is None else f"a score of {s.scale.show(s.scale.score(target))}"
        return f"reached the target of {shown} in iteration {done}"
    if done >= s.spec.iterations:
        return f"all {done} iterations are done"
    if any((i.result or {}).get("used_up") for i in s.items_of("design")):
        return "the recorded answers of the designer are used up"
    if not JobBudget(s).affords_calls(s.spec.samples):
        return "the budget for language-model calls is spent"
    if not JobBudget(s).affords_training(0):
        return "the budget of environment steps is spent"
    return None


def _confirm(s: Snapshot, reason: str) -> list[Step]:
    best = s.ranking()
    if not best:
        return [FinishJob("failed", f"No candidate was trained to a result; {reason}.")]
    if (steps := check_before_claim(s, best[0], reason)) is not None:
        return steps
    baseline = next(c for c in s.candidates if c.kind == "baseline")
    changes = best[0].training_changes
    settings = {"training": changes} if changes else {}
    seeds = [confirm_seed(s.spec.seed, k, bool(changes)) for k in range(s.spec.confirm)]
    keys = [ItemKey(s.job.id, "confirm", candidate=arm.id, seed=k) for k in seeds for arm in (best[0], baseline)]
    missing = [AddItem(k, settings) for k in keys if not s.items_of("confirm", candidate=k.candidate, seed=k.seed)]
    if missing:
        return list(missing)
    if any(i.state in OPEN for i in s.items):
        return []
    arms = (best[0].id, baseline.id)
    confirms = [i for i in s.items_of("confirm") if i.key.candidate in arms and i.key.seed in seeds]
    lost = sum(i.state != "done" for i in confirms)
    faulted = sum(bool((i.result or {}).get("fault")) for i in confirms)
    note = f"The search ended: {reason}."
    if said := failed_words(s):
        note += f" {said} {best[0].id}, the next best, is claimed instead."
    if lost:
        note += f" {lost} of {len(confirms)} trials of the claim were lost and are missing from it."
    failed = "no success" if s.scale is None else "random play"
    if faulted:
        note += f" {faulted} of {len(confirms)} trials of the claim failed and count as {failed}."
    return [FinishJob("done", note)]
