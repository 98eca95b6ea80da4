"""Honest rewards in the styles that language models write. Every one must pass the gate and run."""

REWARDS = {
    "float": "def reward(prev, action, state, memory):\n    return 1.0\n",
    "int": "def reward(prev, action, state, memory):\n    return -1\n",
    "dict": "def reward(prev, action, state, memory):\n    return {'a': 1, 'b_2': 0.5}\n",
    "early_return": """
def reward(prev, action, state, memory):
    if state.open and not prev.open:
        return {"opened": 1.0}
    return {}
""",
    "memory_latch": """
def reward(prev, action, state, memory):
    if state.open and not memory.get("opened"):
        memory["opened"] = True
        return 1.0
    return 0.0
""",
    "numpy": """
import numpy as np

def reward(prev, action, state, memory):
    here = np.array([state.agent.x, state.agent.y], dtype=np.float64)
    there = np.array([prev.agent.x, prev.agent.y], dtype=float)
    return {"moved": np.linalg.norm(here - there), "grid": np.sum(state.grid) * 0.01, "m": np.float32(0.5)}
""",
    "math": """
import math

def reward(prev, action, state, memory):
    return math.exp(-math.hypot(state.agent.x, state.agent.y)) + math.tanh(0.1) * math.pi
""",
    "helpers": """
def distance(a, b):
    return abs(a.x - b.x)

def reward(prev, action, state, memory):
    best = min((distance(state.agent, key) for key in state.keys), default=0)
    return -0.01 * best
""",
    "class": """
class Progress:
    def __init__(self, scale=0.5):
        self.scale = scale
        self._seen = 0

    def update(self, x):
        self._seen += x
        return self.scale * self._seen

def reward(prev, action, state, memory):
    if "progress" not in memory:
        memory["progress"] = Progress()
    return memory["progress"].update(state.agent.x)
""",
    "inheritance": """
class Base:
    def __init__(self):
        super().__init__()
        self.value = 1.0

class Derived(Base):
    @property
    def doubled(self):
        return 2 * self.value

def reward(prev, action, state, memory):
    return Derived().doubled
""",
    "dataclass": """
from dataclasses import dataclass, field

@dataclass
class Weights:
    step: float = -0.01
    goal: float = 1.0
    names: list = field(default_factory=list)

W = Weights()

def reward(prev, action, state, memory):
    return W.step + (W.goal if state.open else 0.0)
""",
    "frozen_dataclass": """
from __future__ import annotations
import dataclasses

@dataclasses.dataclass(frozen=True)
class Pos:
    x: float
    y: float

    def to(self, other: Pos) -> float:
        return abs(self.x - other.x) + abs(self.y - other.y)

def reward(prev, action, state, memory):
    return -0.1 * Pos(state.agent.x, state.agent.y).to(Pos(1, 1))
""",
    "hints": """
from typing import Any, Dict, Optional, NamedTuple

class Point(NamedTuple):
    x: int
    y: float

def reward(prev: State, action: int, state: "State", memory: Dict[str, Any]) -> Dict[str, float]:
    p: Optional[Point] = Point(state.agent.x, state.agent.y)
    return {"x": float(p._replace(x=2).x)}
""",
    "enum": """
from enum import IntEnum

class Stage(IntEnum):
    SEARCH = 0
    OPEN = 1

def reward(prev, action, state, memory):
    stage = Stage.OPEN if state.open else Stage.SEARCH
    return {stage.name.lower(): float(stage)}
""",
    "actions": """
def reward(prev, action, state, memory):
    return 0.5 if action == TOGGLE_DOOR else 0.1 if action in (LEFT, Actions.RIGHT) else -0.1
""",
    "deque": """
from collections import deque, defaultdict, Counter

def reward(prev, action, state, memory):
    trail = memory.setdefault("trail", deque(maxlen=3))
    visits = memory.setdefault("visits", Counter())
    by_x = memory.setdefault("by_x", defaultdict(int))
    trail.append((state.agent.x, state.agent.y))
    visits[state.agent.x] += 1
    by_x[state.agent.x] += 1
    return 1.0 / visits[state.agent.x] ** 0.5 - 0.1 * len(set(trail))
""",
    "bfs": """
from collections import deque

def reachable(grid, start):
    seen, queue = {start}, deque([start])
    while queue:
        x, y = queue.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            nx, ny = x + dx, y + dy
            if 0 <= nx < grid.shape[0] and 0 <= ny < grid.shape[1] and (nx, ny) not in seen:
                seen.add((nx, ny))
                queue.append((nx, ny))
    return seen

def reward(prev, action, state, memory):
    return 0.01 * len(reachable(state.grid, (0, 0)))
""",
    "comprehensions": """
def reward(prev, action, state, memory):
    red = [key for key in state.keys if key.color == "red"]
    table = {key.color: key.x for key in state.keys}
    return float(sum(k.x for k in red)) + len({*table}) + max([0, *table.values()])
""",
    "fstring": """
def reward(prev, action, state, memory):
    key = f"visited_{state.agent.x}_{state.agent.y:.1f}"
    first = key not in memory
    memory[key] = True
    return 0.1 if first else 0.0
""",
    "lambda_and_sorted": """
def reward(prev, action, state, memory):
    keys = sorted(state.keys, key=lambda key: (key.x, key.color))
    return float(keys[0].x) if keys else 0.0
""",
    "try_except": """
def reward(prev, action, state, memory):
    try:
        return 1.0 / state.agent.x
    except ZeroDivisionError:
        return 0.0
""",
    "match": """
def reward(prev, action, state, memory):
    match state.agent.facing:
        case "east":
            return 0.1
        case "south" | None:
            return 0.2
        case other:
            return 0.0
""",
    "while_break": """
def reward(prev, action, state, memory):
    n = 0
    while True:
        n += 1
        if n > 10:
            break
    return n * 0.1
""",
    "constants": """
WEIGHTS = {"open": 1.0, "step": -0.01}
ORDER = ["open", "step"]

def reward(prev, action, state, memory):
    return {name: WEIGHTS[name] * (name == "step" or int(state.open)) for name in ORDER}
""",
    "functools": """
import functools
import itertools
import operator
from functools import reduce

def reward(prev, action, state, memory):
    pairs = itertools.product(range(2), repeat=2)
    total = reduce(lambda a, b: a + b, (x * y for x, y in pairs), 0)
    return functools.reduce(operator.add, [total, 1], 0)
""",
    "getattr_literal": """
def reward(prev, action, state, memory):
    return float(getattr(state, "step", 0)) + float(hasattr(state, "missing"))
""",
    "nonlocal": """
def reward(prev, action, state, memory):
    total = 0.0

    def add(value):
        nonlocal total
        total += value

    for key in state.keys:
        add(key.x)
    return total
""",
    "walrus_and_mission": """
def reward(prev, action, state, memory):
    if (count := memory.get("n", 0)) < 3 and "fetch" in state.mission:
        memory["n"] = count + 1
        return 0.1
    return 0.0
""",
    "carrying": """
def reward(prev, action, state, memory):
    picked = prev.carrying is None and state.carrying is not None
    return 0.5 * picked + (0.1 if state.carrying in state.keys else 0)
""",
    "uses": """
USES = ["walk_distance"]

def reward(prev, action, state, memory):
    return 0.1 * (prev.walk - state.walk)
""",
    "numpy_clip": """
import numpy as np
from numpy import clip, sqrt

def reward(prev, action, state, memory):
    x = np.clip(state.agent.y, -1.0, 1.0) * np.sign(-1) + clip(3, 0, 1) + sqrt(4)
    return np.where(state.open, x, 0.0).item()
""",
    "defaultdict_result": """
from collections import defaultdict

def reward(prev, action, state, memory):
    r = defaultdict(float)
    r["step"] -= 0.01
    r["door"] += 1.0 if state.open else 0.0
    return r
""",
    "main_guard_and_docstring": '''
"""A reward with a module docstring that says __init__ and open()."""

def reward(prev, action, state, memory):
    """Returns a float."""
    assert action >= 0, "actions are indices"
    return 0.0

if __name__ == "__main__":
    reward(None, 0, None, {})
''',
}
