# KeyCorridor: find the key behind the doors of the corridor, unlock the door, put the key down, take the ball.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    key = next((o for o in state.objects if o.kind == "key"), None)
    ball = next((o for o in state.objects if o.target), None)
    locked = [o for o in state.objects if o.kind == "door" and o.state == "locked"]
    closed = [o for o in state.objects if o.kind == "door" and o.state == "closed" and o.walk_distance >= 0]
    nearest = min(closed, key=lambda door: door.walk_distance, default=None)
    if not locked:
        near = ball is not None and 0 <= ball.walk_distance <= 3
        free = state.carrying is None or state.carrying.target
        return 3 if near and free else 2, ball if ball is None or ball.walk_distance >= 0 else nearest
    if key is not None and key.carried:
        return 1, locked[0] if locked[0].walk_distance >= 0 else nearest
    return 0, key if key is None or key.walk_distance >= 0 else nearest
