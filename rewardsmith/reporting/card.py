"""card.md: the description of an exported reward, its scores, checks, origin and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from rewardsmith.plaintext import in_markdown
from rewardsmith.programs.composition import TRAINING_ONLY
from rewardsmith.reporting import queries, text
from rewardsmith.reporting.measure import Measure, measure_of
from rewardsmith.reporting.queries import Arm
from rewardsmith.reporting.standalone_reward import reader_of
from rewardsmith.scores import NEED_SUCCESS, NOT_RUN
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from rewardsmith.storage.records import Candidate, Job
from rewardsmith.storage.schema import checks, llm_calls
from rewardsmith.tasks.base import Task
from rewardsmith.telemetry import Telemetry


def card_text(connection: Any, job: Job, candidate: Candidate, versions: Mapping[str, str]) -> str:
    """Return the card of a candidate as Markdown."""
    spec = JobSpec.model_validate(job.spec)
    lines = [f"# Reward {candidate.id} for {in_markdown(job.task)}", ""]
    if spec.model == "synth" and spec.searches:
        lines += ["Designed by `synth`, which composes programs by rules and is not a language model.", ""]
    if candidate.oracle_informed:
        lines += [
            "**oracle-informed**: privileged information (a planner or the simulator's state) informed its prompts, "
            "subgoals or verifier. This is no evidence about a language model.",
            "",
        ]
    if spec.description is not None:
        lines += [f"The task's module changed while the job ran, {c}." for c in spec.description.changes]
        lines += [""] if spec.description.changes else []
    lines += _left_out(candidate)
    lines += [*_scores(connection, job, candidate), *_checks(connection, job, candidate)]
    lines += ["## Origin", ""]
    made, model = in_markdown(text.recipe_words(job.spec)), in_markdown(spec.model)
    lines += [f"- method: {made}; model: {model}; training gamma: {spec.training.gamma}"]
    lines += [f"- {in_markdown(told)}" for told in text.training_words(job.spec)]
    lines += [f"- program sha256: `{candidate.source_hash}`"]
    lines += _settings(job, candidate)
    if (trained := text.baseline_words(spec.baseline_training)) is not None:
        lines += [f"- baseline: the environment's own reward, trained by {trained}"]
    hashes = connection.execute(
        select(llm_calls.c.role, llm_calls.c.prompt_hash).where(llm_calls.c.candidate == candidate.id)
    ).all()
    lines += [f"- {in_markdown(row.role)}'s prompt sha256: `{row.prompt_hash}`" for row in hashes]
    lines += [f"- {name} {number}" for name, number in versions.items()]
    lines += ["", *_cost(connection, job, candidate)]
    return "\n".join(lines) + "\n"


def environment_text(task: Task, copied: Sequence[str], left_out: Sequence[str] = ()) -> str:
    """Return the section of a card on how the environment is made.

    Args:
        task: The task.
        copied: The task's own files in the folder.
        left_out: Files of data in its packages that were too large or too many to copy.
    """
    reader = reader_of(task)
    lines = ["", "## Environment", "", f"- made by `{in_markdown(reader.making)}`"]
    lines += [f"- {in_markdown(note)}" for note in reader.notes]
    if copied:
        alone = "" if any("/" in name for name in copied) else "; files of data beside them are not copied"
        lines.append(f"- copied from the task: {in_markdown(', '.join(copied))}{alone}")
    if left_out:
        lines.append(f"- not copied, because too large or too many: {in_markdown(', '.join(left_out))}")
    return "\n".join(lines) + "\n"


def _settings(job: Job, candidate: Candidate) -> list[str]:
    """Return the lines on the weights of its channels and on the changes of its second training."""
    weights = [f"{c['name']} {c['weight']:g}" for c in candidate.reward.get("channels", [])]
    lines = [f"- weights of channels: {in_markdown(', '.join(weights))}"] if weights else []
    if adjusted := text.adjustment_words(candidate.adjustment):
        lines.append(f"- settings: {in_markdown(adjusted)}")
    if changed := text.settings_words(candidate.training_changes, job.spec["training"]):
        lines.append(f"- trained with {in_markdown(changed)}, as was the environment's own reward in the scores above")
    return lines


def _left_out(candidate: Candidate) -> list[str]:
    """Return a line on the channels that `reward.py` leaves out because they exist only in training."""
    paid = [c["name"] for c in candidate.reward.get("channels", []) if c["kind"] in TRAINING_ONLY]
    if not paid:
        return []
    return [f"`reward.py` leaves out the channels that exist only in training: {in_markdown(', '.join(paid))}.", ""]


def _scores(connection: Any, job: Job, candidate: Candidate) -> list[str]:
    changes = candidate.training_changes
    best, baseline = (queries.read_arm(connection, name, changes) for name in (candidate.id, f"{job.id}-sparse"))
    if best is None:
        measure = measure_of(job.spec)
        trials = records.trials_of(connection, candidate_id=candidate.id)
        starts = queries.kind_of_starts(trials)
        shown = f"{text.percent(candidate.score)} success"
        if measure.scale is not None:
            shown = f"A score of {measure.show(candidate.score)}"
        seen = "seeds by which the search selected it, from the one start of the task"
        seen = seen if starts == "one start" else f"seeds and {starts} by which the search selected it"
        return [
            "## Scores",
            "",
            f"{shown} on the {seen}. There was no final evaluation; `--confirm` sets its number of fresh seeds.",
            "",
            *_scale(measure),
        ]
    best = queries.described_alone(best)
    label = ", preliminary" if len(best.seeds) < 10 else ""
    measure = best.measure
    what = "Success of the final weights"
    if measure.scale is not None:
        what = "Mean return of an episode under the environment's own reward, of the final weights,"
    reached = "" if measure.scale and not measure.scale.has_reference else f" steps to {_NINE_TENTHS[measure.name]} |"
    lines = [
        f"## Scores ({len(best.seeds)} fresh seeds{label})",
        "",
        f"{what} {_place(best)}, {best.episodes:,} episodes per seed: interquartile mean over "
        "seeds, with a 95 % bootstrap interval.",
        "",
        *_scale(measure),
        f"| reward | {measure.policy} | each seed |{'' if measure.fixed else ' greedy, each seed |'} steps |{reached}",
        "|---|---|---|---|" + ("" if measure.fixed else "---|") + ("---|" if reached else ""),
        _score_row("this reward", best),
    ]
    if baseline is not None:
        own = "environment's own (sparse)" if measure.scale is None else "environment's own"
        lines.append(_score_row(own, queries.described_alone(baseline)))
    cut_off = queries.cut_off_words(len(best.seeds), queries.missing_seeds(job, len(best.seeds)))
    lines += ["", cut_off] if cut_off is not None else []
    return [*lines, "", f"Seeds: {', '.join(map(str, best.seeds))}.", ""]


_NINE_TENTHS = {"success": "90 %", "score": "0.9"}


def _scale(measure: Measure) -> list[str]:
    """Return a paragraph on the ends of the scale of a score; nothing for a success."""
    if measure.scale is None:
        return []
    words = measure.scale.words
    return [f"{words[0].upper()}{words[1:]}.", ""]


def _place(arm: Arm) -> str:
    if arm.starts == "one start":
        return "from the one start of the task"
    return f"on {arm.starts} that training {'did not see' if arm.unseen else 'may have seen'}"


def _score_row(name: str, arm: Arm) -> str:
    measure = arm.measure
    each, greedy = (" ".join(map(measure.short, values)) for values in (arm.success, arm.greedy))
    greedy = "" if measure.fixed else f" {greedy} |"
    row = f"| {name} | {measure.show(arm.mean, *arm.interval)} | {each} |{greedy} {arm.steps:,} |"
    if measure.scale is not None and not measure.scale.has_reference:
        return row
    return f"{row} {' '.join(queries.reached_words(s, arm.full_points) for s in arm.steps_to_90)} |"


def _checks(connection: Any, job: Job, candidate: Candidate) -> list[str]:
    rows = connection.execute(select(checks).where(checks.c.candidate_id == candidate.id).order_by(checks.c.id)).all()
    levels = {t.sandbox_level for t in records.trials_of(connection, candidate_id=candidate.id) if t.sandbox_level}
    lines = ["## Checks before training", ""]
    for row in rows:
        verdict = text.verdict_word(row.kind, row.passed, row.details)
        message = text.verdict_message(row.kind, row.message, row.details)
        lines.append(f"- {row.kind}: {in_markdown(verdict)}; {in_markdown(message)}")
    if job.spec.get("score") is not None:
        lines.append(f"- not run: {', '.join(NEED_SUCCESS)}; {NOT_RUN}")
    return [
        *lines,
        f"- sandbox level observed in training: {in_markdown(', '.join(sorted(levels))) or 'none recorded'}",
        "",
    ]


def _cost(connection: Any, job: Job, candidate: Candidate) -> list[str]:
    calls = connection.execute(select(llm_calls.c.price_usd).where(llm_calls.c.job_id == job.id)).all()
    unknown = sum(row.price_usd is None for row in calls)
    dollars = sum(row.price_usd or 0.0 for row in calls)
    trials = records.trials_of(connection, job_id=job.id)
    all_steps = sum(t.steps for t in trials)
    reused = [told for t in trials if (told := Telemetry.from_json(t.telemetry).reused).get("donor")]
    saved = sum(told["saved"] for told in reused)
    shown = [f"- reuse of transitions in the search: {saved:,} environment steps saved"] if reused else []
    own_steps = sum(t.steps for t in records.trials_of(connection, candidate_id=candidate.id))
    note = f" ({unknown} calls of unknown price)" if unknown else ""
    return [
        "## Cost",
        "",
        f"- whole job with its search: {len(calls)} model calls, ${dollars:.4f}{note}; {all_steps:,} environment steps",
        f"- this reward: {own_steps:,} environment steps",
        *shown,
    ]
