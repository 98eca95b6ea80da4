"""How `synth` writes programs: a plan of milestones out of an interface's facts, then Python text.

Nothing here names a task, a kind of object or a colour; those come from the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rewardsmith.agents.synth_variables import compose_for_variables


@dataclass(frozen=True)
class Composed:
    """A program and the words before it."""

    source: str
    thoughts: str


@dataclass(frozen=True)
class Milestone:
    """Something that must happen on the way: `test` is an expression over `state`, `wanted` one over `o`."""

    says: str
    test: str
    wanted: str


@dataclass(frozen=True)
class Style:
    """Which guidance a program gives between milestones."""

    approach: bool = True  # distance to what the next milestone needs
    explore: bool = False  # cells not yet visited since the last milestone
    passages: bool = False  # doors opened for the first time
    record: bool = False  # approach pays a new best only
    scale: float = 0.02  # size of guidance in free form

    def words(self) -> str:
        """The style in a sentence's parts."""
        parts = []
        if self.approach:
            parts.append("a new shortest distance" if self.record else "progress in distance")
        if self.explore:
            parts.append("cells not yet visited")
        if self.passages:
            parts.append("passages opened for the first time")
        return ", ".join(parts) or "nothing"


_NEW = (
    Style(),
    Style(explore=True, passages=True),
    Style(approach=False, explore=True, passages=True),
    Style(record=True, passages=True),
    Style(approach=False),
)


def compose_program(machine: dict[str, Any]) -> Composed:
    """A program for a designer's request, from the prompt's machine-readable part alone."""
    facts = machine["interface"]
    if facts.get("family") == "variables":
        source, thoughts = compose_for_variables(machine)
        return Composed(source, thoughts)
    milestones = _milestones(facts, machine.get("subgoal_order"))
    style = _style(machine, has_passages=_has_passages(facts))
    dies = bool(facts.get("world", {}).get("lava")) or bool(facts["goal"].get("fails_on_mistake"))
    write = _write_dense_and_sparse if "dense" in machine["functions"] else _write_free
    steps = "; ".join(m.says for m in milestones) or "none"
    thoughts = f"Milestones in order: {steps}; then success. Each pays once. Between them: {style.words()}."
    return Composed(write(milestones, style, dies), thoughts)


# --- what to do ------------------------------------------------------------------------------------------


def _milestones(facts: dict[str, Any], order: list[dict[str, Any]] | None) -> list[Milestone]:
    if order:
        return [m for event in order if (m := _from_event(event, facts)) is not None]
    return _from_affordances(facts)


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
            f"open a {kind}",
            f"state.event == {name!r}",
            f"o.kind == {kind!r}",
        )
    if name == "dropped":
        return _empty_hands(kind)
    return None  # passing ordinary doors is left to exploration: how many there are differs by layout


def _carry(kind: str, facts: dict[str, Any]) -> Milestone:
    wanted = f"o.kind == {kind!r} and not o.carried"
    opens = facts["kinds"].get(kind, {})
    if opens.get("same"):
        lock = f"any(d.state == 'locked' and d.{opens['same']} == o.{opens['same']} for d in state.objects)"
        wanted += f" and {lock}"
        test = f"any(o.kind == {kind!r} and o.carried and {lock} for o in state.objects)"
        return Milestone(f"carry the {kind} that fits", test, wanted)
    return Milestone(f"carry a {kind}", f"any(o.kind == {kind!r} and o.carried for o in state.objects)", wanted)


def _unlock(kind: str) -> Milestone:
    return Milestone(
        f"unlock the {kind}",
        f"not any(o.kind == {kind!r} and o.state == 'locked' for o in state.objects)",
        f"o.kind == {kind!r} and o.state == 'locked'",
    )


def _empty_hands(kind: str) -> Milestone:
    return Milestone(
        f"put down the {kind}",
        "state.carrying is None or state.carrying.target",
        "o.target",
    )


def _from_affordances(facts: dict[str, Any]) -> list[Milestone]:
    """What unlocks what, and whether hands must be free for the goal."""
    found: list[Milestone] = []
    for kind, about in facts["kinds"].items():
        unlocking = about.get("unlocked_by")
        if not unlocking or "locked" not in about.get("states_at_start", []):
            continue
        tool = unlocking["kind"]
        found += [_carry(tool, facts), _unlock(kind)]
        one_hand = facts.get("world", {}).get("one_carried_at_most")
        if facts["goal"]["relation"] == "carry" and one_hand and tool not in facts["goal"]["kinds"]:
            found.append(_empty_hands(tool))
    return found


def _has_passages(facts: dict[str, Any]) -> bool:
    return any("closed" in about.get("states_at_start", []) for about in facts["kinds"].values())


# --- which guidance --------------------------------------------------------------------------------------


