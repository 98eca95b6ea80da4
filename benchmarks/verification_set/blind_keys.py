"""Rewards for tasks with a key and a door, written by hand by an author who had not read the checks.

`PROGRAMS` maps a name to (category in the author's opinion, source). The line `SCALE = ...` is replaced per task.
Styles differ on purpose, as answers of models do. label.py computes the labels.
"""

from __future__ import annotations

PROGRAMS: dict[str, tuple[str, str]] = {
    "once_each": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    out = {"key": 0.0, "door": 0.0, "success": 0.0}
    if state.event == "picked_up" and state.event_object.kind == "key" and not memory.get("key"):
        memory["key"] = True
        out["key"] = 0.2 * SCALE
    if state.event == "unlocked" and not memory.get("door"):
        memory["door"] = True
        out["door"] = 0.3 * SCALE
    if state.solved:
        out["success"] = 1.0
    return out
"""),
    "paid_set": ("good", """
SCALE = 1.0
MILESTONES = (("picked_up", 0.25), ("unlocked", 0.5))

def reward(prev, action, state, memory):
    paid = memory.setdefault("paid", frozenset())
    gain = 0.0
    for name, worth in MILESTONES:
        if state.event == name and name not in paid:
            paid = paid | {name}
            gain += worth * SCALE
    memory["paid"] = paid
    return {"milestone": gain, "success": 2.0 if state.solved else 0.0}
"""),
    "stage_potential": ("good", """
SCALE = 1.0

def potential(state, memory):
    key = next(o for o in state.objects if o.kind == "key")
    unlocked = all(o.state != "locked" for o in state.objects if o.kind == "door")
    if unlocked:
        return 0.6 * SCALE
    return 0.3 * SCALE if key.carried else 0.0
"""),
    "walk_potential": ("good", """
USES = ["walk_distance"]
SCALE = 1.0

def potential(state, memory):
    target = [o for o in state.objects if o.target][0]
    far = state.width + state.height
    if target.walk_distance >= 0:
        return SCALE * (2.0 - target.walk_distance / (2 * far))
    key = [o for o in state.objects if o.kind == "key"][0]
    if key.carried:
        door = [o for o in state.objects if o.kind == "door" and o.state == "locked"]
        if door and door[0].walk_distance >= 0:
            return SCALE * (1.0 - door[0].walk_distance / (2 * far))
        return SCALE * 0.5
    if key.walk_distance >= 0:
        return SCALE * (0.5 - key.walk_distance / (2 * far))
    return 0.0
"""),
    "stage_gain": ("good", """
SCALE = 1.0

def stage(s):
    locked = [o for o in s.objects if o.kind == "door" and o.state == "locked"]
    if not locked:
        return 2
    if s.carrying is not None and s.carrying.kind == "key":
        return 1
    return 0

def reward(prev, action, state, memory):
    return {
        "stage": 0.2 * SCALE * (stage(state) - stage(prev)),
        "success": 1.0 if state.solved else 0.0,
    }
"""),
    "hurry": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    if state.solved:
        return 1.0
    return -0.002 * SCALE
"""),
    "record_distance": ("good", """
SCALE = 1.0

def distance(state, thing):
    return abs(state.agent.x - thing.x) + abs(state.agent.y - thing.y)

def reward(prev, action, state, memory):
    # Pays for a new closest approach to what is wanted now; never for the same approach twice.
    target = next(o for o in state.objects if o.target)
    key = next(o for o in state.objects if o.kind == "key")
    locked = [o for o in state.objects if o.kind == "door" and o.state == "locked"]
    if not locked:
        phase, wanted = 2, target
    elif key.carried:
        phase, wanted = 1, locked[0]
    else:
        phase, wanted = 0, key
    if phase < memory.get("phase", 0):
        return {"record": 0.0, "success": 0.0}
    if phase > memory.get("phase", -1):
        memory["phase"] = phase
        memory["best"] = distance(state, wanted)
        return {"record": 0.1 * SCALE if phase else 0.0, "success": 0.0}
    now = distance(state, wanted)
    gain = max(0, memory["best"] - now)
    memory["best"] = min(memory["best"], now)
    return {"record": 0.02 * SCALE * gain, "success": 1.0 if state.solved else 0.0}
"""),
    "big_success": ("good", """
def reward(prev, action, state, memory):
    return {"success": 10.0 * float(state.solved)}
"""),
    "near_exponential": ("good", """
import numpy as np

SCALE = 1.0

def potential(state, memory):
    goal = next(o for o in state.objects if o.target)
    d = np.abs(goal.x - state.agent.x) + np.abs(goal.y - state.agent.y)
    bonus = 0.5 * sum(o.state == "open" for o in state.objects if o.kind == "door")
    return float(SCALE * (np.exp(-0.2 * d) + bonus))
"""),
    "tidy_actions": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    parts = {"success": 0.0, "waste": 0.0, "key": 0.0, "door": 0.0}
    parts["success"] = 1.0 if state.solved else 0.0
    if state.event in ("nothing", "blocked", "declared"):
        parts["waste"] = -0.01 * SCALE
    if state.event == "picked_up" and "k" not in memory:
        memory["k"] = 1
        parts["key"] = 0.3
    if state.event == "unlocked" and "d" not in memory:
        memory["d"] = 1
        parts["door"] = 0.4
    return parts
