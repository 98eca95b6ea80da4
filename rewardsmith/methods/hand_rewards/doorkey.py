# DoorKey: take the key, unlock the door, walk to the goal.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    key = next((o for o in state.objects if o.kind == "key"), None)
    door = next(o for o in state.objects if o.kind == "door")
    goal = next(o for o in state.objects if o.kind == "goal")
    if door.state != "locked":
        return 2, goal if goal.walk_distance >= 0 else door
    if key is not None and key.carried:
        return 1, door
    return 0, key
