"""Rewards for crossing lava, written by hand by an author who had not read the checks (see blind_keys.py)."""

from __future__ import annotations

PROGRAMS: dict[str, tuple[str, str]] = {
    "goal_and_death": ("good", """
def reward(prev, action, state, memory):
    if state.solved:
        return {"goal": 1.0, "lava": 0.0}
    return {"goal": 0.0, "lava": -1.0 if state.event == "died" else 0.0}
"""),
    "walk_home": ("good", """
USES = ["walk_distance"]

def potential(state, memory):
    goal = state.objects[0]
    return 1.0 - goal.walk_distance / 40.0 if goal.walk_distance >= 0 else 0.0
"""),
    "manhattan_gain": ("good", """
def dist(s):
    g = s.objects[0]
    return abs(g.x - s.agent.x) + abs(g.y - s.agent.y)

def reward(prev, action, state, memory):
    return {"gain": 0.05 * (dist(prev) - dist(state)), "goal": 2.0 if state.solved else 0.0,
            "lava": -0.5 if state.event == "died" else 0.0}
"""),
    "best_so_far": ("good", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    d = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    best = memory.get("best", 99)
    memory["best"] = min(best, d)
    gain = 0.02 * (best - d) if d < best < 99 else 0.0
    return gain + (1.0 if state.solved else 0.0)
"""),
    "step_cost": ("good", """
def reward(prev, action, state, memory):
    return 1.0 if state.solved else (-1.0 if state.event == "died" else -0.001)
"""),
    "exponential": ("good", """
import math

def potential(state, memory):
    g = next(o for o in state.objects if o.target)
    return math.exp(-math.hypot(g.x - state.agent.x, g.y - state.agent.y) / 4)
"""),
    "shy": ("good", """
def reward(prev, action, state, memory):
    # A small fine for facing lava, none for turning away from it.
    x, y = state.agent.front_x, state.agent.front_y
    facing = bool(state.lava[x, y]) if 0 <= x < state.width and 0 <= y < state.height else False
    return {"shy": -0.01 if facing else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "bumps": ("good", """
def reward(prev, action, state, memory):
    out = {"bump": 0.0, "success": 0.0}
    if state.event == "blocked" or state.event == "nothing":
        out["bump"] = -0.02
    if state.solved:
        out["success"] = 5.0
    return out
"""),
    "rows_crossed": ("good", """
def reward(prev, action, state, memory):
    furthest = memory.get("furthest", prev.agent.x + prev.agent.y)
    here = state.agent.x + state.agent.y
    memory["furthest"] = max(furthest, here)
    return {"further": 0.03 * max(0, here - furthest), "success": 1.0 if state.solved else 0.0}
"""),
    "only_goal": ("good", """
def reward(prev, action, state, memory):
    return float(state.event == "reached")
"""),
    "euclid_difference": ("good", """
import numpy as np

def reward(prev, action, state, memory):
    goal = np.array([state.objects[0].x, state.objects[0].y])
    a = np.array([prev.agent.x, prev.agent.y])
    b = np.array([state.agent.x, state.agent.y])
    progress = np.linalg.norm(goal - a) - np.linalg.norm(goal - b)
    return {"progress": float(0.02 * progress), "success": 1.0 if state.solved else 0.0}
"""),
    "half_way": ("good", """
def reward(prev, action, state, memory):
    half = state.agent.x >= state.width // 2 and state.agent.y >= state.height // 2
    bonus = 0.0
    if half and not memory.get("half"):
        memory["half"] = True
        bonus = 0.3
    return bonus + (1.0 if state.solved else 0.0)
"""),
    "living_costs": ("suicide", """
def reward(prev, action, state, memory):
    return {"time": -1.0, "success": 1.0 if state.solved else 0.0}
"""),
    "cold": ("suicide", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    d = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    return {"distance": -0.5 * d, "success": 1.0 if state.solved else 0.0}
"""),
    "thrill": ("suicide", """
def reward(prev, action, state, memory):
    x, y = state.agent.x, state.agent.y
    on_lava = state.lava[x, y] or state.event == "died"
    return {"brave": 3.0 if on_lava else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "small_step_cost": ("good", """
def reward(prev, action, state, memory):
    return {"time": -0.02, "success": 1.0 if state.solved else 0.0, "lava": -2.0 if state.event == "died" else 0.0}
"""),
    "survivor": ("idle", """
def reward(prev, action, state, memory):
    return {"alive": 0.05 if state.event != "died" else -1.0, "success": 1.0 if state.solved else 0.0}
"""),
    "warmer": ("oscillation exploit", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    was = abs(g.x - prev.agent.x) + abs(g.y - prev.agent.y)
    now = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    return (0.1 if now < was else 0.0) + (1.0 if state.solved else 0.0)
"""),
    "warmer_and_colder": ("oscillation exploit", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    was = abs(g.x - prev.agent.x) + abs(g.y - prev.agent.y)
    now = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    # being cautious: going back costs only half
    r = 0.2 * (was - now) if now <= was else 0.1 * (was - now)
    return r + (1.0 if state.solved else 0.0)
"""),
    "nearness": ("shaping dominates", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    d = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    return {"near": 1.0 / (1 + d), "success": 1.0 if state.solved else 0.0}
"""),
    "lava_tourist": ("wrong object", """
def reward(prev, action, state, memory):
    n = 0
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        n += int(state.lava[state.agent.x + dx, state.agent.y + dy]) if 0 < state.agent.x < 8 else 0
    return {"edge": 0.1 * n, "success": 1.0 if state.solved else 0.0}
"""),
    "percent": ("wrong units", """
def reward(prev, action, state, memory):
    g = state.objects[0]
    d = abs(g.x - state.agent.x) + abs(g.y - state.agent.y)
    return {"done": 100.0 * (1 - d / (state.width + state.height)), "success": 1.0 if state.solved else 0.0}
"""),
    "explorer": ("shaping dominates", """
def reward(prev, action, state, memory):
    return {"walk": 0.1 if state.event == "moved" else 0.0, "success": 1.0 if state.solved else 0.0}
"""),
    "event_names": ("never fires", """
def reward(prev, action, state, memory):
    return {"goal": 1.0 if state.event == "goal" else 0.0, "lava": -1.0 if state.event == "lava" else 0.0}
"""),
    "string_action": ("never fires", """
def reward(prev, action, state, memory):
    return {"forward": 0.1 if action == "FORWARD" and state.event == "moved" else 0.0}
"""),
    "goal_field": ("misuse", """
def reward(prev, action, state, memory):
    return -abs(state.goal.x - state.agent.x) - abs(state.goal.y - state.agent.y)
"""),
    "gives_none": ("misuse", """
def reward(prev, action, state, memory):
    if state.solved:
        return 1.0
"""),
}  # fmt: skip
