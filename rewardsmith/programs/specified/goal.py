"""The contract `goal`: stages on the way to success, as JSON, which become a potential.

    Phi(s) = (stages done + satisfaction of the next stage) / number of stages
    reward = Phi(s') - Phi(s), and the largest Phi for success

Going back and forth earns nothing, and all guidance of an episode sums to at most the largest Phi, which success pays.
`shaping` "potential" pays gamma * Phi(s') - Phi(s) instead, which changes no policy's return except by a constant (Ng,
Harada and Russell 1999); an exact critic therefore learns nothing from it, and trials take longer. It follows
StateFactory (2026, arXiv 2603.09400), with the state's own objects and attributes instead of similarities of texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rewardsmith.plaintext import one_line
from rewardsmith.programs.reading import ReadProgram
from rewardsmith.programs.specified.answers import header, read_specification
from rewardsmith.programs.specified.conditions import ConditionReader, Written
from rewardsmith.programs.specified.faults import Faults, shown
from rewardsmith.programs.specified.support import support_for
from rewardsmith.programs.specified.vocabulary import Vocabulary

MOST_STAGES = 12
COUNTS = ("last", "first", "latched")
SHAPINGS = ("progress", "potential")
_KEYS = ("stages", "scale", "done", "shaping")
_LARGEST_SCALE = 100.0


@dataclass(frozen=True)
class GoalForm:
    """What a goal becomes where the specification does not say it.

    Attributes:
        done: Which stages count as done. "last": all up to the last that holds. "first": all before the first that
            does not hold. "latched": all that have held in order in the episode.
        scale: The largest potential.
        shaping: "progress" pays differences of the potential, "potential" discounts them.
    """

    done: str = "last"
    scale: float = 1.0
    shaping: str = "progress"


def read_goal(text: str, facts: Mapping[str, Any], form: GoalForm = GoalForm()) -> ReadProgram:
    """Return the program of the goal in `text`.

    Args:
        text: JSON, an answer that contains it, or a program that this function returned.
        facts: Facts of the task's interface.
        form: What the specification does not say.

    Raises:
        UnreadableAnswer: With every fault, each with its JSON path.
    """
    return read_specification(text, "stages", lambda given: goal_program(given, facts, form))


def goal_program(given: Any, facts: Mapping[str, Any], form: GoalForm = GoalForm()) -> str:
    """Return the program of a parsed goal. Arguments and errors are those of read_goal."""
    faults = Faults()
    vocabulary = Vocabulary.of(facts)
    reader = ConditionReader(vocabulary, faults)
    faults.keys("", given, _KEYS)
    done, shaping = given.get("done", form.done), given.get("shaping", form.shaping)
    if done not in COUNTS:
        faults.unknown("done", "way to count stages", done, COUNTS)
    if shaping not in SHAPINGS:
        faults.unknown("shaping", "shaping", shaping, SHAPINGS)
    scale = given.get("scale", form.scale)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= _LARGEST_SCALE:
        faults.add("scale", f"give a number above 0 and at most {_LARGEST_SCALE:g}, not {shown(scale)}")
    listed = given.get("stages")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_STAGES:
        faults.add("stages", f"give a list of 1 to {MOST_STAGES} stages, not {shown(listed)}")
        listed = []
    stages = [_stage(each, f"stages[{k}]", reader) for k, each in enumerate(listed)]
    faults.check()
    written = {"stages": listed, "scale": scale, "done": done, "shaping": shaping}
    return _program(written, [stage for stage in stages if stage is not None], vocabulary, ends_with_success(facts))


def _stage(given: Any, path: str, reader: ConditionReader) -> tuple[str, Written] | None:
    """The name and condition of a stage: {"name": ..., "all": [...]}, a list of conditions, or one condition."""
    name = ""
    if isinstance(given, Mapping) and "name" in given:
        name = given["name"] if isinstance(given["name"], str) else shown(given["name"])
        given = {key: value for key, value in given.items() if key != "name"}
        if not given:
            reader.faults.add(path, 'the stage has no conditions: give them in "all"')
            return None
    condition = reader.conjunction(given, path)
    return None if condition is None else (one_line(name)[:100], condition)


def ends_with_success(facts: Mapping[str, Any]) -> bool:
    """Whether a success may terminate an episode, so that its last potential is lost."""
    named = any(field["name"] == "solved" for field in facts["fields"])
    return named and "score" not in facts and not facts.get("success_requires_lasting")


def rewarding(scale: float, ends: bool, progress: bool, remembers: bool) -> list[str]:
    """Return lines of the functions that pay: reward() for success and progress, or potential().

    Args:
        scale: What success pays, and the largest potential.
        ends: Whether a success may terminate an episode.
        progress: Whether reward() pays differences of phi(); potential() returns phi() otherwise.
        remembers: Whether phi() reads the memory, so that it must be called once per state.
    """
    head = "def reward(prev, action, state, memory):"
    success = f'"success": {scale!r} if state.solved else 0.0' if ends else ""
    if progress and not remembers:
        paid = '"progress": phi(state) - phi(prev)'
        return [head, f"    return {{{paid}, {success}}}" if ends else f"    return {{{paid}}}"]
    if progress:
        return [
            head,
            '    before = memory["phi"] if "phi" in memory else phi(prev, memory)',
            '    now = memory["phi"] = phi(state, memory)',
            f'    return {{"progress": now - before, {success}}}' if ends else '    return {"progress": now - before}',
        ]
    plain = ["def potential(state, memory):", f"    return phi({'state, memory' if remembers else 'state'})"]
    return [head, f"    return {{{success}}}", "", "", *plain] if ends else plain


def _program(written: dict[str, Any], stages: list[tuple[str, Written]], vocabulary: Vocabulary, ends: bool) -> str:
    body: list[str] = []
    for number, (name, stage) in enumerate(stages, 1):
        body += ["", "", f"def holds_{number}(state):"]
        body += [f"    # {name}"] if name else []
        body += [f"    return {stage.holds}", "", "", f"def toward_{number}(state):", f"    return {stage.toward}"]
    scale = float(written["scale"])
    body += ["", "", *_potential(len(stages), written["done"], scale)]
    body += ["", "", *rewarding(scale, ends, written["shaping"] == "progress", written["done"] == "latched")]
    head, support = support_for("\n".join(body), vocabulary)
    lines = [*header(written), *head, *([""] if head else [])]
    return "\n".join(lines).rstrip() + "\n" + support + "\n".join(body) + "\n"


def _potential(count: int, done: str, scale: float) -> list[str]:
    """Lines of phi(state, memory)."""
    each = "(" if scale == 1.0 else f"{scale!r} * ("
    lines = ["def phi(state, memory):" if done == "latched" else "def phi(state):"]
    if done == "latched":
        holds = ", ".join(f"holds_{k}" for k in range(1, count + 1))
        toward = ", ".join(f"toward_{k}" for k in range(1, count + 1))
        return [
            f"HOLDS = ({holds},)",
            f"TOWARD = ({toward},)",
            "",
            "",
            *lines,
            '    done = memory.get("done", 0)',
            f"    while done < {count} and HOLDS[done](state):",
            "        done += 1",
            '    memory["done"] = done',
            f"    return {each}done + (TOWARD[done](state) if done < {count} else 0.0)) / {count}",
        ]
    if done == "first":
        for k in range(1, count + 1):
            lines += [f"    if not holds_{k}(state):", f"        return {each}{k - 1} + toward_{k}(state)) / {count}"]
        return [*lines, f"    return {scale!r}"]
    for k in range(count, 0, -1):
        value = f"{scale!r}" if k == count else f"{each}{k} + toward_{k + 1}(state)) / {count}"
        lines += [f"    if holds_{k}(state):", f"        return {value}"]
    return [*lines, f"    return {each}toward_1(state)) / {count}"]
