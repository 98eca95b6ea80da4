"""Programs of `synth`: derives milestones from the facts of an interface, then writes Python text.

This module names no task, no kind of object and no colour; they come from the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rewardsmith.agents.synth_variables import compose_for_variables


@dataclass(frozen=True)
class Composed:
    """A program and the reasoning that precedes it in the answer."""

    source: str
    thoughts: str


@dataclass(frozen=True)
class Milestone:
    """A milestone on the way to success.

    Attributes:
        says: The milestone in words.
        test: A Python expression over `state` that is true once the milestone is reached.
        wanted: A Python expression over an object `o`: whether the milestone needs it.
        lasting: Whether the milestone stays reached.
    """

    says: str
    test: str
    wanted: str
    lasting: bool = False


@dataclass(frozen=True)
class Style:
    """The guidance of a program between milestones.

    Attributes:
        approach: Reward a shorter distance to the object that the next milestone needs.
        explore: Reward cells not visited since the last milestone.
        passages: Reward doors opened for the first time.
        record: Reward only a new shortest distance.
        scale: Size of the guidance per step, for the method `free`.
    """

    approach: bool = True
    explore: bool = False
    passages: bool = False
    record: bool = False
    scale: float = 0.02

    def words(self) -> str:
        """Return the style as a list in words."""
        parts = []
        if self.approach:
            parts.append("a new shortest distance" if self.record else "progress in distance")
        if self.explore:
            parts.append("cells not yet visited")
        if self.passages:
            parts.append("passages opened for the first time")
        return ", ".join(parts) or "nothing"


_NEW = (
    Style(passages=True),
    Style(explore=True, passages=True),
    Style(approach=False, explore=True, passages=True),
    Style(record=True, passages=True),
    Style(approach=False),
)


def compose_program(machine: dict[str, Any]) -> Composed:
    """Compose a program from the machine-readable part of a designer's prompt."""
    facts = machine["interface"]
    if facts.get("family") == "variables":
        source, thoughts = compose_for_variables(machine)
        return Composed(source, thoughts)
    milestones = milestones_of(facts, machine.get("subgoal_order"))
    style = _style(machine, has_passages=has_passages(facts))
    dies = bool(facts.get("world", {}).get("lava")) or bool(facts["goal"].get("fails_on_mistake"))
    write = _write_dense_and_sparse if "dense" in machine["functions"] else _write_free
    steps = "; ".join(m.says for m in milestones) or "none"
    thoughts = f"Milestones in order: {steps}; then success. Each pays once. Between them: {style.words()}."
    return Composed(write(milestones, style, dies, _shut_states(facts)), thoughts)


@dataclass(frozen=True)
class Guided:
    """The parts of a program that other contracts share.

    Attributes:
        milestones: The milestones in order.
        style: The guidance in words.
        lines: Definitions of stage_of(state) and guidance(before, after, state, memory).
        step: Lines of a function of (prev, action, state, memory) that set the stages `before` and `after` of a step.
    """

    milestones: list[Milestone]
    style: str
    lines: list[str]
    step: tuple[str, ...]


def guided_parts(machine: dict[str, Any]) -> Guided:
    """Compose stages and guidance, of weight 1, from the machine-readable part of a designer's prompt."""
    facts = machine["interface"]
    milestones = milestones_of(facts, machine.get("subgoal_order"))
    style = _style(machine, has_passages=has_passages(facts))
    text = _shared(milestones, style, _shut_states(facts))
    text.add("", "def guidance(before, after, state, memory):", *_guidance(style, "1.0"), "")
    return Guided(milestones, style.words(), text.lines, _STEP)


# --- milestones ------------------------------------------------------------------------------------------


def milestones_of(facts: dict[str, Any], order: list[dict[str, Any]] | None) -> list[Milestone]:
    """Return the milestones in order: from the planner's events if given, else from which kind unlocks which."""
    if order:
        found = [m for event in order if (m := _from_event(event, facts)) is not None]
    else:
        found = _from_affordances(facts)
    return _cumulative(found)


