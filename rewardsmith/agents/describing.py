"""The describer: drafts names, units, mechanics and the success condition of an environment from its source.

Its answer is data. Nothing of it is executed: paths have names and indices only, and the success condition is parsed by
the language of conditions. Functions, wrappers and constructor arguments are not accepted from a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rewardsmith.agents.asking import STANDARD, Draft, Limits, Outcome, ask
from rewardsmith.agents.models import LanguageModel, ReplayKey
from rewardsmith.agents.prompting import render
from rewardsmith.programs.reading import read_json

LONGEST_SOURCE = 40_000
"""Characters of an environment's source that a prompt shows."""

_SHORTER_SOURCE = 12_000

Text = Annotated[str, Field(max_length=600)]


class NamedVariable(BaseModel):
    """One variable of the state, as the model names it."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)
    name: Annotated[str, Field(max_length=32)]
    source: Annotated[str, Field(max_length=200)] | None = Field(default=None, alias="from")
    unit: Annotated[str, Field(max_length=40)] = ""
    doc: Text = ""
    entries: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=64)] = []


class NamedAction(BaseModel):
    """One action, or one entry of an action, as the model names it."""

    model_config = ConfigDict(extra="ignore")
    name: Annotated[str, Field(max_length=64)]
    doc: Text = ""


class Described(BaseModel):
    """The model's answer; what it leaves out stays as it was."""

    model_config = ConfigDict(extra="ignore")
    goal: Text = ""
    env_reward: Text = ""
    state: Annotated[list[NamedVariable], Field(max_length=256)] = []
    actions: Annotated[list[NamedAction], Field(max_length=256)] = []
    success: Text | None = None
    mechanics: Annotated[list[Text], Field(max_length=20)] = []


@dataclass(frozen=True)
class DescribeRequest:
    """A request to improve a drafted description.

    Attributes:
        draft: The draft as YAML, with what random play showed as comments.
        documentation: The docstring of the environment's class.
        source: The source of its module.
        problem: Why the last answer was refused; "" on the first request.
        round: Number of the request, from 0.
        limits: Lengths of prompt and answer.
    """

    draft: str
    documentation: str
    source: str
    problem: str = ""
    round: int = 0
    limits: Limits = STANDARD


def describe(model: LanguageModel, asked: DescribeRequest) -> Outcome:
    """Ask the describer. The outcome holds a Described, or the reason why no answer could be read."""
    # A request takes up to two calls, so rounds count attempts in steps of two.
    key = ReplayKey("describer", 0, 0, 2 * asked.round)
    return ask(model, key, describe_draft(asked), lambda text: read_json(text, Described), asked.limits)


def describe_draft(asked: DescribeRequest) -> Draft:
    """Return the describer's prompt. Only the source can be left out: first its end, then all of it."""
    lengths = (LONGEST_SOURCE, _SHORTER_SOURCE, 0)

    def build(dropped: int) -> str:
        return render(
            "describer.md.j2",
            draft=asked.draft,
            documentation=asked.documentation,
            source=asked.source[: lengths[dropped]],
            problem=asked.problem,
        )

    return Draft(build, ("the end of the source", "the source") if asked.source else ())
