from collections import deque


def bfs(state, gx, gy):
    dist = {(gx, gy): 0}
    q = deque([(gx, gy)])
    while q:
        x, y = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            nx, ny = x + dx, y + dy
            if 0 <= nx < state.width and 0 <= ny < state.height and (nx, ny) not in dist:
                if not state.walls[nx, ny] and not state.lava[nx, ny]:
                    dist[(nx, ny)] = dist[(x, y)] + 1
                    q.append((nx, ny))
    return dist


def reward(prev, action, state, memory):
    if "dist" not in memory:
        for o in state.objects:
            if o.kind == "goal":
                memory["dist"] = bfs(state, o.x, o.y)
    dist = memory.get("dist", {})
    d = dist.get((state.agent.x, state.agent.y), None)
    progress = 0.0
    if d is not None:
        if "best" in memory and d < memory["best"]:
            progress = 0.03 * (memory["best"] - d)
        memory["best"] = min(memory.get("best", d), d)
    died = state.event == "died"
    return {
        "alive": 0.0 if died else 0.01,
        "progress": progress,
        "died": -0.5 if died else 0.0,
        "solved": 1.0 if state.solved else 0.0,
    }
