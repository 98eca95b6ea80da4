"""Designer, critic and analyzer: each builds a prompt, asks a model and parses the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardsmith.agents.asking import STANDARD, Draft, Limits, Outcome, ask
from rewardsmith.agents.models import LanguageModel, ReplayKey
from rewardsmith.agents.prompting import ParentProgram, render
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reading import ReadProgram, read_json
from rewardsmith.scores import ScoreScale
from rewardsmith.tasks.base import Interface


class Issue(BaseModel):
    """One problem that the critic found.

    Attributes:
        line: Line of the program, counted from 1; None if the problem concerns no single line.
        problem: The problem in words.
        remedy: The suggested change.
    """

    model_config = ConfigDict(extra="ignore")
    line: int | None = None
    problem: str
    remedy: str = ""


class Review(BaseModel):
    """The critic's verdict on a program, with the problems it found."""

    model_config = ConfigDict(extra="ignore")
    verdict: Literal["accept", "revise"]
    issues: list[Issue] = []


class Reading(BaseModel):
    """The analyzer's explanation of failures.

    Attributes:
        causes: Causes of the failures.
        suggestion: One change to the program.
        prediction: The expected result of that change.
    """

    model_config = ConfigDict(extra="ignore")
    causes: list[str] = Field(default=[], max_length=20)
    suggestion: str
    prediction: str = ""


