USES = ["walk_distance"]

PROGRESS_CAP = 0.15


def _current_target(state, memory):
    """(stage name, object) the agent should walk to now."""
    ball = next((o for o in state.objects if o.kind == "ball" and o.target), None)
    if ball is not None and ball.walk_distance >= 0:
        return "ball", ball
    held = state.carrying
    if held is not None and held.kind == "key":
        for o in state.objects:
            if o.kind == "door" and o.state == "locked" and o.color == held.color:
                return "door", o
    keys = [o for o in state.objects if o.kind == "key" and not o.carried
            and o.id not in memory["used"] and o.walk_distance >= 0]
    if held is None and keys:
        return "key", min(keys, key=lambda o: (o.walk_distance, o.id))
    boxes = [o for o in state.objects if o.kind == "box" and o.walk_distance >= 0 and not o.carried]
    if boxes:
        return "box", min(boxes, key=lambda o: (o.walk_distance, o.id))
    return None, None


def reward(prev, action, state, memory):
    if not memory:
        memory.update(done=set(), used=set(), best={}, progress=0.0)
    out = {"box": 0.0, "key": 0.0, "door": 0.0, "put_away": 0.0,
           "progress": 0.0, "solved": 0.0}
    done = memory["done"]
    ev, obj = state.event, state.event_object

    if ev == "opened_box":
        tag = ("box", len([t for t in done if t[0] == "box"]))
        if tag[1] < 2:
            done.add(tag)
            out["box"] = 0.05
    elif obj is not None:
        tag = (ev, obj.id)
        if ev == "picked_up" and obj.kind == "key" and tag not in done:
            done.add(tag)
            out["key"] = 0.06
        elif ev == "unlocked" and tag not in done:
            done.add(tag)
            out["door"] = 0.1
            if state.carrying is not None:
                memory["used"].add(state.carrying.id)
        elif ev == "dropped" and obj.id in memory["used"] and "put" not in memory:
            memory["put"] = True
            out["put_away"] = 0.05

    stage, thing = _current_target(state, memory)
    if thing is not None and thing.walk_distance >= 0:
        slot = (stage, thing.id)
        d = thing.walk_distance
        best = memory["best"].get(slot)
        if best is None:
            memory["best"][slot] = d
        elif d < best:
            gain = min(0.004 * (best - d), PROGRESS_CAP - memory["progress"])
            memory["best"][slot] = d
            memory["progress"] += gain
            out["progress"] = gain
    if state.solved:
        out["solved"] = 1.2
    return out
