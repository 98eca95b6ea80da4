# MultiRoom: open one door after another, walk to the goal.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    doors = [o for o in state.objects if o.kind == "door"]
    goal = next(o for o in state.objects if o.kind == "goal")
    closed = [o for o in doors if o.state != "open" and o.walk_distance >= 0]
    nearest = min(closed, key=lambda door: door.walk_distance, default=goal)
    return len([o for o in doors if o.state == "open"]), goal if goal.walk_distance >= 0 else nearest
