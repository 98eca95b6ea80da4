# UnlockPickup: take the key, unlock the door, put the key down beside the box, take the box.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    key = next(o for o in state.objects if o.kind == "key")
    door = next(o for o in state.objects if o.kind == "door")
    box = next((o for o in state.objects if o.target), None)
    if door.state != "locked":
        near = box is not None and 0 <= box.walk_distance <= 3
        free = state.carrying is None or state.carrying.target
        return 3 if near and free else 2, box if box is None or box.walk_distance >= 0 else door
    return (1, door) if key.carried else (0, key)
