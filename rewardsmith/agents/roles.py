"""Designer, Critic, Analyzer: build a prompt, ask a model, read the answer, ask once more if unreadable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rewardsmith.agents.models import LanguageModel, ReplayKey, Request, Role
from rewardsmith.agents.prompting import Call, ParentProgram, call_of, render
from rewardsmith.errors import BudgetSpent
from rewardsmith.methods.base import Method
from rewardsmith.programs.reading import ReadProgram, UnreadableAnswer, read_json, read_program
from rewardsmith.tasks.base import Interface

T = TypeVar("T")


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
    """What the designer is asked for."""

    method: Method
    interface: Interface
    iteration: int
    sample: int
    samples: int
    move: str  # new | revise | combine | repair
    depth: int  # repairs so far
    parents: list[ParentProgram]
    tried: list[dict[str, str]]
    subgoal_order: list[dict[str, Any]] | None = None
    dense_budget: float | None = None
    max_tokens: int = 4096


@dataclass(frozen=True)
class Outcome:
    """A readable result, or the reason there is none; and every call that was made."""

    result: Any
    reason: str | None
    calls: list[Call] = field(default_factory=list)


def design(model: LanguageModel, asked: DesignRequest) -> Outcome:
    """A program (ReadProgram), or the reason why the answers could not be read."""
    machine = {
        "role": "designer",
        "method": asked.method.name,
        "functions": list(asked.method.functions),
        "interface": asked.interface.facts,
        "subgoal_order": asked.subgoal_order,
        "move": asked.move,
        "iteration": asked.iteration,
        "sample": asked.sample,
        "samples": asked.samples,
        "parents": [asdict(p) for p in asked.parents],
    }
    prompt = render(
        "designer.md.j2",
        interface=asked.interface,
        contract=asked.method.contract,
        dense_budget=asked.dense_budget,
        subgoal_order=asked.subgoal_order,
        move=asked.move,
        sample=asked.sample,
        samples=asked.samples,
        parents=asked.parents,
        tried=asked.tried,
        machine=machine,
    )
    # Each design may take two calls, so repairs count attempts in steps of two.
    key = ReplayKey("designer", asked.iteration, asked.sample, 2 * asked.depth)
    return _ask(
        model,
        "designer",
        key,
        prompt,
        lambda text: read_program(text, asked.method.functions),
        asked.max_tokens,
    )


def review(
    model: LanguageModel,
    method: Method,
    interface: Interface,
    source: str,
    components: dict[str, dict[str, float]],
    played: dict[str, Any],
    key: ReplayKey,
) -> Outcome:
    """The critic's Review of a program that passed the automatic checks."""
    prompt = render(
        "critic.md.j2",
        interface=interface,
        contract=method.contract,
        dense_budget=next((c.budget for c in method.channels if c.budget is not None), None),
        source=source,
        components=components,
        transitions=played["transitions"],
        episodes=played["episodes"],
        machine={
            "role": "critic",
            "method": method.name,
            "functions": list(method.functions),
            "source": source,
            "components": components,
            "played": played,
        },
    )
    return _ask(model, "critic", key, prompt, lambda text: read_json(text, Review))


def analyze(
    model: LanguageModel,
    interface: Interface,
    candidate: str,
    source: str,
    success: float,
    steps: int,
    labels: dict[str, str],
    components: dict[str, dict[str, float]],
    episodes: list[str],
    key: ReplayKey,
) -> Outcome:
    """The analyzer's Reading of failed episodes."""
    prompt = render(
        "analyzer.md.j2",
        interface=interface,
        candidate=candidate,
        source=source,
        success=success,
        steps=steps,
        labels=labels,
        components=components,
        episodes=episodes,
        machine={
            "role": "analyzer",
            "source": source,
            "success": success,
            "labels": labels,
            "components": components,
        },
    )
    return _ask(model, "analyzer", key, prompt, lambda text: read_json(text, Reading))


def _ask(
    model: LanguageModel,
    role: Role,
    key: ReplayKey,
    prompt: str,
    read: Callable[[str], T],
    max_tokens: int = 4096,
) -> Outcome:
    """Ask, read; an answer that cannot be read goes back once with the reason."""
    system = render("system.md.j2")
    calls: list[Call] = []
    reason = ""
    for again in range(2):
        text = prompt if not again else f"{prompt}\n# Your last answer could not be read\n{reason}\n"
        this = ReplayKey(key.role, key.iteration, key.sample, key.attempt + again)
        request = Request(role, text, system, this, max_tokens)
        try:
            answer = model.complete(request)
        except BudgetSpent as error:
            return Outcome(None, error.cause, calls)
        calls.append(call_of(request, answer))
        if not answer.completed:
            reason = f"The {role}'s answer was {answer.outcome}."
            continue
        try:
            return Outcome(read(answer.text), None, calls)
        except UnreadableAnswer as error:
            reason = str(error)
    return Outcome(None, reason, calls)


__all__ = [
    "DesignRequest",
    "Issue",
    "Outcome",
    "ReadProgram",
    "Reading",
    "Review",
    "analyze",
    "design",
    "review",
]
