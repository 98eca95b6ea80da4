"""`rewardsmith tasks new --model`: a language model improves a drafted description, which is then examined as any."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rewardsmith.agents.describing import Described, DescribeRequest, NamedVariable, describe
from rewardsmith.agents.models import Answer, LanguageModel, ModelAround, Request
from rewardsmith.agents.registry import Reach, open_model
from rewardsmith.agents.replay import RecordingModel
from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks.described import documentation, environments
from rewardsmith.tasks.described.description import Description, Entry, Variable, explain, is_function
from rewardsmith.tasks.described.drafts import Draft
from rewardsmith.tasks.described.finding_grids import is_grid
from rewardsmith.tasks.described.task import DescribedTask, task_of
from rewardsmith.tasks.described.writing import as_yaml

ROUNDS = 3
"""Times that a model is asked for a description, repairs included."""


@dataclass(frozen=True)
class ModelChoice:
    """Which model drafts, and how it is reached.

    Attributes:
        name: A litellm id, or a built-in adapter.
        api_base: Address of a self-hosted server.
        record: Cassette to write, or None.
        replay: Cassette to answer from, or None.
        parameters: Parameters of the model, as in the setting MODEL_PARAMETERS.
    """

    name: str
    api_base: str | None = None
    record: Path | None = None
    replay: Path | None = None
    parameters: str | None = None

    def open(self) -> LanguageModel:
        """Open it. Raises UsageError for adapters that describe nothing, and ModelFailed."""
        if self.replay is None and self.name in ("synth", "none"):
            raise UsageError(
                f"The model {self.name!r} writes no descriptions.",
                "Pass a language model to --model, such as openai/gpt-4o, or leave it out.",
            )
        model = open_model(
            f"replay:{self.replay}" if self.replay is not None else self.name,
            Reach(self.api_base, parameters=self.parameters),
        )
        return model if self.record is None else RecordingModel(model, self.record)


class Counted(ModelAround):
    """A model that counts its calls, their tokens and their price.

    Attributes:
        calls: Answers received.
        tokens: Tokens sent and received; None if an answer did not report them.
        usd: Price in dollars; None if that of an answer is unknown.
    """

    def __init__(self, inner: LanguageModel) -> None:
        super().__init__(inner)
        self.calls, self.tokens, self.usd = 0, 0, 0.0

    calls: int
    tokens: int | None
    usd: float | None

    def complete(self, request: Request) -> Answer:
        """Return the inner model's answer, counted."""
        answer = self.inner.complete(request)
        used = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        self.calls += 1
        self.tokens = None if self.tokens is None or None in used else self.tokens + sum(u or 0 for u in used)
        self.usd = None if self.usd is None or answer.price_usd is None else self.usd + answer.price_usd
        return answer

    def line(self) -> str:
        """Return the figures in a sentence."""
        tokens = "unknown tokens" if self.tokens is None else f"{self.tokens:,} tokens"
        price = "of unknown price" if self.usd is None else f"${self.usd:.4f}"
        return f"{self.name}: {self.calls} call{'s' if self.calls != 1 else ''}, {tokens}, {price}."


def improve(draft: Draft, model: LanguageModel) -> Draft:
    """Let a model name the variables and actions of a draft, and say what happens and when an episode succeeds.

    The result is examined as any description is; what is wrong with it is told to the model, at most twice.

    Raises:
        UsageError: If no answer of the model is a sound description.
        ModelFailed: If the model could not be called.
    """
    if is_grid(draft.description, draft.folder):
        raise UsageError(
            f"The state of {draft.description.id} has MiniGrid's names, which need no draft.",
            "Run the command without --model, and say in `goal` and `mechanics` what is particular.",
        )
    base = DescribedTask(draft.description, draft.folder, examined=True)
    env = base.make_env()
    try:
        kind = type(env.unwrapped)
    finally:
        environments.close(env)
    sourced = _sourced(base)
    shown, told = as_yaml(sourced, draft.comments), documentation.documentation_of(kind)
    problem = ""
    for number in range(ROUNDS):
        outcome = describe(model, DescribeRequest(shown, told, source_of(kind), problem, number))
        if outcome.result is None:
            problem = outcome.reason or "There was no answer."
            continue
        try:
            description = applied(sourced, outcome.result)
            examined = task_of(description, draft.folder)
            if isinstance(examined, DescribedTask):  # refused above unless the answer changed that
                examined.random_play()
        except (UsageError, TaskError) as error:
            problem = f"{error.cause} {error.remedy}"
            continue
        return draft.with_description(description)
    raise UsageError(
        f"The model gave no sound description in {ROUNDS} attempts. The last problem: {problem}",
        "Run the command without --model and edit the file, or use another model.",
    )