@dataclass(frozen=True)
class DesignRequest:
    """A request for one program.

    Attributes:
        contract: The functions to write.
        interface: The task as programs see it.
        iteration: Round of the search, from 1.
        sample: Number of the program within the round, from 0.
        samples: Programs requested in the round.
        move: "new", "revise", "combine", "repair", or "merge" of candidates for one new program.
        depth: Repairs of this candidate so far.
        parents: Earlier programs to work from, the best first.
        tried: Id, move and rejection reason of earlier candidates.
        comments: Comments of the user.
        subgoal_order: Events of a planner's shortest solutions in order, each once, for designers that are programs;
            None if there is no planner or it is hidden.
        planner_events: The same in words, with repeated events.
        given: Values for the contract's prompt block.
        facts: Whether to append a machine-readable part, which `synth` reads.
        limits: Lengths of prompt and answer.
        prompts: Folder of a user's templates; None for the shipped ones.
        scale: The scale of the task's scores; None if the task has a success.
        episode_cap: The cap that the job sets on a channel's sum over an episode; None for none.
    """

    contract: Contract
    interface: Interface
    iteration: int
    sample: int
    samples: int
    move: str
    depth: int
    parents: list[ParentProgram]
    tried: list[dict[str, str]]
    comments: tuple[str, ...] = ()
    subgoal_order: list[dict[str, Any]] | None = None
    planner_events: tuple[str, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    facts: bool = True
    limits: Limits = STANDARD
    prompts: Path | None = None
    scale: ScoreScale | None = None
    episode_cap: str | float | None = None


def design(model: LanguageModel, asked: DesignRequest) -> Outcome:
    """Ask the designer for a program. The outcome holds a ReadProgram, or the reason why no answer could be read."""
    if asked.move == "new" and asked.contract.candidates > 1:
        return _merged(model, asked)
    return _designed(model, asked, 2 * asked.depth)


_CANDIDATES_FROM = 100
"""Attempt of a merged program's first candidate: beyond those of repairs, of which a job has at most 10."""
_MERGING_TEMPERATURE = 0.3  # as published (LaRe, arXiv 2412.11120)


def _designed(model: LanguageModel, asked: DesignRequest, attempt: int, temperature: float = 1.0) -> Outcome:
    # A design takes up to two calls, so attempts are counted in steps of two.
    key = ReplayKey("designer", asked.iteration, asked.sample, attempt)
    facts = asked.interface.facts
    read = partial(asked.contract.read, facts=facts)
    return ask(model, key, design_draft(asked), read, asked.limits, temperature)


def _merged(model: LanguageModel, asked: DesignRequest) -> Outcome:
    """Ask for several candidates of one program, then for a program that merges those that could be read.

    If the merged program cannot be read, the first candidate is the result.
    """
    count, found, outcome = asked.contract.candidates, [], Outcome(None, "no candidate was requested")
    for number in range(count):
        numbers = {"sample": asked.sample * count + number, "samples": asked.samples * count}
        key = ReplayKey("designer", asked.iteration, asked.sample, _CANDIDATES_FROM + 2 * number)
        draft = design_draft(replace(asked, **numbers))
        outcome = ask(model, key, draft, partial(asked.contract.read, facts=asked.interface.facts), asked.limits)
        if outcome.result is not None:
            found.append(outcome.result)
        if not outcome.answered:  # the budget is spent
            break
    if len(found) < 2 or not outcome.answered:
        return Outcome(found[0], None) if found else outcome
    parents = [ParentProgram(f"candidate {k}", each.source, None) for k, each in enumerate(found, 1)]
    merged = _designed(model, replace(asked, move="merge", parents=parents), 2 * asked.depth, _MERGING_TEMPERATURE)
    return merged if merged.result is not None else Outcome(found[0], None)


def design_draft(asked: DesignRequest) -> Draft:
    """Return the designer's prompt.

    Left out first: earlier attempts; then episodes, curves and statistics of the parents.
    """
    pieces: list[tuple[str, int, str]] = [(f"{t['id']}, tried before", i, "tried") for i, t in enumerate(asked.tried)]
    for part in ("episodes", "curve", "components"):
        # The last parent is the weaker one.
        for i, parent in reversed(list(enumerate(asked.parents))):
            if getattr(parent, part):
                pieces.append((f"{part} of {parent.id}", i, part))

    def build(dropped: int) -> str:
        gone = {(i, part) for _, i, part in pieces[:dropped]}
        parents = [
            replace(parent, **{part: type(getattr(parent, part))() for j, part in gone if j == i and part != "tried"})
            for i, parent in enumerate(asked.parents)
        ]
        tried = [t for i, t in enumerate(asked.tried) if (i, "tried") not in gone]
        return _design_prompt(replace(asked, parents=parents, tried=tried))

    return Draft(build, tuple(name for name, _, _ in pieces), own=asked.prompts)


def _as_json(parent: ParentProgram) -> dict[str, Any]:
    """The parent as plain data, without what is empty among the parts that were added later."""
    added = ("notes", "causes", "prediction", "stops", "figures")
    return {name: value for name, value in asdict(parent).items() if name not in added or value}


def _design_prompt(asked: DesignRequest) -> str:
    machine = {
        "role": "designer",
        "method": asked.contract.name,
        "functions": list(asked.contract.functions),
        "interface": asked.interface.facts,
        "subgoal_order": asked.subgoal_order,
        "given": dict(asked.given),
        "move": asked.move,
        "iteration": asked.iteration,
        "sample": asked.sample,
        "samples": asked.samples,
        "parents": [_as_json(p) for p in asked.parents],
        **({} if asked.contract.form == "python" else {"form": asked.contract.form}),
    }
    return render(
        "designer.md.j2",
        asked.prompts,
        interface=asked.interface,
        contract=asked.contract.template,
        impossible=asked.contract.impossible,
        form=asked.contract.form,
        dense_cap=asked.contract.cap,
        given=asked.given,
        planner_events=asked.planner_events,
        episode_cap=asked.episode_cap,
        move=asked.move,
        sample=asked.sample,
        samples=asked.samples,
        parents=asked.parents,
        tried=asked.tried,
        comments=asked.comments,
        machine=machine if asked.facts else None,
        scale=asked.scale,
    )


@dataclass(frozen=True)
class ReviewRequest:
    """A request to review a program that passed the automatic checks.

    Attributes:
        contract: The functions that the program defines.
        interface: The task as programs see it.
        source: The program.
        components: Statistics (mean, min, max, fires) by component, over played transitions.
        played: Counts of the played `transitions`, `episodes` and `successes`.
        key: Identifies the call.
        figures: Figures of the checks, a sentence each.
        given: Values for the contract's prompt block.
        facts: Whether to append a machine-readable part.
        limits: Lengths of prompt and answer.
        prompts: Folder of a user's templates; None for the shipped ones.
        scale: The scale of the task's scores; None if the task has a success.
    """

    contract: Contract
    interface: Interface
    source: str
    components: dict[str, dict[str, float]]
    played: dict[str, Any]
    key: ReplayKey
    figures: list[str] = field(default_factory=list)
    given: Mapping[str, Any] = field(default_factory=dict)
    facts: bool = True
    limits: Limits = STANDARD
    prompts: Path | None = None
    scale: ScoreScale | None = None


def review(model: LanguageModel, asked: ReviewRequest) -> Outcome:
    """Ask the critic. The outcome holds a Review, or the reason why no answer could be read."""
    return ask(model, asked.key, review_draft(asked), lambda text: read_json(text, Review), asked.limits)


def review_draft(asked: ReviewRequest) -> Draft:
    """Return the critic's prompt. Only the statistics of the components can be left out."""
    machine = {
        "role": "critic",
        "method": asked.contract.name,
        "functions": list(asked.contract.functions),
        "source": asked.source,
        "components": asked.components,
        "played": asked.played,
        "success_requires_lasting": asked.interface.facts.get("success_requires_lasting", False),
        "goal_conditioned": asked.interface.facts.get("goal_conditioned", False),
        **({} if asked.scale is None else {"score": asked.scale.as_dict()}),
    }

    def build(dropped: int) -> str:
        return render(
            "critic.md.j2",
            asked.prompts,
            interface=asked.interface,
            contract=asked.contract.template,
            impossible=asked.contract.impossible,
            dense_cap=asked.contract.cap,
            given=asked.given,
            source=asked.source,
            components={} if dropped else asked.components,
            figures=asked.figures,
            transitions=asked.played.get("transitions", 0),
            episodes=asked.played.get("episodes", 0),
            successes=asked.played.get("successes"),
            scale=asked.scale,
            machine=machine if asked.facts else None,
        )

    return Draft(build, ("measured components",) if asked.components else (), json=True, own=asked.prompts)


@dataclass(frozen=True)
class AnalysisRequest:
    """A request to explain the failures of a trained program.

    Attributes:
        contract: The functions that the program defines; None for a program of no designer.
        interface: The task as programs see it.
        candidate: The candidate's short id.
        source: The program.
        success: Success rate in [0, 1] in the unshaped environment; 0 on a task with a score.
        steps: Environment steps of training.
        labels: Evidence by label of the diagnosis.
        components: Statistics by component, as in telemetry.ComponentValues.
        episodes: Failed episodes in words; those with the lowest scores on a task with a score.
        key: Identifies the call.
        curve: Points of training, as in ParentProgram.
        channels: Reward of each channel late in training.
        evidence: Sentences of the method about its own learning.
        stops: Where episodes stop, in a sentence.
        learning: Share of advantages and of the entropy bonus in the policy gradient, late in training.
        comments: Comments of the user.
        facts: Whether to append a machine-readable part.
        limits: Lengths of prompt and answer.
        prompts: Folder of a user's templates; None for the shipped ones.
        score: Mean score of the final policy; None if the task has a success.
        scale: The scale of the task's scores; None if the task has a success.
    """

    contract: Contract | None
    interface: Interface
    candidate: str
    source: str
    success: float
    steps: int
    labels: dict[str, str]
    components: dict[str, dict[str, float]]
    episodes: list[str]
    key: ReplayKey
    curve: list[dict[str, Any]] = field(default_factory=list)
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)
    stops: str | None = None
    learning: dict[str, Any] = field(default_factory=dict)
    comments: tuple[str, ...] = ()
    facts: bool = True
    limits: Limits = STANDARD
    prompts: Path | None = None
    score: float | None = None
    scale: ScoreScale | None = None