def _cumulative(milestones: list[Milestone]) -> list[Milestone]:
    """Let a transient milestone, such as empty hands, count only after the lasting one before it."""
    lasting, found = "", []
    for m in milestones:
        found.append(m if m.lasting or not lasting else replace(m, test=f"{lasting} and {m.test}"))
        if m.lasting:
            lasting = m.test
    return found


def _from_event(event: dict[str, Any], facts: dict[str, Any]) -> Milestone | None:
    kind, name = event.get("kind"), event["event"]
    if kind is None or event.get("final"):
        return None
    if name == "picked_up":
        return _carry(kind, facts)
    if name == "unlocked":
        return _unlock(kind)
    if name == "opened_box":
        return Milestone(
            f"open every {kind}",
            f"not any(o.kind == {kind!r} for o in state.objects)",
            f"o.kind == {kind!r}",
            lasting=True,
        )
    if name == "dropped":
        return _empty_hands(kind, facts)
    return None  # passing ordinary doors is left to exploration: how many there are differs by layout


def _carry(kind: str, facts: dict[str, Any]) -> Milestone:
    held = f"state.carrying is not None and state.carrying.kind == {kind!r}"
    wanted = f"o.kind == {kind!r}"
    opens = facts["kinds"].get(kind, {})
    several = facts.get("object_counts", {}).get(kind, {}).get("max", 1) > 1
    if opens.get("same") and several:
        # Only a tool that fits a still locked object counts.
        lock = f"d.state == 'locked' and d.{opens['same']} == "
        held += f" and any({lock}state.carrying.{opens['same']} for d in state.objects)"
        wanted += f" and any({lock}o.{opens['same']} for d in state.objects)"
    return Milestone(f"carry the {kind}", f"({held})", wanted)


def _unlock(kind: str) -> Milestone:
    return Milestone(
        f"unlock the {kind}",
        f"not any(o.state == 'locked' for o in state.objects if o.kind == {kind!r})",
        f"o.kind == {kind!r} and o.state == 'locked'",
        lasting=True,
    )


def _empty_hands(kind: str, facts: dict[str, Any]) -> Milestone:
    # Only beside the target: if the object is put down elsewhere, a policy without memory is back where it began.
    beside = "abs(o.x - state.agent.x) + abs(o.y - state.agent.y) <= 3"
    if _shut_states(facts) is not None:
        beside = "0 <= o.walk_distance <= 3"
    return Milestone(
        f"put down the {kind} beside the target",
        f"(state.carrying is None or state.carrying.target) and any(o.target and {beside} for o in state.objects)",
        "o.target",
    )


def _from_affordances(facts: dict[str, Any]) -> list[Milestone]:
    """Milestones from the kinds that unlock others, and from whether the goal needs free hands."""
    found: list[Milestone] = []
    for kind, about in facts["kinds"].items():
        unlocking = about.get("unlocked_by")
        if not unlocking or "locked" not in about.get("states_at_start", []):
            continue
        tool = unlocking["kind"]
        found += [_carry(tool, facts), _unlock(kind)]
        one_hand = facts.get("world", {}).get("one_carried_at_most")
        if facts["goal"]["relation"] == "carry" and one_hand and tool not in facts["goal"]["kinds"]:
            found.append(_empty_hands(tool, facts))
    return found


def _shut_states(facts: dict[str, Any]) -> tuple[str, ...] | None:
    """States of passages that open without a tool; None if objects have no walking distances."""
    lists = [f for f in facts["fields"] if f["kind"] == "list"]
    if not any(field["name"] == "walk_distance" for f in lists for field in f["fields"]):
        return None
    blocking = [state for about in facts["kinds"].values() for state in about.get("blocks_when", [])]
    return tuple(state for state in blocking if state != "locked")