def _sourced(task: DescribedTask) -> Description:
    """The description with the source of every variable, by which an answer refers to it."""
    data = task.described.model_dump(by_alias=True, exclude_unset=True)
    if task.described.state_function is None and task.described.python is None:
        found = task.description.state
        known = {v.name: v.model_dump(by_alias=True, exclude_unset=True) for v in task.described.state}
        data["state"] = [{**known.get(v.name, {"name": v.name}), "from": v.source} for v in found]
    return Description.model_validate(data)


def source_of(kind: type) -> str:
    """The source of an environment's module, its class first; "" if Python does not have it."""
    try:
        own, module = inspect.getsource(kind), inspect.getmodule(kind)
        rest = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError):
        return ""
    return own + "\n\n" + rest.replace(own, "")


def applied(base: Description, found: Described) -> Description:
    """The description with what a model says of it.

    Raises:
        UsageError: If the answer names a function, a path of hidden attributes, or does not fit the description.
    """
    data = base.model_dump(by_alias=True, exclude_unset=True)
    data |= {key: text for key in ("goal", "env_reward") if (text := getattr(found, key).strip())}
    if found.mechanics:
        data["mechanics"] = list(found.mechanics)
    if found.actions:
        data["actions"] = [
            Entry(name=each.name, doc=each.doc).model_dump(exclude_defaults=True) for each in found.actions
        ]
    if found.state:
        data["state"] = _variables(base, found.state)
    if found.success is not None and found.success.strip():
        if is_function(found.success.strip()):
            raise UsageError(
                f"`success` names a function, {found.success!r}.", "Give a condition; functions are not accepted."
            )
        data = {key: value for key, value in data.items() if key not in ("score", "threshold", "direction")}
        data["success"] = found.success.strip()
    try:
        return Description.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"The description is wrong: {explain(error)}.", "Correct these fields.") from error


def _variables(base: Description, found: list[NamedVariable]) -> list[dict[str, Any]]:
    by_function = base.state_function is not None or base.python is not None
    names = {v.name: v for v in base.state}
    sources = {v.source: v for v in base.state if v.source is not None}
    hidden = [v.source for v in found if v.source is not None and "__" in v.source]
    lost = [v.name for v in found if v.source is None and v.name not in names]
    if hidden or lost:
        told = [*(f"{source!r} reads a hidden attribute" for source in hidden), *(f"{n} has no `from`" for n in lost)]
        raise UsageError(f"The state cannot be read: {'; '.join(told)}.", "Give each variable its source in `from`.")
    made = [_variable(v, sources.get(v.source) if v.source is not None else names.get(v.name)) for v in found]
    # What a function returns has its names from the function; a variable that is not mentioned stays.
    kept = [v for v in base.state if by_function and v.name not in {each["name"] for each in made}]
    return [*made, *(v.model_dump(by_alias=True, exclude_unset=True) for v in kept)]


def _variable(found: NamedVariable, before: Variable | None) -> dict[str, Any]:
    data = {} if before is None else before.model_dump(by_alias=True, exclude_unset=True)
    data |= {"name": found.name}
    told = {"from": found.source, "unit": found.unit, "doc": found.doc, "entries": found.entries}
    return {**data, **{key: value for key, value in told.items() if value}}


def require_confirmable(yes: bool, terminal: bool) -> None:
    """Raises UsageError if no one could confirm what a model drafts: before it is asked, so that nothing is spent."""
    if not yes and not terminal:
        raise UsageError(
            "A model's draft must be confirmed, and this is no terminal.", "Pass --yes to accept it unseen."
        )
