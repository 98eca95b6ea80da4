"""`show CANDIDATE`: code, checks, trials, telemetry, diagnosis and cost of one candidate."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from rich.syntax import Syntax

from rewardsmith.cli import screen
from rewardsmith.plaintext import one_line, plain
from rewardsmith.reporting import queries, text
from rewardsmith.reporting.measure import Measure, measure_of
from rewardsmith.reporting.overview import steps_of
from rewardsmith.reporting.step_counts import steps_by_purpose
from rewardsmith.scores import NEED_SUCCESS, NOT_RUN
from rewardsmith.storage import reads
from rewardsmith.storage.rows import Candidate, Trial
from rewardsmith.telemetry import Telemetry
from rewardsmith.verification.soundness import NO_RATIO, guidance_ratio


def show_candidate(connection: Any, c: Candidate, form: str) -> None:
    """Print a candidate: code, diff to its parent, checks, components, trials, diagnosis, cost."""
    verdicts = reads.fetch(connection, "checks", order=["id"], candidate_id=c.id)
    # Trials that count for the candidate come first: the telemetry shown is that of the first trial.
    trials = sorted(
        reads.trials_of(connection, candidate_id=c.id), key=lambda t: t.purpose not in ("confirm", c.search_purpose)
    )
    analysis = next(iter(reads.fetch(connection, "analyses", candidate_id=c.id)), None)
    spent = reads.fetch(connection, "llm_calls", candidate=c.id)
    if form != "table":
        verdicts = [{**v, "details": text.verdict_details(v["kind"], v["details"])} for v in verdicts]
        counts = zip(("search", "claim"), steps_of(connection, c), strict=True)
        row = {**c.__dict__, "checks": verdicts, "trials": [t.__dict__ for t in trials], "analysis": analysis,
               "steps": {name: each.as_json() for name, each in counts}}  # fmt: skip
        screen.emit([row], "json", screen.table(None, []))
        return
    measure = measure_of(reads.get_job(connection, c.job_id).spec)
    _head(c, measure)
    _code(connection, c)
    _checks(verdicts)
    if c.source and measure.scale is not None:
        screen.labelled("not run: ", f"{', '.join(NEED_SUCCESS)}: {NOT_RUN}")
    _trials(connection, trials, measure)
    _components(trials, measure)
    if line := _shaping_ratio(verdicts, trials, measure):
        screen.out.print(line, markup=False)
    if described := _learner(trials):
        screen.out.print(described, markup=False)
    if analysis:
        for label, evidence in analysis["labels"].items():
            screen.labelled("diagnosis: ", f"{label} - {evidence}")
        if analysis["suggestion"]:
            screen.labelled("analyzer: ", analysis["suggestion"])
    tokens = sum((s["prompt_tokens"] or 0) + (s["completion_tokens"] or 0) for s in spent)
    prices = [s["price_usd"] for s in spent]
    price = "price unknown" if None in prices else f"${sum(prices):.4f}"
    steps = sum(t.steps for t in trials)
    screen.out.print(
        f"cost: {len(spent)} model calls, {tokens:,} tokens, {price}; {steps:,} environment steps", markup=False
    )
    for line in steps_by_purpose(*steps_of(connection, c), scored=measure.scale is not None):
        screen.out.print(line, markup=False)
    screen.next_command(f"rewardsmith why {c.id}")


def _head(c: Candidate, measure: Measure) -> None:
    score = f"  {measure.name} {measure.show(c.score)}" if c.score is not None else ""
    parents = f" of {', '.join(c.parents)}" if c.parents else ""
    head = one_line(f"{c.move}{parents}  {c.state}{score}")
    screen.labelled(f"{c.id}  ", head, style=f"bold {screen.ACCENT}")
    if c.oracle_informed:
        screen.out.print(text.ORACLE_INFORMED, markup=False)
    if c.rejection_reason:
        screen.labelled("rejected: ", c.rejection_reason)
    if c.thoughts:
        screen.labelled("thoughts: ", c.thoughts, style="dim")
    channels = [
        f"{ch['weight']:g} * {'sign of ' if ch['bound'] == 'sign' else ''}{ch['name']}"
        + (f" (sum per episode capped at {ch['cap']:g})" if ch.get("cap") is not None else "")
        + (" (its change)" if ch.get("delta") else "")
        + (" (closing as success rises)" if ch.get("gate") == "outcome" else "")
        for ch in c.reward.get("channels", [])
    ]
    screen.labelled("reward: ", " + ".join(channels))
    if described := text.adjustment_words(c.adjustment):
        screen.labelled("settings: ", described)


def _code(connection: Any, c: Candidate) -> None:
    if c.source:
        code = Syntax(plain(c.source), "python", line_numbers=True, background_color="default")
        screen.program(c.source, code)
    if not c.parents:
        return
    parent = reads.get_candidate(connection, c.parents[0])
    before, after = (plain(program).splitlines() for program in (parent.source, c.source))
    diff = "\n".join(difflib.unified_diff(before, after, parent.id, c.id, lineterm="", n=1))
    screen.out.print(Syntax(diff or "# identical to its parent", "diff", background_color="default"))


def _checks(verdicts: list[Any]) -> None:
    if not verdicts:
        return
    shown = screen.table(None, [("check", "left"), ("", "left"), ("finding", "left")])
    shown.columns[1].max_width = screen.VERDICT_WIDTH
    for v in verdicts:
        shown.add_row(v["kind"], *_outcome(v))
    screen.out.print(shown, "")
    certificate = next((v["details"] for v in verdicts if v["kind"] == "certificate" and v["details"]), None)
    if certificate and (line := _predicted(certificate)):
        screen.out.print(line, markup=False)


def _outcome(verdict: Mapping[str, Any]) -> tuple[str, str]:
    """Return a check's outcome in a word, and its message."""
    kind, details = verdict["kind"], verdict["details"]
    return text.verdict_word(kind, verdict["passed"], details), text.verdict_message(kind, verdict["message"], details)


