from collections import deque


def rivers(state):
    cols, rows = [], []
    w, h = state.width, state.height
    for x in range(1, w - 1):
        if sum(bool(state.lava[x, y]) for y in range(1, h - 1)) >= (h - 2) // 2:
            cols.append(x)
    for y in range(1, h - 1):
        if sum(bool(state.lava[x, y]) for x in range(1, w - 1)) >= (w - 2) // 2:
            rows.append(y)
    return cols, rows


def between(v, a, b):
    return min(a, b) < v < max(a, b) or v == a


def reward(prev, action, state, memory):
    goal = next((o for o in state.objects if o.kind == "goal"), None)
    out = {"crossing": 0.0, "closer": 0.0, "died": 0.0, "solved": 0.0}
    if goal is not None:
        if "rivers" not in memory:
            memory["rivers"] = rivers(prev)
            dist = {(goal.x, goal.y): 0}
            q = deque(dist)
            while q:
                x, y = q.popleft()
                for n in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                    if n in dist or not (0 <= n[0] < prev.width and 0 <= n[1] < prev.height):
                        continue
                    if prev.walls[n] or prev.lava[n]:
                        continue
                    dist[n] = dist[(x, y)] + 1
                    q.append(n)
            memory["dist"] = dist
            memory["best_d"] = dist.get((prev.agent.x, prev.agent.y), 99)
            memory["left"] = None
        cols, rows = memory["rivers"]
        x, y = state.agent.x, state.agent.y
        if state.event != "died":
            left = sum(between(c, x, goal.x) for c in cols) + sum(between(r, y, goal.y) for r in rows)
            if memory["left"] is None:
                memory["left"] = left
            elif left < memory["left"]:
                out["crossing"] = 0.15 * (memory["left"] - left)
                memory["left"] = left
            d = memory["dist"].get((x, y))
            if d is not None and d < memory["best_d"]:
                out["closer"] = 0.01 * (memory["best_d"] - d)
                memory["best_d"] = d
    out["died"] = -0.2 if state.event == "died" else 0.0
    out["solved"] = 1.0 if state.solved else 0.0
    return out
