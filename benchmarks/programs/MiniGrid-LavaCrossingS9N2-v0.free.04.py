from collections import deque


def safe_path(s):
    goal = [(o.x, o.y) for o in s.objects if o.kind == "goal"]
    if not goal:
        return []
    start = (s.agent.x, s.agent.y)
    came = {start: None}
    q = deque([start])
    while q:
        c = q.popleft()
        if c == goal[0]:
            break
        x, y = c
        for n in ((x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)):
            if not (0 <= n[0] < s.width and 0 <= n[1] < s.height):
                continue
            if n in came or s.walls[n] or s.lava[n]:
                continue
            came[n] = c
            q.append(n)
    if goal[0] not in came:
        return []
    path, c = [], goal[0]
    while c is not None:
        path.append(c)
        c = came[c]
    return path[::-1]


def reward(prev, action, state, memory):
    if "rank" not in memory:
        memory["rank"] = {c: i for i, c in enumerate(safe_path(prev))}
        memory["far"] = 0
        memory["danger"] = 0
    r = {"along_path": 0.0, "danger": 0.0, "died": 0.0, "solved": 0.0}
    i = memory["rank"].get((state.agent.x, state.agent.y), 0)
    if i > memory["far"]:
        r["along_path"] = 0.03 * (i - memory["far"])
        memory["far"] = i
    fx, fy = state.agent.front_x, state.agent.front_y
    if state.event == "moved" and 0 <= fx < state.width and 0 <= fy < state.height:
        if state.lava[fx, fy] and memory["danger"] < 10:
            memory["danger"] += 1
            r["danger"] = -0.02
    if state.event == "died":
        r["died"] = -0.3
    if state.solved:
        r["solved"] = 1.0
    return r