def _predicted(certificate: Any) -> str | None:
    """Return the predicted difficulty and the figures it comes from, of the first layout that has one."""
    first = next((each["difficulty"] for each in certificate["layouts"] if each["difficulty"]), None)
    if first is None:
        return None
    return (
        f"predicted difficulty {certificate['difficulty']:.1f} (the candidate with the smallest trains first): "
        f"for a random policy, the action of the largest advantage leads towards success on "
        f"{text.percent(first['greedy_progress'])} of a solution's steps (advantage {first['advantage_gap']:.2g}), "
        f"and {text.percent(first['density'])} of random steps are rewarded"
    )


def _shaping_ratio(verdicts: list[Any], trials: list[Trial], measure: Measure) -> str | None:
    """Return the shaping-to-task reward ratio, predicted by the battery and measured in training."""
    parts = []
    battery = next((v["details"] for v in verdicts if v["kind"] == "battery"), None) or {}
    if battery.get("shaping"):
        meter = battery["shaping"]
        most = max(meter["guidance"], meter["exploited"])
        parts.append(f"predicted up to {_multiple(most, meter['success_pay'], 'the success reward')}")
    telemetry = _telemetry_of(trials)
    if (guidance := telemetry.guidance_per_episode) is not None:
        pay = telemetry.success_pay
        alone = f"{guidance:.3g}" + ("" if measure.scale else ", without a success")
        described = alone if pay is None else _multiple(guidance, pay, "the success reward")
        parts.append(f"measured late in training {described}")
    return f"shaping per episode: {'; '.join(parts)}" if parts else None


def _telemetry_of(trials: list[Trial]) -> Telemetry:
    """Return the telemetry of the first trial that has any."""
    return Telemetry.from_json(next((t.telemetry for t in trials if t.telemetry), None))


def _learner(trials: list[Trial]) -> str | None:
    """Return the learner's line: gradient shares, entropy and returns late in training."""
    described = text.learning_words(_telemetry_of(trials).learning)
    return f"learner, late in training: {described}" if described else None


def _multiple(guidance: float, pay: float, of: str) -> str:
    """Return an episode's shaping reward as a multiple of the success reward, or the reason why there is none."""
    ratio = guidance_ratio(guidance, pay)
    if ratio is None:
        return f"{guidance:.3g}, ratio - ({NO_RATIO}: {pay:.3g})"
    return f"{guidance:.3g}, {ratio:.3g} times {of} ({pay:.3g})"