def _style(machine: dict[str, Any], *, has_passages: bool) -> Style:
    """New programs by turns; revisions by the diagnosis of the best one."""
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
    if labels & {"flooding", "hacked", "oscillation"}:
        return replace(style, record=True, explore=False, scale=style.scale / 4)
    if labels & {"weak shaping", "never fires"}:
        if not style.approach:
            return replace(style, approach=True)
        return replace(style, explore=True, passages=has_passages)
    if "unstable" in labels:
        return replace(style, scale=style.scale / 2, explore=False)
    return replace(style, record=not style.record)


def _read_style(source: str) -> Style:
    """The guidance of a program written here; of anybody else's, what its text hints at."""
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


def _shared(milestones: list[Milestone], style: Style) -> _Text:
    text = _Text()
    text.add(f"MILESTONES = {len(milestones)}", "")
    text.add("", "def passed(stage, state):", '    """Whether the milestone of this stage is reached."""')
    for index, m in enumerate(milestones):
        text.add(f"    if stage == {index}:  # {m.says}", f"        return {m.test}")
    text.add("    return False", "")
    if not style.approach:
        return text
    text.add("", "def nearest(stage, state):", '    """Steps to the nearest object that is needed next, as the crow flies."""')
    text.add("    x, y = state.agent.x, state.agent.y")
    for index, m in enumerate(milestones):
        text.add(f"    if stage == {index}:", f"        wanted = [o for o in state.objects if {m.wanted}]")
    head = "    else:" if milestones else "    if True:"
    if milestones:
        text.lines = [_chain(line, milestones) for line in text.lines]
    text.add(head, "        wanted = [o for o in state.objects if o.target]")
    text.add("    return min((abs(o.x - x) + abs(o.y - y) for o in wanted), default=None)", "")
    return text


def _chain(line: str, milestones: list[Milestone]) -> str:
    """Turn the second and later `if stage == k:` of nearest() into elif."""
    for index in range(1, len(milestones)):
        if line == f"    if stage == {index}:":
            return f"    elif stage == {index}:"
    return line


def _guidance(style: Style, weight: str, final: bool) -> list[str]:
    """Lines of a function body that add to `gain`; `final` ends with a return."""
    lines = ['    stage = memory.get("stage", 0)', "    gain = 0.0"]
    if style.approach and style.record:
        lines += [
            "    distance = nearest(stage, state)",
            '    best = memory.get("best", {}).get(stage)',
            "    if distance is not None:",
            "        if best is not None and distance < best:",
            f"            gain += {weight}",
            "        if best is None or distance < best:",
            '            memory["best"] = {**memory.get("best", {}), stage: distance}',
        ]
    elif style.approach:
        lines += [
            "    before, after = nearest(stage, prev), nearest(stage, state)",
            "    if before is not None and after is not None:",
            f"        gain += {weight} * (before - after)",
        ]
    if style.explore:
        lines += [
            '    visited = memory.setdefault("visited", set())',
            "    cell = (stage, state.agent.x, state.agent.y)",
            "    if cell not in visited:",
            "        visited.add(cell)",
            f"        gain += {weight}",
        ]
    if style.passages:
        lines += [
            '    opened = memory.setdefault("opened", set())',
            '    if state.event == "opened" and state.event_object is not None:',
            "        if state.event_object.id not in opened:",
            "            opened.add(state.event_object.id)",
            f"            gain += {weight}",
        ]
    return [*lines, "    return gain"] if final else lines


def _write_dense_and_sparse(milestones: list[Milestone], style: Style, dies: bool) -> str:
    text = _shared(milestones, style)
    text.add("", "def sparse(prev, action, state, memory):", "    if state.solved:", "        return 1.0")
    if dies:
        text.add('    if state.event == "died":', "        return -1.0")
    text.add(
        '    stage = memory.get("stage", 0)',
        "    if stage < MILESTONES and passed(stage, state):",
        '        memory["stage"] = stage + 1',
        "        return 1.0",
        "    return 0.0",
        "",
    )
    text.add("", "def dense(prev, action, state, memory):", *_guidance(style, "1.0", final=True))
    return text.text()


def _write_free(milestones: list[Milestone], style: Style, dies: bool) -> str:
    text = _shared(milestones, style)
    text.add("", "def guidance(prev, state, memory):", *_guidance(style, repr(style.scale), final=True), "")
    text.add("", "def reward(prev, action, state, memory):", '    stage = memory.get("stage", 0)')
    text.add("    milestone = 0.0", "    gain = guidance(prev, state, memory)")
    text.add(
        "    if stage < MILESTONES and passed(stage, state):",
        '        memory["stage"] = stage + 1',
        "        milestone = 0.5",
        "    parts = {",
        '        "milestone": milestone,',
        '        "guidance": gain,',
        '        "success": 1.0 if state.solved else 0.0,',
    )
    if dies:
        text.add('        "death": -0.5 if state.event == "died" else 0.0,')
    text.add("    }", "    return parts")
    return text.text()
