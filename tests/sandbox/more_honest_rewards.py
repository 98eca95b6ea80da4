"""More honest rewards: the habits of different models, long names, shaping formulas, small frameworks of their own."""

MORE_REWARDS = {
    "docstring_and_breakdown": '''
"""Shaped reward: approach the key, open the door, do not dawdle."""

STEP_COST = 0.01

def reward(prev, action, state, memory):
    """Compute the reward.

    Args:
        prev: the state before the action.
    Returns:
        dict of components.
    """
    components = {}
    components["time_penalty"] = -STEP_COST
    components["door_bonus"] = 1.0 if (state.open and not prev.open) else 0.0
    return components
''',
    "potential_difference": """
GAMMA = 0.99

def _phi(s):
    return -0.1 * (abs(s.agent.x - 1) + abs(s.agent.y - 1))

def reward(prev, action, state, memory):
    return GAMMA * _phi(state) - _phi(prev)
""",
    "typed_dict": """
from typing import TypedDict

class Memory(TypedDict, total=False):
    best: float

def reward(prev, action, state, memory: Memory):
    best = memory.get("best", float("inf"))
    now = abs(state.agent.x)
    memory["best"] = min(best, now)
    return max(0.0, best - now) if best != float("inf") else 0.0
""",
    "named_tuple_of_collections": """
from collections import namedtuple

Position = namedtuple("Position", ["x", "y"])

def reward(prev, action, state, memory):
    a, b = Position(prev.agent.x, prev.agent.y), Position(state.agent.x, state.agent.y)
    return 0.1 if a != b else -0.1
""",
    "ordered_dict": """
from collections import OrderedDict

def reward(prev, action, state, memory):
    out = OrderedDict()
    out["a"] = 1.0
    out["b"] = -0.5
    return dict(out)
""",
    "chain_map": """
from collections import ChainMap

def reward(prev, action, state, memory):
    weights = ChainMap({"open": 2.0}, {"open": 1.0, "step": -0.1})
    return weights["open"] * state.open + weights["step"]
""",
    "static_methods": """
class Shaper:
    SCALE = 0.1

    @staticmethod
    def manhattan(a, b):
        return abs(a[0] - b[0]) + abs(a[1] - b[1])

    @classmethod
    def value(cls, s):
        return -cls.SCALE * cls.manhattan((s.agent.x, s.agent.y), (1, 1))

def reward(prev, action, state, memory):
    return Shaper.value(state) - Shaper.value(prev)
""",
    "abstract_terms": """
from abc import ABC, abstractmethod

class Term(ABC):
    @abstractmethod
    def __call__(self, prev, state):
        ...

class Opened(Term):
    def __call__(self, prev, state):
        return float(state.open and not prev.open)

class Moved(Term):
    def __call__(self, prev, state):
        return 0.01 * (prev.agent != state.agent)

TERMS = (Opened(), Moved())

def reward(prev, action, state, memory):
    return {type(term).__name__.lower(): float(term(prev, state)) for term in TERMS}
""",
    "callable_instance": """
class Decay:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, n):
        return self.rate ** n

decay = Decay(0.9)

def reward(prev, action, state, memory):
    memory["n"] = memory.get("n", -1) + 1
    return decay(memory["n"])
""",
    "dispatch_table": """
def on_left(state):
    return -0.1

def on_other(state):
    return 0.1 if state.open else 0.0

HANDLERS = {0: on_left}

def reward(prev, action, state, memory):
    return HANDLERS.get(action, on_other)(state)
""",
    "closures": """
def make_bonus(weight):
    def bonus(flag):
        return weight if flag else 0.0
    return bonus

open_bonus = make_bonus(1.0)

def reward(prev, action, state, memory):
    return open_bonus(state.open)
""",
    "partial": """
from functools import partial

def scaled(weight, value):
    return weight * value

half = partial(scaled, 0.5)

def reward(prev, action, state, memory):
    return half(state.agent.x)
""",
    "lru_cache": """
from functools import lru_cache

@lru_cache(maxsize=None)
def triangle(n):
    return 0 if n <= 0 else n + triangle(n - 1)

def reward(prev, action, state, memory):
    return 0.01 * triangle(state.agent.x)
""",
    "generator_helper": """
def distances(state):
    for key in state.keys:
        yield abs(key.x - state.agent.x)

def reward(prev, action, state, memory):
    return -0.01 * min(distances(state), default=0)
""",
    "heap": """
import heapq

def reward(prev, action, state, memory):
    queue = []
    for i, key in enumerate(state.keys):
        heapq.heappush(queue, (key.x, i))
    return -0.1 * heapq.heappop(queue)[0] if queue else 0.0
""",
    "bisect_levels": """
from bisect import bisect_right

LEVELS = [1, 3, 5]

def reward(prev, action, state, memory):
    return 0.1 * bisect_right(LEVELS, state.step)
""",
    "itertools_pairs": """
from itertools import combinations, pairwise

def reward(prev, action, state, memory):
    near = sum(1 for a, b in combinations(state.keys, 2) if a.color == b.color)
    steps = sum(b - a for a, b in pairwise([0, 1, 3]))
    return 0.1 * near + 0.01 * steps
""",
    "statistics_of_a_window": """
from collections import deque
import statistics

def reward(prev, action, state, memory):
    window = memory.setdefault("window", deque(maxlen=5))
    window.append(float(state.agent.x))
    return statistics.fmean(window) - statistics.median(window)
""",
    "numpy_vector_math": """
import numpy as np

TARGET = np.array([1.0, 1.0])

def reward(prev, action, state, memory):
    position = np.asarray([state.agent.x, state.agent.y], dtype=np.float32)
    distance = np.linalg.norm(position - TARGET)
    return float(np.exp(-distance) - 0.01)
""",
    "numpy_grid_search": """
import numpy as np

def reward(prev, action, state, memory):
    rows, cols = np.where(state.grid == state.grid.max())
    return float(np.abs(rows - 0).sum() + np.abs(cols - 0).sum()) * 0.01
""",
    "numpy_masks": """
import numpy as np

def reward(prev, action, state, memory):
    mask = (state.grid > 2) & (state.grid < 6)
    share = np.count_nonzero(mask) / state.grid.size
    return {"share": share, "mean": np.mean(state.grid[mask]) if mask.any() else 0.0}
""",
    "numpy_typing": """
from __future__ import annotations

import numpy as np
import numpy.typing as npt

def as_vector(s) -> npt.NDArray[np.float64]:
    return np.array([s.agent.x, s.agent.y])

def reward(prev, action, state, memory) -> float:
    return float(np.dot(as_vector(prev), as_vector(state)) * 0.01)
""",
    "tanh_squash": """
from math import tanh, sqrt

def reward(prev, action, state, memory):
    return tanh(sqrt(state.agent.x ** 2 + state.agent.y ** 2))
""",
    "math_isclose": """
import math as m

def reward(prev, action, state, memory):
    return 1.0 if m.isclose(state.agent.y, 1.0, abs_tol=1e-6) else -m.log1p(state.step) * 0.001
""",
    "int_enum_stages": """
from enum import Enum, auto

class Stage(Enum):
    FIND = auto()
    OPEN = auto()
    DONE = auto()

def reward(prev, action, state, memory):
    stage = memory.get("stage", Stage.FIND)
    if stage is Stage.FIND and state.carrying is not None:
        memory["stage"] = Stage.OPEN
        return {"found": 0.5}
    if stage is Stage.OPEN and state.open:
        memory["stage"] = Stage.DONE
        return {"opened": 0.5}
    return {}
""",
    "visit_counts": """
def reward(prev, action, state, memory):
    visits = memory.setdefault("visits", {})
    cell = (state.agent.x, state.agent.y)
    visits[cell] = visits.get(cell, 0) + 1
    return 0.1 / (visits[cell] ** 0.5)
""",
    "loop_penalty": """
def reward(prev, action, state, memory):
    history = memory.setdefault("history", [])
    history.append((state.agent.x, state.agent.y, action))
    if len(history) > 8:
        history.pop(0)
    repeats = len(history) - len(set(history))
    return -0.01 * repeats
""",
    "ternaries_and_chained_comparisons": """
def reward(prev, action, state, memory):
    return 0.2 if 0 <= state.agent.x < 1 else -0.2 if 1 <= state.agent.x <= 9 else 0.0
""",
    "string_work": """
def reward(prev, action, state, memory):
    wanted = state.mission.lower().split()
    return float(any(word.startswith("fet") for word in wanted)) + len(state.mission.strip()) * 0.001
""",
    "format_method": """
def reward(prev, action, state, memory):
    tag = "{}-{:02d}".format("cell", state.agent.x)
    seen = memory.setdefault("seen", set())
    new = tag not in seen
    seen.add(tag)
    return 0.05 * new + 0.0
""",
    "star_arguments": """
def total(*parts, scale=1.0, **named):
    return scale * (sum(parts) + sum(named.values()))

def reward(prev, action, state, memory):
    return total(0.1, 0.2, scale=0.5, door=float(state.open))
""",
    "keyword_only": """
def progress(before, after, *, weight=0.1):
    return weight * (before - after)

def reward(prev, action, state, memory):
    return progress(prev.agent.x, state.agent.x, weight=0.3)
""",
    "unpacking": """
def reward(prev, action, state, memory):
    first, *rest = [key.x for key in state.keys] or [0]
    (a, b), c = (first, len(rest)), 1
    return 0.1 * a + 0.01 * b + 0.001 * c
""",
    "set_algebra": """
def reward(prev, action, state, memory):
    before = {key.color for key in prev.keys}
    after = {key.color for key in state.keys}
    return 0.1 * len(after - before) - 0.1 * len(before - after) + 0.0 * len(before & after)
""",
    "zip_and_enumerate": """
WEIGHTS = (0.5, 0.3)

def reward(prev, action, state, memory):
    return sum(w * key.x * (i + 1) for i, (w, key) in enumerate(zip(WEIGHTS, state.keys)))
""",
    "for_else": """
def reward(prev, action, state, memory):
    for key in state.keys:
        if key.color == "blue":
            found = 0.1
            break
    else:
        found = -0.1
    return found
""",
    "nested_functions": """
def reward(prev, action, state, memory):
    def opened():
        return state.open and not prev.open

    def moved():
        return (prev.agent.x, prev.agent.y) != (state.agent.x, state.agent.y)

    return {"opened": float(opened()), "moved": 0.01 * moved()}
""",
    "explicit_self_memory": """
class Tracker:
    __slots__ = ("best", "count")

    def __init__(self):
        self.best = None
        self.count = 0

    def step(self, value):
        self.count += 1
        improved = self.best is None or value < self.best
        if improved:
            self.best = value
        return improved

def reward(prev, action, state, memory):
    tracker = memory.setdefault("tracker", Tracker())
    return 0.1 if tracker.step(state.agent.x) else -0.001 * tracker.count
""",
    "copied_history": """
import copy

def reward(prev, action, state, memory):
    old = copy.deepcopy(memory.get("counts", {}))
    counts = memory.setdefault("counts", {})
    counts[action] = counts.get(action, 0) + 1
    return 0.01 * (len(counts) - len(old))
""",
    "matrix_lookup": """
TABLE = [[0.0, 0.1], [0.2, 0.3]]

def reward(prev, action, state, memory):
    return TABLE[int(prev.open)][int(state.open)]
""",
    "divmod_and_round": """
def reward(prev, action, state, memory):
    row, column = divmod(state.agent.x * 3 + action, 4)
    return round(0.123456 * row + 0.01 * column, 4)
""",
    "exception_of_its_own": """
class Missing(ValueError):
    pass

def nearest(state):
    if not state.keys:
        raise Missing("no keys")
    return min(key.x for key in state.keys)

def reward(prev, action, state, memory):
    try:
        return -0.1 * nearest(state)
    except Missing as error:
        memory["why"] = str(error)
        return 0.0
    finally:
        memory["asked"] = True
""",
    "dataclass_in_memory": """
from dataclasses import dataclass, replace

@dataclass(frozen=True)
class Progress:
    steps: int = 0
    opened: bool = False

def reward(prev, action, state, memory):
    p = memory.get("p") or Progress()
    memory["p"] = replace(p, steps=p.steps + 1, opened=p.opened or state.open)
    return float(memory["p"].opened and not p.opened)
""",
    "annotated_constants": """
from typing import Final

STEP: Final[float] = -0.001
DOOR: Final = 1.0

def reward(prev, action, state, memory):
    total: float = STEP
    total += DOOR * (state.open and not prev.open)
    return total
""",
}
