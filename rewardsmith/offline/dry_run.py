"""`rewardsmith run --dry-run`: the first prompts of a job, and an upper bound on its calls, tokens and cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewardsmith.agents import roles
from rewardsmith.agents.asking import Draft
from rewardsmith.agents.models import ReplayKey, Request
from rewardsmith.agents.pricing import bound_of, estimated_price, estimated_tokens
from rewardsmith.agents.prompting import render
from rewardsmith.agents.recorded import PREFIX, read_about
from rewardsmith.engine.jobs.lifecycle import check_budget, with_score
from rewardsmith.engine.jobs.settling import settle_training
from rewardsmith.engine.jobs.templates import with_templates
from rewardsmith.engine.models.open import lengths, models_of, own_prompts, reads_facts
from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.contract import Contract
from rewardsmith.spec import JobSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import named_by_hand, planner_of
from rewardsmith.tasks.subgoals import planner_events, subgoal_order
from rewardsmith.training.briefing import briefing
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.schedule import schedule

_ANALYSED = 2  # programs per round that the analyzer reads
LIKELY_ANSWER = 1_500
"""Tokens of a usual answer, for the likely cost: a program with a few sentences has 500 to 1,500."""
_ROUNDS = 2  # an unreadable answer is requested a second time


@dataclass(frozen=True)
class Plan:
    """The first prompts of a job, and an upper bound on its language-model calls.

    Attributes:
        prompts: (name, text) of each prompt of the first round.
        estimates: Estimated tokens of each prompt.
        calls: Largest number of calls of the whole job.
        tokens: Largest number of tokens of these calls.
        usd: Largest cost of these calls in dollars; None if a price is unknown.
        limited: Whether the job has a limit on calls, tokens or dollars.
        trained: Whether the method also calls a model during training. These calls are not counted.
        spec: The settings with which the job would be created.
        likely_calls: Calls of the whole job if each answer is readable and each program passes its checks at once.
        likely_usd: Their cost in dollars, with answers of LIKELY_ANSWER tokens; None if a price is unknown.
    """

    prompts: list[tuple[str, str]]
    estimates: list[int]
    calls: int
    tokens: int
    usd: float | None
    limited: bool
    trained: bool
    spec: JobSpec
    likely_calls: int = 0
    likely_usd: float | None = 0.0

    @property
    def forecast(self) -> str:
        """What the job is likely to cost and what it can cost at most, in a sentence."""
        likely, most = (_dollars(usd) for usd in (self.likely_usd, self.usd))
        limits = ", less where its own limits are lower" if self.limited else ""
        return (
            f"Calls of models: about {self.likely_calls:,}, {likely}, if every program passes its checks at once; "
            f"at most {self.calls:,}, {most}{limits}."
        )

    def lines(self) -> list[str]:
        """Return the figures as sentences, one a line."""
        price = _dollars(self.usd)
        found = [
            f"{len(self.prompts)} prompts of the first round, about {sum(self.estimates):,} tokens together",
            f"at most {self.calls:,} calls, {self.tokens:,} tokens, {price}: if all rounds are used, every program is "
            "repaired as often as allowed, and every answer is requested twice and has the largest length",
        ]
        found.insert(
            1, f"likely {self.likely_calls:,} calls, {_dollars(self.likely_usd)}: if every program passes at once"
        )
        if self.limited:
            found.append("the job stops before it exceeds its own limits on calls, tokens or dollars")
        if self.trained:
            found.append("the method also calls a model during training, limited only by the job's budget")
        if sees_planner(self.spec):
            found.append(PLANNER_SHOWN)
        return found


def plan_calls(spec: JobSpec) -> Plan:
    """Return the first prompts of a job and the bound on its calls. Raises UsageError as `create_job` does."""
    check_budget(spec)
    spec = with_templates(spec)
    settled = settled_training(spec)
    spec = with_score(spec, get_task(spec.task, spec.description))
    drafts = [(f"designer, sample {sample}", _first_draft(spec, sample)) for sample in range(spec.samples)]
    prompts = [(name, draft.build(draft.fit(spec.prompt_tokens))) for name, draft in drafts]
    system = render("system.md.j2", own_prompts(spec))
    designs = spec.iterations * spec.samples * (1 + spec.repairs) * _ROUNDS if spec.model != "none" else 0
    candidates = _contract(spec).candidates
    merged = spec.iterations * spec.samples * candidates * _ROUNDS if candidates > 1 else 0
    counts = {"designer": designs + merged, "critic": designs, "analyzer": spec.iterations * _ANALYSED * _ROUNDS}
    if spec.model == "none":
        counts = dict.fromkeys(counts, 0)
    # Evidence is cut to prompt_tokens estimated tokens; the contract and the task are never cut.
    longest = max([3.5 * spec.prompt_tokens, *(len(prompt.encode()) for _, prompt in prompts)])
    tokens, usd = 0, 0.0
    unknown = False
    for role, count in counts.items():
        key = ReplayKey(role, 0, 0)  # type: ignore[arg-type]
        request = Request(key.role, "x" * int(longest), system, key, spec.answer_tokens)
        bounds = [bound_of(name, request) for name in models_of(spec, role)]
        tokens += count * max(bound.tokens for bound in bounds)
        unknown = unknown or any(bound.usd is None for bound in bounds)
        usd += count * max(bound.usd or 0.0 for bound in bounds)
    budget = spec.budget
    limited = any(limit is not None for limit in (budget.calls, budget.tokens, budget.dollars))
    recipe = recipe_of(spec)
    trained = recipe.modelled and recipe.asks_in_training
    estimates = [estimated_tokens(system, prompt) for _, prompt in prompts]
    likely = _likely(spec, max(estimates, default=0)) if spec.model != "none" else (0, 0.0)
    return Plan(
        prompts, estimates, sum(counts.values()), tokens, None if unknown else usd, limited, trained, settled, *likely
    )


def _likely(spec: JobSpec, prompt_tokens: int) -> tuple[int, float | None]:
    """Return the likely number of calls and their cost; a round's prompts are about as long as the first."""
    rounds, each = spec.iterations, spec.samples
    counts = {"designer": rounds * each, "critic": rounds * each, "analyzer": rounds * min(_ANALYSED, each)}
    prices = [estimated_price(models_of(spec, role)[0], prompt_tokens, LIKELY_ANSWER) for role in counts]
    if None in prices:
        return sum(counts.values()), None
    return sum(counts.values()), sum(n * (p or 0.0) for n, p in zip(counts.values(), prices, strict=True))


