"""Designer, Critic, Analyzer: build a prompt, ask a model, read the answer, ask once more if unreadable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardsmith.agents.asking import STANDARD, Draft, Limits, Outcome, ask
from rewardsmith.agents.models import LanguageModel, ReplayKey
from rewardsmith.agents.prompting import ParentProgram, render
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reading import ReadProgram, read_json
from rewardsmith.tasks.base import Interface


class Issue(BaseModel):
    """One complaint of the critic."""

    model_config = ConfigDict(extra="ignore")
    line: int | None = None
    problem: str
    remedy: str = ""


class Review(BaseModel):
    """The critic's answer."""

    model_config = ConfigDict(extra="ignore")
    verdict: Literal["accept", "revise"]
    issues: list[Issue] = []


class Reading(BaseModel):
    """The analyzer's answer."""

    model_config = ConfigDict(extra="ignore")
    causes: list[str] = Field(default=[], max_length=20)
    suggestion: str
    prediction: str = ""


@dataclass(frozen=True)
class DesignRequest:
    """What the designer is asked for. facts: append a machine-readable part, which rules read and models need not."""

    contract: Contract
    interface: Interface
    iteration: int
    sample: int
    samples: int
    move: str  # new | revise | combine | repair
    depth: int  # repairs so far
    parents: list[ParentProgram]
    tried: list[dict[str, str]]
    comments: tuple[str, ...] = ()
    subgoal_order: list[dict[str, Any]] | None = None
    given: Mapping[str, Any] = field(default_factory=dict)  # what the contract's prompt block is told of the task
    facts: bool = True
    limits: Limits = STANDARD


def design(model: LanguageModel, asked: DesignRequest) -> Outcome:
    """A program (ReadProgram), or the reason why the answers could not be read."""
    # Each design may take two calls, so repairs count attempts in steps of two.
    key = ReplayKey("designer", asked.iteration, asked.sample, 2 * asked.depth)
    return ask(model, key, design_draft(asked), asked.contract.read, asked.limits)


def design_draft(asked: DesignRequest) -> Draft:
    """The designer's prompt. What was tried goes first, then episodes, curves and numbers of the programs."""
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

    return Draft(build, tuple(name for name, _, _ in pieces))


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
        "parents": [asdict(p) for p in asked.parents],
    }
    return render(
        "designer.md.j2",
        interface=asked.interface,
        contract=asked.contract.template,
        dense_budget=asked.contract.budget,
        given=asked.given,
        subgoal_order=asked.subgoal_order,
        move=asked.move,
        sample=asked.sample,
        samples=asked.samples,
        parents=asked.parents,
        tried=asked.tried,
        comments=asked.comments,
        machine=machine if asked.facts else None,
    )


@dataclass(frozen=True)
class ReviewRequest:
    """What the critic is asked about: a program that passed the automatic checks."""

    contract: Contract
    interface: Interface
    source: str
    components: dict[str, dict[str, float]]
    played: dict[str, Any]
    key: ReplayKey
    given: Mapping[str, Any] = field(default_factory=dict)
    facts: bool = True
    limits: Limits = STANDARD


def review(model: LanguageModel, asked: ReviewRequest) -> Outcome:
    """The critic's Review of a program that passed the automatic checks."""
    return ask(model, asked.key, review_draft(asked), lambda text: read_json(text, Review), asked.limits)


def review_draft(asked: ReviewRequest) -> Draft:
    """The critic's prompt; only the measured components can be left out."""
    machine = {
        "role": "critic",
        "method": asked.contract.name,
        "functions": list(asked.contract.functions),
        "source": asked.source,
        "components": asked.components,
        "played": asked.played,
        "success_requires_lasting": asked.interface.facts.get("success_requires_lasting", False),
    }

    def build(dropped: int) -> str:
        return render(
            "critic.md.j2",
            interface=asked.interface,
            contract=asked.contract.template,
            dense_budget=asked.contract.budget,
            given=asked.given,
            source=asked.source,
            components={} if dropped else asked.components,
            transitions=asked.played.get("transitions", 0),
            episodes=asked.played.get("episodes", 0),
            successes=asked.played.get("successes"),
            machine=machine if asked.facts else None,
        )

    return Draft(build, ("measured components",) if asked.components else ())


@dataclass(frozen=True)
class AnalysisRequest:
    """What the analyzer is asked about: a trained program. success: 0 to 1, of the unshaped environment."""

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
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each paid, late in training
    evidence: list[str] = field(default_factory=list)  # what the method has to tell
    learning: dict[str, Any] = field(default_factory=dict)  # what moved the policy, late in training
    comments: tuple[str, ...] = ()
    facts: bool = True
    limits: Limits = STANDARD


def analyze(model: LanguageModel, asked: AnalysisRequest) -> Outcome:
    """The analyzer's Reading of failed episodes."""
    return ask(model, asked.key, analysis_draft(asked), lambda text: read_json(text, Reading), asked.limits)


def analysis_draft(asked: AnalysisRequest) -> Draft:
    """The analyzer's prompt. The curve goes first, then episodes from the last to the first."""
    curve = ("the learning curve",) if asked.curve else ()
    episodes = tuple(f"episode {i}" for i in range(len(asked.episodes), 0, -1))
    machine = {
        "role": "analyzer",
        "source": asked.source,
        "success": asked.success,
        "labels": asked.labels,
        "components": asked.components,
        "channels": asked.channels,
        "evidence": asked.evidence,
    }

    def build(dropped: int) -> str:
        kept = len(asked.episodes) - max(0, dropped - len(curve))
        return render(
            "analyzer.md.j2",
            interface=asked.interface,
            candidate=asked.candidate,
            source=asked.source,
            success=asked.success,
            steps=asked.steps,
            labels=asked.labels,
            components=asked.components,
            curve=[] if dropped else asked.curve,
            channels=asked.channels,
            evidence=asked.evidence,
            learning=asked.learning,
            episodes=asked.episodes[:kept],
            comments=asked.comments,
            machine=machine if asked.facts else None,
        )

    return Draft(build, curve + episodes)


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