def _trials(connection: Any, trials: list[Trial], measure: Measure) -> None:
    if not trials:
        return
    shown = screen.table(
        "deterministic policies" if measure.fixed else None,
        [("trial", "left"), ("seed", "right"), ("steps", "right"), (f"{measure.name} [95 %]", "right"),
         *([] if measure.fixed else [("greedy", "right")]),
         (_TO[measure.name], "right"), ("sandbox", "left"), ("steps/s", "right"), ("curve", "left")],
    )  # fmt: skip
    for t in trials:
        curve = [measure.of_point(p)[0] for p in reads.curve_of(connection, t.id)]
        shown.add_row(
            t.purpose, str(t.seed), text.steps(t.steps), measure.show(*measure.of_trial(t)),
            *([] if measure.fixed else [measure.show(measure.greedy_of(t))]),
            _reached(connection, t, measure), t.sandbox_level or "-",
            f"{t.steps_per_second:,.0f}" if t.steps_per_second else "-",
            text.sparkline(curve, *measure.span(curve)) if any(p is not None for p in curve) else "-",
        )  # fmt: skip
    screen.out.print(shown, "")
    for t in trials:
        if t.failure:
            screen.labelled(f"seed {t.seed} failed: ", t.failure)


_TO = {"success": "to 90 %", "score": "to 0.9"}


def _reached(connection: Any, trial: Trial, measure: Measure) -> str:
    """Return the steps to 90 % of a trial, "never", or "-" where its points have too few episodes."""
    if trial.state not in ("done", "stopped") or (measure.scale is not None and not measure.scale.has_reference):
        return "-"
    full = queries.has_full_points(trial, reads.get_job(connection, trial.job_id).spec)
    return queries.reached_words(queries.steps_to_90(connection, trial, measure), full)


def _components(trials: list[Trial], measure: Measure) -> None:
    telemetry = _telemetry_of(trials)
    if not telemetry:
        return
    _channels(telemetry, measure)
    if not telemetry.components:
        return
    shown = screen.table(
        None,
        [
            ("component", "left"),
            ("mean", "right"),
            ("min", "right"),
            ("max", "right"),
            ("nonzero steps", "right"),
        ],
    )
    for name, s in telemetry.components.items():
        shown.add_row(name, f"{s.mean:.4g}", f"{s.min:.4g}", f"{s.max:.4g}", text.percent(s.fires))
    screen.out.print(shown)


def _channels(telemetry: Telemetry, measure: Measure) -> None:
    """Print what each channel paid per training episode late in training, and the counters of the methods."""
    won = measure.scale is None  # otherwise nothing is a success
    aligned = any("factor" in s.recorded for s in telemetry.channels.values())
    shown = screen.table(
        None,
        [("channel", "left"), ("per episode", "right"), ("magnitude", "right"),
         *([("per success", "right")] if won else []), ("share", "right"),
         *([("correlation with success", "right")] if won else []), *([("factor", "right")] if aligned else [])],
    )  # fmt: skip
    for name, s in telemetry.channels.items():
        pay, tie = s.mean_per_success, s.correlation
        shown.add_row(
            name, f"{s.mean_per_episode:.3g}", f"{s.magnitude_per_episode:.3g}",
            *(["-" if pay is None else f"{pay:.3g}"] if won else []), text.percent(s.share),
            *(["-" if tie is None else f"{tie:.2f}"] if won else []),
            *(["1" if s.factor is None else f"{s.factor:.2f}"] if aligned else []),
        )  # fmt: skip
    screen.out.print(shown)
    if "episodes" in telemetry.recorded:
        ended = f"means over the {telemetry.episodes:,} training episodes since the previous point of the curve"
        screen.out.print(ended, markup=False)
    for method, counters in telemetry.methods.items():
        parts = [f"{name} {v:.4g}" if isinstance(v, float) else f"{name} {v}" for name, v in counters.items()]
        screen.labelled(f"{method}: ", ", ".join(parts))
