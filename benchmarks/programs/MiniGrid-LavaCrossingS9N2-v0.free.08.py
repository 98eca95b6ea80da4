from collections import deque

GAMMA = 0.99


def build(state):
    goal = None
    for o in state.objects:
        if o.kind == "goal":
            goal = (o.x, o.y)
    if goal is None:
        return {}, 1
    d = {goal: 0}
    q = deque([goal])
    while q:
        x, y = q.popleft()
        for dx, dy in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            c = (x + dx, y + dy)
            if c in d:
                continue
            if c[0] < 0 or c[1] < 0 or c[0] >= state.width or c[1] >= state.height:
                continue
            if state.walls[c[0], c[1]] or state.lava[c[0], c[1]]:
                continue
            d[c] = d[(x, y)] + 1
            q.append(c)
    return d, max(1, max(d.values()))


def reward(prev, action, state, memory):
    if "d" not in memory:
        memory["d"], memory["D"] = build(prev)

    def phi(s):
        if s.event == "died":
            return 0.0
        d = memory["d"].get((s.agent.x, s.agent.y), memory["D"])
        return 0.5 * (1.0 - d / memory["D"])

    return {
        "potential": GAMMA * phi(state) - phi(prev),
        "death": -0.1 if state.event == "died" else 0.0,
        "success": 1.0 if state.solved else 0.0,
    }