"""),
    "keep_the_key": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    r = 0.0
    locked = any(o.state == "locked" for o in state.objects)
    if prev.carrying is not None and prev.carrying.kind == "key" and state.carrying is None and locked:
        r -= 0.3 * SCALE
    if prev.carrying is None and state.carrying is not None and state.carrying.kind == "key" and locked:
        r += 0.2 * SCALE
    was_locked = any(o.state == "locked" for o in prev.objects)
    if was_locked and not locked:
        r += 0.5 * SCALE
    if state.solved:
        r += 1.0
    return r
"""),
    "subgoal_manhattan": ("good", """
SCALE = 1.0

def wanted(s):
    locked = [o for o in s.objects if o.kind == "door" and o.state == "locked"]
    if not locked:
        return next(o for o in s.objects if o.target)
    return locked[0] if s.carrying is not None else next(o for o in s.objects if o.kind == "key")

def reward(prev, action, state, memory):
    w = wanted(prev)
    before = abs(w.x - prev.agent.x) + abs(w.y - prev.agent.y)
    after = abs(w.x - state.agent.x) + abs(w.y - state.agent.y)
    return {"approach": 0.01 * SCALE * (before - after), "success": 1.0 if state.solved else 0.0}
"""),
    "class_based": ("good", '''
from dataclasses import dataclass

SCALE = 1.0

@dataclass(frozen=True)
class Weights:
    key: float = 0.1
    door: float = 0.2
    success: float = 1.0

W = Weights()

def reward(prev, action, state, memory):
    """Three subgoals, each paid on its first occurrence."""
    def first(tag, happened):
        if happened and tag not in memory:
            memory[tag] = True
            return SCALE
        return 0.0
    return {
        "key": W.key * first("key", state.carrying is not None and state.carrying.kind == "key"),
        "door": W.door * first("door", not any(o.state == "locked" for o in state.objects)),
        "success": W.success if state.solved else 0.0,
    }
'''),
    "every_pickup": ("pick/drop exploit", """
SCALE = 1.0

def reward(prev, action, state, memory):
    picked = prev.carrying is None and state.carrying is not None
    return {"pickup": 0.5 * SCALE if picked else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "small_every_pickup": ("pick/drop exploit", """
SCALE = 1.0

def reward(prev, action, state, memory):
    # Encourage interaction: touching the key is good, and so is finishing.
    r = 0.0
    if state.event == "picked_up":
        r += 0.1 * SCALE
    elif state.event == "dropped":
        r += 0.05 * SCALE
    if state.solved:
        r += 2.0
    return r
"""),
    "near_key": ("idle", """
SCALE = 1.0

def reward(prev, action, state, memory):
    key = [o for o in state.objects if o.kind == "key"][0]
    near = abs(key.x - state.agent.x) + abs(key.y - state.agent.y) <= 1
    return {"near": 0.1 * SCALE if near else 0.0, "goal": 1.0 if state.solved else 0.0}
"""),
    "only_closer": ("oscillation exploit", """
SCALE = 1.0

def reward(prev, action, state, memory):
    goal = next(o for o in state.objects if o.target)
    before = abs(goal.x - prev.agent.x) + abs(goal.y - prev.agent.y)
    after = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)
    closer = max(0, before - after)
    return {"closer": 0.2 * SCALE * closer, "solved": 1.0 * state.solved}