def has_walks(facts: dict[str, Any]) -> bool:
    """Whether objects have walking distances."""
    return _shut_states(facts) is not None


def has_passages(facts: dict[str, Any]) -> bool:
    """Whether an object that opens without a tool is closed at the start of an episode."""
    return any("closed" in about.get("states_at_start", []) for about in facts["kinds"].values())


# --- guidance --------------------------------------------------------------------------------------


def _style(machine: dict[str, Any], *, has_passages: bool) -> Style:
    """New programs cycle through the styles; revisions follow the diagnosis of the best program."""
    parents = machine.get("parents") or []
    if machine["move"] in ("new", "repair") or not parents:
        turn = machine["sample"] + machine["samples"] * (machine["iteration"] - 1)
        if machine["move"] == "repair":
            turn += 1 + machine["samples"]
        chosen = _NEW[turn % len(_NEW)]
        return replace(chosen, passages=chosen.passages and has_passages)
    style = _read_style(parents[0]["source"])
    if machine["move"] == "combine" and len(parents) > 1:
        other = _read_style(parents[1]["source"])
        return replace(
            style,
            approach=style.approach or other.approach,
            explore=style.explore or other.explore,
            passages=(style.passages or other.passages) and has_passages,
        )
    return _revised(style, set(parents[0].get("labels", {})), has_passages)


def _revised(style: Style, labels: set[str], has_passages: bool) -> Style:
    if labels & {"shaping dominates", "saturated", "exploited", "oscillation"}:
        return replace(style, record=True, explore=False, scale=style.scale / 4)
    if labels & {"stalled", "weak shaping", "never fires"}:
        if not style.approach:
            return replace(style, approach=True)
        return replace(style, explore=True, passages=has_passages)
    if "unstable" in labels:
        return replace(style, scale=style.scale / 2, explore=False)
    return replace(style, record=not style.record)


def _read_style(source: str) -> Style:
    """Recover the style of a program from words in its text; a guess for programs that synth did not write."""
    return Style(
        approach="nearest" in source or "distance" in source,
        explore='"visited"' in source or "visited" in source,
        passages='"opened"' in source,
        record='"best"' in source,
    )


# --- Python text -----------------------------------------------------------------------------------------


@dataclass
class _Text:
    lines: list[str] = field(default_factory=list)

    def add(self, *lines: str) -> None:
        self.lines += lines

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def _shared(milestones: list[Milestone], style: Style, shut: tuple[str, ...] | None) -> _Text:
    text = _Text()
    walks = style.approach or any("walk_distance" in m.test for m in milestones)
    if shut is not None and walks:
        text.add('USES = ["walk_distance"]', "FAR = 1000  # more than any walk", "", "")
    text.add("def stage_of(state):", '    """How many milestones are behind the agent, by the present state."""')
    text.add(*_stages(milestones), "")
    if not style.approach:
        return text
    text.add("", "def nearest(stage, state):", '    """Steps to the nearest object that is needed next."""')
    for index, m in enumerate(milestones):
        text.add(f"    {'el' if index else ''}if stage == {index}:")
        text.add(f"        wanted = [o for o in state.objects if {m.wanted}]")
    indent = "        " if milestones else "    "
    text.add(*["    else:"] * bool(milestones), f"{indent}wanted = [o for o in state.objects if o.target]")
    if shut is None:
        text.add("    x, y = state.agent.x, state.agent.y")
        text.add("    return min([abs(o.x - x) + abs(o.y - y) for o in wanted], default=None)", "")
        return text
    text.add(
        "    ways = [o.walk_distance for o in wanted if o.walk_distance >= 0]",
        "    if ways or not wanted:",
        "        return min(ways, default=None)",
        "    # No way there yet: the nearest passage that can be opened comes first.",
        f"    shut = [o.walk_distance for o in state.objects if o.state in {shut!r} and o.walk_distance >= 0]",
        "    return FAR + min(shut, default=FAR)",
        "",
    )
    return text