def analyze(model: LanguageModel, asked: AnalysisRequest) -> Outcome:
    """Ask the analyzer. The outcome holds a Reading, or the reason why no answer could be read."""
    return ask(model, asked.key, analysis_draft(asked), lambda text: read_json(text, Reading), asked.limits)


def analysis_draft(asked: AnalysisRequest) -> Draft:
    """Return the analyzer's prompt. Left out first: the curve, then the episodes from the last to the first."""
    curve = ("the learning curve",) if asked.curve else ()
    episodes = tuple(f"episode {i}" for i in range(len(asked.episodes), 0, -1))
    machine = {
        "role": "analyzer",
        "source": asked.source,
        **({"success": asked.success} if asked.scale is None else {"score": asked.score}),
        "labels": asked.labels,
        "components": asked.components,
        "channels": asked.channels,
        "evidence": asked.evidence,
    }

    def build(dropped: int) -> str:
        kept = len(asked.episodes) - max(0, dropped - len(curve))
        return render(
            "analyzer.md.j2",
            asked.prompts,
            interface=asked.interface,
            candidate=asked.candidate,
            source=asked.source,
            success=asked.success,
            score=asked.score,
            scale=asked.scale,
            steps=asked.steps,
            labels=asked.labels,
            components=asked.components,
            curve=[] if dropped else asked.curve,
            channels=asked.channels,
            evidence=asked.evidence,
            stops=asked.stops,
            impossible=asked.contract.impossible if asked.contract else frozenset(),
            dense_cap=asked.contract.cap if asked.contract else None,
            learning=asked.learning,
            episodes=asked.episodes[:kept],
            comments=asked.comments,
            machine=machine if asked.facts else None,
        )

    return Draft(build, curve + episodes, json=True, own=asked.prompts)


__all__ = [
    "AnalysisRequest",
    "DesignRequest",
    "Issue",
    "Limits",
    "Outcome",
    "ReadProgram",
    "Reading",
    "Review",
    "ReviewRequest",
    "analyze",
    "design",
    "review",
]