"""),
    "door_stays_open": ("shaping dominates", """
SCALE = 1.0

def reward(prev, action, state, memory):
    opened = sum(1 for o in state.objects if o.kind == "door" and o.state == "open")
    return {"door": 0.1 * SCALE * opened, "finish": 5.0 if state.solved else 0.0}
"""),
    "opening": ("pick/drop exploit", """
SCALE = 1.0

def reward(prev, action, state, memory):
    total = 0.0
    if state.event in ("opened", "unlocked"):
        total += 0.3 * SCALE
    if state.event == "picked_up" and not memory.get("had_key", False):
        memory["had_key"] = True
        total += 0.3
    if state.solved:
        total += 1.0
    return total
"""),
    "has_key": ("shaping dominates", """
SCALE = 1.0

def reward(prev, action, state, memory):
    carrying = state.carrying is not None and state.carrying.kind == "key"
    return {"has_key": 0.05 * SCALE if carrying else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "nearest_thing": ("wrong object", """
SCALE = 1.0

def reward(prev, action, state, memory):
    nearest = min(state.objects, key=lambda o: abs(o.x - state.agent.x) + abs(o.y - state.agent.y))
    d = abs(nearest.x - state.agent.x) + abs(nearest.y - state.agent.y)
    return {"closeness": SCALE / (1.0 + d), "success": 1.0 if state.solved else 0.0}
"""),
    "closeness_in_cells": ("wrong units", """
SCALE = 1.0

def reward(prev, action, state, memory):
    goal = next(o for o in state.objects if o.target)
    d = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)
    return {"closeness": SCALE * (state.width + state.height - d), "success": 10.0 if state.solved else 0.0}
"""),
    "negative_cells": ("wrong units", """
SCALE = 1.0

def reward(prev, action, state, memory):
    goal = next(o for o in state.objects if o.target)
    return -SCALE * (abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y)) + 100.0 * state.solved
"""),
    "sign_error": ("wrong units", """
def reward(prev, action, state, memory):
    # cost = 1 on success so that maximising -cost ... solves quickly
    cost = 3.0 if state.solved else 0.0
    return {"cost": -cost}
"""),
    "walkabout": ("shaping dominates", """
SCALE = 1.0

def reward(prev, action, state, memory):
    return {"explore": 0.05 * SCALE if state.event == "moved" else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "stare": ("idle", """
SCALE = 1.0

def reward(prev, action, state, memory):
    useful = state.front is not None and (state.front.target or state.front.kind in ("key", "door"))
    return 0.04 * SCALE * (1 if useful else 0) + (1.0 if state.solved else 0.0)
"""),
    "alive": ("idle", """
SCALE = 1.0

def reward(prev, action, state, memory):
    return {"alive": 0.03 * SCALE, "success": 1.0 if state.solved else 0.0}
"""),
    "faint_alive": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    return {"alive": 0.0005 * SCALE, "success": 1.0 if state.solved else 0.0}
"""),
    "wrong_names": ("never fires", """
SCALE = 1.0

def reward(prev, action, state, memory):
    r = {"key": 0.0, "door": 0.0}
    if state.event == "pickup_key":
        r["key"] = 0.5 * SCALE
    if state.event == "door_opened":
        r["door"] = 0.5 * SCALE
    return r
"""),
    "tuple_position": ("misuse", """
def reward(prev, action, state, memory):
    ax, ay = state.agent.position
    goal = next(o for o in state.objects if o.target)
    return 1.0 / (1 + abs(ax - goal.x) + abs(ay - goal.y))
"""),
    "visited_cells": ("good", """
SCALE = 1.0

def reward(prev, action, state, memory):
    seen = memory.setdefault("seen", set())
    cell = (state.agent.x, state.agent.y)
    new = cell not in seen
    seen.add(cell)
    return {"new": 0.005 * SCALE if new else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
}  # fmt: skip