def _stages(milestones: list[Milestone]) -> list[str]:
    """The body of stage_of(): the last milestone that holds decides; one that lasts is tested once."""
    lines: list[str] = []
    names: dict[str, str] = {}
    for index, m in enumerate(milestones):
        if m.lasting:
            names[m.test] = f"past_{index + 1}"
            lines.append(f"    past_{index + 1} = {m.test}  # {m.says}")
    for index in reversed(range(len(milestones))):
        test = milestones[index].test
        for whole, name in names.items():
            test = test.replace(whole, name)
        lines += [f"    if {test}:", f"        return {index + 1}  # {milestones[index].says}"]
    return [*lines, "    return 0"]


def _guidance(style: Style, weight: str) -> list[str]:
    """The body of guidance(before, after, state, memory): what one step earns beside milestones."""
    lines = [f"    gain = {weight} * (after - before)"]
    if style.approach:
        lines += ["    distance = nearest(after, state)"]
    if style.approach and style.record:
        lines += [
            '    best = memory.setdefault("best", {})',
            "    if distance is not None:",
            "        if after in best and distance < best[after]:",
            f"            gain += {weight}",
            "        best[after] = min(distance, best.get(after, distance))",
        ]
    elif style.approach:
        lines += [
            '    last = memory.get("distance")',
            "    if before == after and distance is not None and last is not None:",
            f"        gain += {weight} * (last - distance)",
            '    memory["distance"] = distance',
        ]
    if style.explore:
        lines += [
            '    visited = memory.setdefault("visited", set())',
            "    cell = (after, state.agent.x, state.agent.y)",
            "    if cell not in visited:",
            "        visited.add(cell)",
            f"        gain += {weight}",
        ]
    if style.passages:
        lines += [
            '    if state.event == "opened" and state.event_object is not None:',
            '        opened = memory.setdefault("opened", set())',
            "        if state.event_object.id not in opened:",
            "            opened.add(state.event_object.id)",
            f"            gain += {weight}",
        ]
    return [*lines, "    return gain"]


_STEP = (
    '    before = memory["stage"] if "stage" in memory else stage_of(prev)',
    '    after = memory["stage"] = stage_of(state)',
)
_PAID_ONCE = (
    '    if after > memory.get("paid", 0):',
    '        memory["paid"] = after',
)


def _write_dense_and_sparse(milestones: list[Milestone], style: Style, dies: bool, shut: tuple[str, ...] | None) -> str:
    text = _shared(milestones, style, shut)
    text.add("", "def sparse(prev, action, state, memory):", *_STEP)
    text.add('    memory["step"] = (before, after)  # dense() is called next, for the same step')
    text.add("    if state.solved:", "        return 1.0")
    if dies:
        text.add('    if state.event == "died":', "        return -1.0")
    text.add(*_PAID_ONCE, "        return 1.0", "    return 0.0", "")
    text.add("", "def dense(prev, action, state, memory):", '    before, after = memory["step"]')
    text.add(*_guidance(style, "1.0"))
    return text.text()


def _write_free(milestones: list[Milestone], style: Style, dies: bool, shut: tuple[str, ...] | None) -> str:
    text = _shared(milestones, style, shut)
    text.add("", "def guidance(before, after, state, memory):", *_guidance(style, repr(style.scale)), "")
    text.add("", "def reward(prev, action, state, memory):", *_STEP, "    milestone = 0.0", *_PAID_ONCE)
    text.add("        milestone = 0.5", "    parts = {")
    text.add('        "milestone": milestone,', '        "guidance": guidance(before, after, state, memory),')
    text.add('        "success": 1.0 if state.solved else 0.0,')
    if dies:
        text.add('        "death": -0.5 if state.event == "died" else 0.0,')
    text.add("    }", "    return parts")
    return text.text()
