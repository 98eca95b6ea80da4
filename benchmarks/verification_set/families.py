"""Good rewards in several styles with drawn weights, and mutants of them that fail in one known way.

A program is a few parts (lines of its body, and the functions they need). A mutant replaces or adds one part. Weights
are drawn so that some mutants are harmless: label.py computes the label of each program.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

GAP = "def gap(s, o):\n    return abs(o.x - s.agent.x) + abs(o.y - s.agent.y)\n"
TARGET = "def target(s):\n    return next(o for o in s.objects if o.target)\n"
WANTED_KEY = """\
def wanted(s):
    locked = [o for o in s.objects if o.kind == "door" and o.state == "locked"]
    if not locked:
        return next(o for o in s.objects if o.target)
    return locked[0] if s.carrying is not None else next(o for o in s.objects if o.kind == "key")
"""
SURE, UNSURE = "next(o for o in s.objects if o.target)", "next((o for o in s.objects if o.target), s.objects[0])"
"""Expressions for the target. The first fails once an opened box is gone; the second then takes another object."""
WANTED_GOAL = "def wanted(s):\n    return next(o for o in s.objects if o.target)\n"
STAGE = """\
def stage(s):
    if not any(o.state == "locked" for o in s.objects):
        return 2
    return 1 if s.carrying is not None and s.carrying.kind == "key" else 0
"""
LATCH = 'if {when} and "{name}" not in memory:\n    memory["{name}"] = 1\n    parts["{name}"] = {weight}'
EVENTS = {"key": "state.event == 'picked_up' and state.event_object.kind == 'key'", "door": "state.event == 'unlocked'"}


@dataclass(frozen=True)
class Part:
    """Lines of a body that write into `parts`, and the source of the functions that they call."""

    lines: str
    needs: tuple[str, ...] = ()


def program(parts: list[Part], potential: Part | None = None) -> str:
    """The source of a program; the lines of `potential` are the body of potential()."""
    used = [*parts, *([potential] if potential else [])]
    functions = list(dict.fromkeys(need for part in used for need in part.needs))
    text = 'USES = ["walk_distance"]\n' if any("walk_distance" in part.lines for part in used) else ""
    text += "".join(f"\n{function}" for function in functions)
    if potential:
        text += "\ndef potential(state, memory):\n" + _indented(potential.lines)
    if parts:
        body = "parts = {}\n" + "\n".join(part.lines for part in parts) + "\nreturn parts"
        text += "\ndef reward(prev, action, state, memory):\n" + _indented(body)
    return text


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def success(weight: float) -> Part:
    """A part that pays for success."""
    return Part(f'parts["success"] = {weight} if state.solved else 0.0')


def milestones(weights: dict[str, float]) -> list[Part]:
    """Parts that pay for each milestone of EVENTS once per episode."""
    return [Part(LATCH.format(when=EVENTS[name], name=name, weight=weight)) for name, weight in weights.items()]


def approach(weight: float, wanted: str) -> Part:
    """A part that pays the decrease in distance to the object that was wanted before the step."""
    lines = f'w = wanted(prev)\nparts["approach"] = {weight} * (gap(prev, w) - gap(state, w))'
    return Part(lines, (GAP, wanted))


def record(weight: float, wanted: str) -> Part:
    """A part that pays each new smallest distance to the wanted object once."""
    lines = f"""\
