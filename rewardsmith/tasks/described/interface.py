"""A described task as a designer reads it: variables with units and ranges, actions, success, a worked example."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from rewardsmith.tasks.base import Interface
from rewardsmith.tasks.described import environments, flattening
from rewardsmith.tasks.described.lasting import requires_lasting
from rewardsmith.tasks.described.measured import RandomPlay, action_shown, values_of
from rewardsmith.tasks.schema import Field

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup


def interface_of(setup: Setup, success_rule: str, played: RandomPlay | None) -> Interface:
    """The text that a language model and `tasks describe` show, the facts behind it, and an example.

    Args:
        setup: The description and its environment.
        success_rule: When an episode succeeds, in a sentence.
        played: What random play showed; None if it was not measured.
    """
    d, actions = setup.description, setup.form.actions
    env = setup.make()
    try:
        places = flattening.places_of(env)
    finally:
        environments.close(env)
    example = _example(setup) if played is None else played.example.model_dump(exclude={"terminated"})
    lines = [f"Task {d.id}. {d.goal}", "", "State (read-only attributes of `state` and `prev`):"]
    lines += [_line(field, places, setup.unnamed, played) for field in setup.schema]
    lines += ["", *_actions(setup)]
    lines += ["", f"Environment reward: {d.env_reward}."] if d.env_reward else [""]
    lines += [f"{'Score' if d.score_rule else 'Success'}: {success_rule}", "", "Mechanics:"]
    lines += [f"  - {each}" for each in (*d.mechanics, *_engine(d.engine), _ending(d.max_steps, played))]
    lines += (
        ["", "Random play:", *(f"  {line}" for line in played.lines(scored=d.score_rule is not None))]
        if played is not None
        else []
    )
    lines += ["", *_told(example, played)]
    numbers = {v.name: (v.low, v.high) for v in d.state if v.length is None}
    facts = {
        "family": "variables",
        "fields": [f for f in setup.schema.as_dict()["fields"] if f["name"] not in setup.unnamed],
        "actions": [{"name": name} for name in actions.names],
        "action_kind": actions.kind,
        "success": d.condition or "",
        "success_requires_lasting": d.condition is not None and requires_lasting(d.condition, numbers, d.max_steps),
        "goal_conditioned": {"achieved_goal", "desired_goal"} <= {v.name for v in d.state},
        "max_steps": d.max_steps,
        **({"score": d.score_rule.direction} if d.score_rule else {}),
    }
    return Interface(d.id, d.goal, "\n".join(lines), facts, example)


def _engine(engine: str) -> list[str]:
    """A sentence on an engine that is not Gymnasium's."""
    told = "EnvPool steps the environment: its random numbers, and so results, differ from those of Gymnasium."
    return [told] if engine == "envpool" else []


def _ending(max_steps: int, played: RandomPlay | None) -> str:
    """The ends of episodes, as far as random play shows them."""
    limit = f"An episode ends after {max_steps} steps at the latest"
    if played is None or not played.episodes:
        return f"{limit}."
    if played.terminated:
        return f"{limit}; the environment may end it earlier (`terminated`)."
    return f"{limit}; in random play the environment ended none earlier."


def _told(example: Mapping[str, Any], played: RandomPlay | None) -> list[str]:
    """The example as lines."""
    if played is None:
        return [f"Example: prev = {example['prev']}, action = {example['action']}, state = {example['state']}"]
    ended = ", and the episode was terminated" if played.example.terminated else ""
    return [
        f"Example: prev = {example['prev']}, action = {example['action']}, state = {example['state']}",
        f"  The environment's reward of this step was {example['reward']:g}{ended}.",
    ]


def _line(f: Field, places: tuple[str, ...], unnamed: Collection[str], played: RandomPlay | None) -> str:
    span = f" in [{f.low:g}, {f.high:g}]" if f.low is not None else ""
    unit = f" {f.unit}" if f.unit else ""
    kind = f.kind
    if f.kind == "vector":
        names = f" ({', '.join(f.entries)})" if f.entries else ""
        kind = f"vector of {f.length} {f.of}s{names}"
    elif f.kind == "choice":
        kind = f"one of {', '.join(map(repr, f.values))}, or None"
    placed = f.kind == "float" and f.name not in unnamed and f.column < len(places)
    place = f" ({f.name} = {places[f.column]})" if placed else ""
    hidden = " (training only: the policy does not see it)" if f.training_only else ""
    hidden = " (seen by the policy; no variable names it)" if f.name in unnamed else hidden
    found = "" if played is None or f.name in ("step", "solved", "failed") else played.range_of(f.name)
    seen = f" (random play: {found})" if found else ""
    return f"  {f.name}: {kind}{span}{unit}{f' - {f.doc}' if f.doc else ''}{place}{hidden}{seen}"


def _actions(setup: Setup) -> list[str]:
    actions = setup.form.actions
    docs = actions.docs or ("",) * len(actions)
    if actions.discrete:
        lines = [
            f"  {name.upper()} = {i}{f' - {doc}' if doc else ''}"
            for i, (name, doc) in enumerate(zip(actions.names, docs, strict=True))
        ]
        return ["Actions (int constants):", *lines]
    what = {"box": "floats", "multi-discrete": "ints", "multi-binary": "ints 0 or 1"}[actions.kind]
    lines = []
    for i, (name, doc) in enumerate(zip(actions.names, docs, strict=True)):
        span = f" in [{actions.low[i]:g}, {actions.high[i]:g}]" if actions.low else ""
        span = f" from 0 to {actions.counts[i] - 1}" if actions.counts else span
        lines.append(f"  action.{name} = action[{i}]{span}{f' - {doc}' if doc else ''}")
    return [f"Action (a read-only tuple of {len(actions)} {what}):", *lines]


def _example(setup: Setup) -> dict[str, Any]:
    """The first transition of an episode, where no random play was measured."""
    before, action, after = setup.shown
    shown = action_shown(setup.form.actions, action)
    return {"prev": values_of(setup.schema, before), "action": shown, "state": values_of(setup.schema, after)}
