from collections import deque


def distance_map(state, goal):
    w, h = state.width, state.height
    dist = {(goal.x, goal.y): 0}
    todo = deque([(goal.x, goal.y)])
    while todo:
        x, y = todo.popleft()
        for nx, ny in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if not (0 <= nx < w and 0 <= ny < h):
                continue
            if (nx, ny) in dist or state.walls[nx, ny] or state.lava[nx, ny]:
                continue
            dist[(nx, ny)] = dist[(x, y)] + 1
            todo.append((nx, ny))
    return dist


def reward(prev, action, state, memory):
    if "map" not in memory:
        goal = next((o for o in prev.objects if o.kind == "goal"), None)
        memory["map"] = distance_map(prev, goal) if goal is not None else {}
        start = memory["map"].get((prev.agent.x, prev.agent.y), 12)
        memory["start"] = max(1, start)
        memory["best"] = start

    progress = 0.0
    d = memory["map"].get((state.agent.x, state.agent.y))
    if d is not None and d < memory["best"]:
        progress = 0.5 * (memory["best"] - d) / memory["start"]
        memory["best"] = d

    return {
        "progress": progress,
        "died": -0.3 if state.event == "died" else 0.0,
        "solved": 1.0 if state.solved else 0.0,
    }
