def reward(prev, action, state, memory):
    def box_distance(s):
        for o in s.objects:
            if o.target:
                return abs(s.agent.x - o.x) + abs(s.agent.y - o.y)
        return 0

    progress = 0.05 * (box_distance(prev) - box_distance(state))

    bonus = 0.0
    for name, cond in (
        ("ball", state.carrying is not None and state.carrying.kind == "ball"),
        ("key", state.carrying is not None and state.carrying.kind == "key"),
        ("door", state.event == "unlocked"),
    ):
        if cond and name not in memory:
            memory[name] = True
            bonus += 0.05

    return {"progress": progress, "milestones": bonus}
