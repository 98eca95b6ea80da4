def reward(prev, action, state, memory):
    goal_object = None
    for o in state.objects:
        if o.rank == 2:
            goal_object = o
    if goal_object is None:
        return 0.0
    # reaching the destination object is what the mission is about
    if goal_object.carried:
        return 1.5
    d = abs(state.agent.x - goal_object.x) + abs(state.agent.y - goal_object.y)
    d0 = abs(prev.agent.x - goal_object.x) + abs(prev.agent.y - goal_object.y)
    return 0.01 * (d0 - d)