w = wanted(state)
best = memory.get("best", (-1, 99))
here = (w.id, gap(state, w))
parts["record"] = {weight} if best[0] == here[0] and here[1] < best[1] else 0.0
if w.id not in memory.get("past", ()) and (best[0] != here[0] or here[1] < best[1]):
    if best[0] != here[0] and best[0] >= 0:
        memory["past"] = memory.get("past", ()) + (best[0],)
    memory["best"] = here"""
    return Part(lines, (GAP, wanted))


GOOD_KEY: tuple[str, ...] = (
    "milestones", "approach", "walk", "negative walk", "stages", "tidy", "hurry", "both", "record", "plain",
)  # fmt: skip
CAREFUL: tuple[str, ...] = ("approach", "walk", "negative walk", "both", "record")
"""Styles that read the target, made safe for tasks in which it can be destroyed."""
GOOD_LAVA: tuple[str, ...] = ("approach", "walk", "negative walk", "tidy", "hurry", "record", "plain", "fear")


def good(style: str, draw: random.Random, keys: bool) -> str:
    """A reward of one style whose optimum should solve the task; `keys`: whether it has a key and a door."""
    parts, potential = ingredients(style, draw, keys)
    return program(parts, potential)


def careful(style: str, draw: random.Random) -> str:
    """A good reward of one style for tasks whose target can be destroyed."""
    return good(style, draw, True).replace(SURE, UNSURE)


def ingredients(style: str, draw: random.Random, keys: bool) -> tuple[list[Part], Part | None]:
    """The parts and the potential of a good reward of one style."""
    wanted, bonus, small = (WANTED_KEY if keys else WANTED_GOAL), _between(draw, 1, 5), _between(draw, 0.01, 0.1)
    steps = milestones({"key": _between(draw, 0.05, 0.5), "door": _between(draw, 0.1, 0.8)}) if keys else []
    stages = Part(f"return {_between(draw, 0.1, 0.6)} * stage(state)", (STAGE,))
    made: dict[str, Callable[[], tuple[list[Part], Part | None]]] = {
        "milestones": lambda: ([*steps, success(bonus)], None),
        "approach": lambda: ([approach(small, wanted), success(bonus)], None),
        "walk": lambda: ([], _walk(_between(draw, 0.2, 2), 1.0, keys)),
        "negative walk": lambda: ([], _walk(_between(draw, 0.2, 2), 0.0, keys)),
        "stages": lambda: ([success(bonus)], stages),
        "tidy": lambda: ([_waste(small / 4), *steps, success(bonus)], None),
        "hurry": lambda: ([Part(f'parts["time"] = {-round(small / 20, 5)}'), success(bonus)], None),
        "both": lambda: ([*steps, success(bonus)], _walk(_between(draw, 0.1, 1), 1.0, keys)),
        "record": lambda: ([record(small / 2, wanted), success(bonus)], None),
        "plain": lambda: ([success(10 * bonus)], None),
        "fear": lambda: ([Part(f'parts["died"] = {-bonus} if state.event == "died" else 0.0'), success(bonus)], None),
    }
    return made[style]()


def _walk(scale: float, shift: float, keys: bool) -> Part:
    text = f"w = wanted(state)\nfar = w.walk_distance if w.walk_distance >= 0 else 30\nphi = {shift} - far / 30.0\n"
    text += f"phi = phi + stage(state) - {2.0 * (1.0 - shift)}\n" if keys else ""
    needs = (WANTED_KEY, STAGE) if keys else (WANTED_GOAL,)
    return Part(f"{text}return {scale} * phi", needs)


def _waste(weight: float) -> Part:
    return Part(f'parts["waste"] = {-round(weight, 4)} if state.event in ("nothing", "blocked") else 0.0')


MUTATIONS: dict[str, str] = {
    "unlatched": "pick/drop exploit", "door again": "pick/drop exploit", "dropping": "pick/drop exploit",
    "one-sided": "oscillation exploit", "half back": "oscillation exploit",
    "closeness": "shaping dominates", "holding": "shaping dominates", "standing": "idle", "minus": "wrong units",
    "percent": "wrong units", "wrong thing": "wrong object", "misspelt": "never fires", "no such field": "misuse",
    "time is dear": "suicide", "lava pays": "suicide",
    "edge": "idle",
}  # fmt: skip
MUTANTS_KEY = (
    "unlatched", "door again", "one-sided", "closeness", "holding", "standing", "minus", "percent", "wrong thing",
    "misspelt", "no such field", "half back", "dropping",
)  # fmt: skip
MUTANTS_LAVA = (
    "one-sided", "closeness", "standing", "minus", "percent", "misspelt", "half back", "time is dear", "lava pays",
    "edge",
)  # fmt: skip


def mutant(mutation: str, style: str, draw: random.Random, keys: bool) -> str:
    """A good reward of `style` with one added part that breaks it, or would with a larger weight."""
    parts, potential = ingredients(style, draw, keys)
    weight, wanted = _between(draw, 0.02, 0.6), WANTED_KEY if keys else WANTED_GOAL
    drift = "w = wanted(prev)\nd = gap(prev, w) - gap(state, w)\n"
    added = {
        "unlatched": Part(f'parts["pick"] = {weight} if {EVENTS["key"]} else 0.0'),
        "door again": Part(f'parts["open"] = {weight} if state.event in ("unlocked", "opened") else 0.0'),
        "one-sided": Part(f'{drift}parts["nearer"] = {weight} * max(0, d)', (GAP, wanted)),
        "half back": Part(f'{drift}parts["nearer"] = {weight} * (d if d > 0 else 0.4 * d)', (GAP, wanted)),
        "closeness": Part(f'parts["close"] = {weight} / (1 + gap(state, target(state)))', (GAP, TARGET)),
        "holding": Part(f'parts["hold"] = {weight / 4} if state.carrying is not None else 0.0'),
        "standing": Part(f'parts["rest"] = {weight / 4} if state.event in ("declared", "nothing") else 0.0'),
        "minus": Part(f'parts["goal"] = {-3 * weight} if state.solved else 0.0'),
        "percent": Part(f'parts["done"] = {100 * weight} * (1 - gap(state, target(state)) / 40.0)', (GAP, TARGET)),
        "wrong thing": Part(
            f'k = next(o for o in state.objects if o.kind == "key")\nparts["key"] = {weight} / (1 + gap(state, k))',
            (GAP,),
        ),
        "misspelt": Part(f'parts["bonus"] = {weight} if state.event == "pickup" else 0.0'),
        "no such field": Part(f'parts["bonus"] = {weight} * state.progress'),
        "dropping": Part(f'parts["drop"] = {weight} if state.event == "dropped" else 0.0'),
        "time is dear": Part(f'parts["time"] = {-weight}'),
        "lava pays": Part(f'parts["lava"] = {5 * weight} if state.event == "died" else 0.0'),
        "edge": Part(
            f"fx, fy = state.agent.front_x, state.agent.front_y\n"
            f'parts["edge"] = {weight / 4} if bool(state.lava[fx, fy]) else 0.0'
        ),
    }[mutation]  # fmt: skip
    kept = [p for p in parts if 'parts["success"]' not in p.lines] if mutation == "minus" else parts
    return program([*kept, added], potential)


def _between(draw: random.Random, low: float, high: float) -> float:
    """A number drawn uniformly on a logarithmic scale, rounded to two digits."""
    value = low * (high / low) ** draw.random()
    return float(f"{value:.2g}")
