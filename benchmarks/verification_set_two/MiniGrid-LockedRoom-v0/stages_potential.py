def potential(state, memory):
    """0 without the key, 0.3 with it, 0.6 once the locked room is open; less the way to the present subgoal."""
    key = next(o for o in state.objects if o.kind == "key")
    goal = next(o for o in state.objects if o.kind == "goal")
    locked = [d for d in state.objects if d.kind == "door" and d.state == "locked"]
    if not locked:
        stage, at = 0.6, goal
    elif key.carried:
        stage, at = 0.3, locked[0]
    else:
        stage, at = 0.0, key
    return stage - 0.005 * (abs(state.agent.x - at.x) + abs(state.agent.y - at.y))
