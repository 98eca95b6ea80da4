def reward(prev, action, state, memory):
    ground = memory.setdefault("ground", set())
    here = (state.row, state.column)
    if here in ground:
        return 0.0
    ground.add(here)
    return 0.02
