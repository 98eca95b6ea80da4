# One goal square and nothing to open: walk to it.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    return 0, next(o for o in state.objects if o.kind == "goal")
