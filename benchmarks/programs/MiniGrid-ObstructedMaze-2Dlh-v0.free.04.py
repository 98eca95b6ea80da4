from collections import deque


def reachable(state, extra):
    """cells that can be walked to, closed doors passable, locked doors only if in extra"""
    barred = {(o.x, o.y) for o in state.objects
              if o.kind == "door" and o.state == "locked" and o.id not in extra}
    start = (state.agent.x, state.agent.y)
    dist = {start: 0}
    q = deque([start])
    while q:
        x, y = q.popleft()
        for c in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if not (0 <= c[0] < state.width and 0 <= c[1] < state.height):
                continue
            if c in dist or c in barred or state.walls[c[0], c[1]]:
                continue
            dist[c] = dist[(x, y)] + 1
            q.append(c)
    return dist


def reward(prev, action, state, memory):
    if "useful" not in memory:
        memory["useful"] = set()
        memory["paid"] = set()
        memory["best"] = None
        ball = next((o for o in prev.objects if o.kind == "ball"), None)
        locked = [o for o in prev.objects if o.kind == "door" and o.state == "locked"]
        if ball is not None:
            for d in locked:
                if (ball.x, ball.y) in reachable(prev, {d.id}):
                    memory["useful"].add(d.id)
        if not memory["useful"]:
            memory["useful"] = {d.id for d in locked}
        memory["colours"] = {d.color for d in locked if d.id in memory["useful"]}

    paid = memory["paid"]
    out = {"box": 0.0, "key": 0.0, "unlock": 0.0, "empty": 0.0, "near_ball": 0.0, "solved": 0.0}
    ev, obj = state.event, state.event_object
    if ev == "opened_box":
        n = sum(1 for p in paid if p[0] == "box")
        if n < 2:
            paid.add(("box", n))
            out["box"] = 0.05
    if ev == "picked_up" and obj is not None and obj.kind == "key" and ("key", obj.id) not in paid:
        paid.add(("key", obj.id))
        out["key"] = 0.12 if obj.color in memory["colours"] else 0.03
    if ev == "unlocked" and obj is not None and ("door", obj.id) not in paid:
        paid.add(("door", obj.id))
        useful = obj.id in memory["useful"]
        out["unlock"] = 0.2 if useful else 0.05
        if useful:
            memory["way"] = True
    if memory.get("way"):
        if ev == "dropped" and ("empty", 0) not in paid:
            paid.add(("empty", 0))
            out["empty"] = 0.05
        ball = next((o for o in state.objects if o.kind == "ball"), None)
        if ball is not None and not ball.carried:
            d = reachable(state, set()).get((ball.x, ball.y))
            if d is not None:
                if memory["best"] is None:
                    memory["best"] = d
                elif d < memory["best"]:
                    out["near_ball"] = 0.006 * (memory["best"] - d)
                    memory["best"] = d
    if state.solved:
        out["solved"] = 1.0
    return out