def _dollars(usd: float | None) -> str:
    return "of unknown price" if usd is None else f"${usd:.4f}"


def _recordings(spec: JobSpec) -> list[str]:
    """Return who wrote the recorded answers that a job is given, a sentence per recording."""
    names = {name for role in ("designer", "critic", "analyzer") for name in models_of(spec, role)}
    folders = [Path(name.removeprefix(PREFIX)) for name in sorted(names) if name.startswith(PREFIX)]
    return [read_about(folder).words for folder in folders]


PLANNER_SHOWN = (
    "The designer is shown the planner's order of subgoals, which is privileged: the results will be oracle-informed. "
    "--no-planner hides it."
)


def sees_planner(spec: JobSpec) -> bool:
    """Return whether the prompts of the job's designer show the planner's order of subgoals."""
    known = planner_of(get_task(spec.task, spec.description)) is not None
    return asks_designer(spec) and spec.shows_planner() and known


def settled_training(spec: JobSpec) -> JobSpec:
    """Return the settings with which `create_job` would create the job. Raises UsageError as it does."""
    task = get_task(spec.task, spec.description)
    settled = settle_training(spec, task, recipe_of(spec))
    require_algorithm(task, settled.training)
    return settled


def renamed(spec: JobSpec) -> tuple[str, ...]:
    """Return a sentence for each setting and option of a job that was given by a former name. Raises UsageError."""
    return recipe_of(spec).renamed


def notices(spec: JobSpec) -> list[str]:
    """Return notices for the user before the job starts.

    They state what is privileged, which models are replaced by rules, the length of a trial if whole rollouts change
    it, and warn of the order of a flattened Dict observation. Raises UsageError if the task is unknown.
    """
    task = get_task(spec.task, spec.description)
    plans = schedule(task, spec.training, spec.steps)
    steps = plans.total * plans.per_rollout
    near = abs(steps - spec.steps) <= 0.01 * spec.steps
    text = f"A trial takes {steps:,} environment steps, a multiple of the rollout length of {plans.per_rollout:,}."
    described = named_by_hand(task)
    warning = None if described is None else described.order_warning()
    return [
        *([PLANNER_SHOWN] if sees_planner(spec) else []), *_recordings(spec),
        *recipe_of(spec).notices, *([] if near else [text]),
        *([warning] if warning else []),
    ]  # fmt: skip


def asks_designer(spec: JobSpec) -> bool:
    """Return whether the job asks a model or a person for programs."""
    return spec.searches and recipe_of(spec).contract is not None


def describe_methods() -> list[dict[str, Any]]:
    """Return the table of `rewardsmith methods`: name, combinable or not, summary, and options with defaults."""
    return [
        {
            "method": m.name,
            "combines": m.combines,
            "summary": m.summary,
            "options": [f"{name}={field.default}" for name, field in m.Options.model_fields.items()],
        }
        for m in all_methods().values()
    ]


def _contract(spec: JobSpec) -> Contract:
    contract = recipe_of(spec).contract
    if contract is None:
        raise UsageError(
            f"The method {spec.method} does not use a designer model, so there is no prompt to show.",
            "Start the job without --dry-run.",
        )
    return contract


def _first_draft(spec: JobSpec, sample: int) -> Draft:
    task, contract = get_task(spec.task, spec.description), _contract(spec)
    given = recipe_of(spec).given(task)
    order = subgoal_order(task) if spec.shows_planner() else None
    asked = roles.DesignRequest(
        contract=contract,
        interface=briefing(task, spec),
        iteration=1,
        sample=sample,
        samples=spec.samples,
        move="new",
        depth=0,
        parents=[],
        tried=[],
        subgoal_order=list(order) if order else None,
        planner_events=(planner_events(task) or ()) if order else (),
        given=given,
        facts=reads_facts(spec, "designer"),
        scale=spec.score,
        episode_cap=spec.episode_cap,
        limits=lengths(spec),
        prompts=own_prompts(spec),
    )
    return roles.design_draft(asked)
