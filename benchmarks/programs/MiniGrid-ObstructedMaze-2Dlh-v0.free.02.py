PAY = {"box": 0.05, "key": 0.06, "unlock": 0.1, "open": 0.03}


def reward(prev, action, state, memory):
    paid = memory.setdefault("paid", set())
    blocks = memory.setdefault("blocks", {(prev.agent.x // 2, prev.agent.y // 2)})
    out = {"box": 0.0, "key": 0.0, "unlock": 0.0, "open": 0.0,
           "explore": 0.0, "free_hands": 0.0, "solved": 0.0}

    def once(name, ident):
        if (name, ident) in paid:
            return
        paid.add((name, ident))
        out[name] += PAY[name]

    # a box disappears when it is opened, so compare the lists
    if state.event == "opened_box":
        now = {o.id for o in state.objects if o.kind == "box"}
        for o in prev.objects:
            if o.kind == "box" and o.id not in now:
                once("box", o.id)

    if state.carrying is not None and state.carrying.kind == "key":
        once("key", state.carrying.color)

    for o in state.objects:
        if o.kind != "door":
            continue
        was = next((p for p in prev.objects if p.id == o.id), None)
        if was is None or o.state != "open":
            continue
        if was.state == "locked":
            once("unlock", o.id)
        elif was.state == "closed" and ("unlock", o.id) not in paid:
            once("open", o.id)

    block = (state.agent.x // 2, state.agent.y // 2)
    if block not in blocks:
        blocks.add(block)
        out["explore"] = 0.003

    ball = next((o for o in state.objects if o.kind == "ball"), None)
    if ball is not None and state.carrying is None and ("free_hands",) not in paid:
        if any(p[0] == "unlock" for p in paid):
            if abs(ball.x - state.agent.x) + abs(ball.y - state.agent.y) <= 2:
                paid.add(("free_hands",))
                out["free_hands"] = 0.08
    out["solved"] = 1.0 if state.solved else 0.0
    return out
