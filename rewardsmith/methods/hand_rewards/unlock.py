# Unlock: take the key, unlock the door (which is success).
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    key = next(o for o in state.objects if o.kind == "key")
    door = next(o for o in state.objects if o.kind == "door")
    return (1, door) if key.carried else (0, key)
